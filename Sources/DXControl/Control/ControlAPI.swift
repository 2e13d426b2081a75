public import DXTunnel

/// What the control API asks of a running gateway. `Gateway` fits it; tests bring their own.
public protocol ControlTarget: Sendable {
    /// A snapshot of the gateway. Throws `ControlError` while there is none.
    func status() async throws -> GatewayStatus

    /// Sends one probe through the channel to the peer of this name (or of a gateway id that begins so) and returns
    /// the round trip. Throws `ControlError` for what the caller should know; must end within a few seconds.
    func ping(peer: String) async throws -> Duration

    /// What knows of the gateway's group; nil when nothing does.
    var group: (any GroupControl)? { get }

    /// What knows of the gateway's network and ways; nil when nothing does.
    var match: (any MatchControl)? { get }

    /// What drains the gateway and trusts destinations again; nil when nothing does.
    var availability: (any AvailabilityControl)? { get }

    /// What knows of the gateway's audit records; nil when nothing does.
    var audit: (any AuditControl)? { get }

    /// What tells of the gateway's events; nil when nothing does.
    var events: (any EventControl)? { get }

    /// What cuts paths and peers for a rehearsal; nil when nothing does.
    var rehearsals: (any RehearsalControl)? { get }

    /// What restarts the program without a break; nil when nothing does.
    var restarts: (any RestartControl)? { get }

    /// What traces channels; nil when nothing does.
    var traces: (any TraceControl)? { get }

    /// What the program's loggers obey; nil when nothing can be changed.
    var logs: LogLevelSwitch? { get }
}

extension ControlTarget {
    /// Nothing: for targets that are no gateways.
    public var group: (any GroupControl)? { nil }

    /// Nothing: for targets that are no gateways.
    public var match: (any MatchControl)? { nil }

    /// Nothing: for targets that are no gateways.
    public var availability: (any AvailabilityControl)? { nil }

    /// Nothing: for targets that are no gateways.
    public var audit: (any AuditControl)? { nil }

    /// Nothing: for targets that are no gateways.
    public var events: (any EventControl)? { nil }

    /// Nothing: for targets that are no gateways.
    public var rehearsals: (any RehearsalControl)? { nil }

    /// Nothing: for programs that are restarted by whoever started them.
    public var restarts: (any RestartControl)? { nil }

    /// Nothing: for targets that are no gateways.
    public var traces: (any TraceControl)? { nil }

    /// Nothing: for programs whose logging is their own.
    public var logs: LogLevelSwitch? { nil }
}

/// An answer of the control API that is not the one hoped for.
///
/// JSON: `{"error": {"code": …, "message": …, "hint": …}}`.
public struct ControlError: Error, Hashable, Sendable {
    /// The kind of an error, for programs.
    public enum Code: String, Sendable, Hashable, Codable {
        /// The request is not one that the API has or understands.
        case badRequest = "bad_request"
        /// There is no such endpoint.
        case notFound = "not_found"
        /// No peer of that name is configured.
        case unknownPeer = "unknown_peer"
        /// The peer is known, and no session to it is up.
        case notConnected = "not_connected"
        /// No answer came in time.
        case timedOut = "timed_out"
        /// The gateway is starting or stopping.
        case notReady = "not_ready"
        /// The gateway is in no group.
        case noGroup = "no_group"
        /// The gateway may not sign for its group.
        case notAdmin = "not_admin"
        /// It is there already, or would take something away that is needed.
        case conflict
        /// Something inside failed.
        case failed
    }

    /// The kind.
    public let code: Code
    /// What is wrong.
    public let message: String
    /// What to do, as an instruction.
    public let hint: String

    /// An error from its parts.
    public init(code: Code, message: String, hint: String) {
        self.code = code
        self.message = message
        self.hint = hint
    }
}

extension ControlError: CustomStringConvertible {
    /// `message; hint`.
    public var description: String { "\(message); \(hint)" }
}

/// The JSON frame of a `ControlError`.
struct ControlErrorBody: Codable {
    struct Content: Codable {
        var code: String
        var message: String
        var hint: String
    }
    var error: Content

    init(_ error: ControlError) {
        self.error = Content(code: error.code.rawValue, message: error.message, hint: error.hint)
    }

    /// The error; a code of a newer version becomes `failed`.
    var controlError: ControlError {
        ControlError(code: ControlError.Code(rawValue: error.code) ?? .failed, message: error.message, hint: error.hint)
    }
}

/// The body of `POST /v1/ping`.
public struct PingRequest: Codable, Hashable, Sendable {
    /// The peer's name, or the beginning of its gateway id.
    public var peer: String
    /// How many probes, one after the other, 1 to 100; 1 when absent.
    public var count: Int?

    /// A request from its parts.
    public init(peer: String, count: Int? = nil) {
        self.peer = peer
        self.count = count
    }

    /// The probes that one request may ask for. A hundred unanswered ones would hold the connection for minutes, so the
    /// first unanswered one ends the request.
    public static let maximumCount = 100
}

/// The answer to `POST /v1/ping`.
public struct PingReply: Codable, Hashable, Sendable {
    /// The version of this layout.
    public var schema: Int
    /// The peer as it was asked for.
    public var peer: String
    /// Probes sent.
    public var sent: Int
    /// Round trips in microseconds, one for each probe that was answered, in order.
    public var rttMicroseconds: [UInt64]
    /// Why the last probe was not answered; nil when all were.
    public var lastError: String?

    /// An answer from its parts.
    public init(peer: String, sent: Int, rttMicroseconds: [UInt64], lastError: String? = nil) {
        schema = GatewayStatus.schema
        self.peer = peer
        self.sent = sent
        self.rttMicroseconds = rttMicroseconds
        self.lastError = lastError
    }

    private enum CodingKeys: String, CodingKey {
        case schema, peer, sent
        case rttMicroseconds = "rtt_us"
        case lastError = "last_error"
    }
}
