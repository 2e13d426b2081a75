/// Buffered tunnel data.
public struct MemoryStatus: Sendable, Hashable, Codable {
    /// How full the memory is.
    public enum State: String, Sendable, Hashable, Codable {
        /// Nothing is held back.
        case plenty
        /// Half or more is held: windows are smaller than usual, and a peer that holds its part gets no new connection.
        case tight
        /// New connections are refused.
        case full
    }

    /// Bytes buffered now.
    public var usedBytes: Int
    /// Bytes that may be buffered (`limits: memory`).
    public var limitBytes: Int
    /// The whole process in memory, in bytes; nil where it is not known.
    public var residentBytes: Int?
    /// How full it is; nil of a gateway that does not say.
    public var state: State?
    /// Connections and flows refused since the start for want of memory; nil of a gateway that does not say.
    public var refusedConnections: UInt64?

    /// A value from its parts.
    public init(usedBytes: Int, limitBytes: Int, residentBytes: Int? = nil) {
        self.usedBytes = usedBytes
        self.limitBytes = limitBytes
        self.residentBytes = residentBytes
    }

    /// Takes in what another event loop of the gateway says.
    mutating func add(_ other: MemoryStatus) {
        usedBytes += other.usedBytes
        refusedConnections = refusedConnections.map { $0 &+ (other.refusedConnections ?? 0) }
        // Each knows of the others as of its last look; the worst is what there is to know.
        if other.state == .full || state == .plenty { state = other.state }
    }

    private enum CodingKeys: String, CodingKey {
        case state
        case usedBytes = "used_bytes"
        case limitBytes = "limit_bytes"
        case residentBytes = "resident_bytes"
        case refusedConnections = "refused_connections"
    }
}

extension MemoryStatus.State {
    init(_ level: MemoryBudget.Level) {
        switch level {
        case .plenty: self = .plenty
        case .tight: self = .tight
        case .full: self = .full
        }
    }
}

/// The file descriptors of the gateway's process.
public struct DescriptorStatus: Sendable, Hashable, Codable {
    /// How many are open; nil where it is not known.
    public var used: Int?
    /// How many there may be (RLIMIT_NOFILE).
    public var limit: Int
    /// How many of these are kept from connections, for files, names and the control socket.
    public var reserved: Int
    /// Connections and flows refused since the start because none were left.
    public var refusedConnections: UInt64
    /// How often a listener stopped accepting for a second since the start, because the system gave none.
    public var acceptPauses: UInt64

    /// Whether none are left for connections.
    public var isShort: Bool { used.map { $0 >= limit - reserved } ?? false }

    /// Takes in what another event loop of the gateway says.
    mutating func add(_ other: DescriptorStatus) {
        refusedConnections &+= other.refusedConnections
        acceptPauses &+= other.acceptPauses
    }

    private enum CodingKeys: String, CodingKey {
        case used, limit, reserved
        case refusedConnections = "refused_connections"
        case acceptPauses = "accept_pauses"
    }
}
