/// What the control API asks of a program that can be restarted without a break.
public protocol RestartControl: Sendable {
    /// Has another start of the program take over; returns when that runs. This one goes on with its open connections, at most for `drain`;
    /// nil: as long as it was told when it was started.
    func restart(drain: Duration?) async throws -> RestartReply
}

/// The body of `POST /v1/restart`.
public struct RestartRequest: Codable, Hashable, Sendable {
    /// How long open connections may go on, in seconds; nil: the usual time.
    public var drainSeconds: Int?

    /// The most that may be asked for: a day.
    static let mostSeconds = 86_400

    /// A request.
    public init(drainSeconds: Int? = nil) { self.drainSeconds = drainSeconds }

    /// Throws `ControlError` for a time that makes no sense.
    func check() throws {
        guard drainSeconds.map({ (0...Self.mostSeconds).contains($0) }) ?? true else {
            throw ControlError(
                code: .badRequest, message: "drain_seconds is not 0 to \(Self.mostSeconds)",
                hint: "say {\"drain_seconds\": 600}")
        }
    }

    private enum CodingKeys: String, CodingKey { case drainSeconds = "drain_seconds" }
}

/// The answer to `POST /v1/restart`.
public struct RestartReply: Codable, Hashable, Sendable {
    /// The version of this layout.
    public var schema = 1
    /// The process that runs now.
    public var pid: Int32
    /// Its version.
    public var version: String
    /// The version of the process before.
    public var versionBefore: String
    /// Connections that go on in the process before.
    public var openConnections: Int

    /// An answer.
    public init(pid: Int32, version: String, versionBefore: String, openConnections: Int) {
        self.pid = pid
        self.version = version
        self.versionBefore = versionBefore
        self.openConnections = openConnections
    }

    private enum CodingKeys: String, CodingKey {
        case schema, pid, version
        case versionBefore = "version_before"
        case openConnections = "open_connections"
    }
}
