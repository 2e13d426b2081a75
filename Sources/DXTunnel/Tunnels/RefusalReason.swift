import DXWire

/// Why connections and flows of a tunnel were refused, for counting; the words are in the log and the audit record.
public enum RefusalReason: String, Sendable, Hashable, CaseIterable, Codable {
    /// The client does not come from where it may, or the owner of a gateway does not allow the target.
    case notAllowed = "not_allowed"
    /// As many are open as may be.
    case connectionLimit = "connection_limit"
    /// No memory or no file descriptors are left.
    case exhausted
    /// No destination is connected, or none takes it.
    case noDestination = "no_destination"
    /// The target, or the other gateway, refused it.
    case refused
    /// The target could not be reached in time, or its name leads nowhere.
    case unreachable
    /// All else.
    case other

    /// Why the other gateway is told.
    init(_ code: StreamCode) {
        switch code {
        case .refused: self = .refused
        case .unreachable: self = .unreachable
        case .limit: self = .connectionLimit
        default: self = .other
        }
    }

    /// Why an origin has no destination for a client.
    init(_ error: any Error) {
        switch error as? GatewayError {
        case .connectionLimit: self = .connectionLimit
        case .exhausted: self = .exhausted
        case .notConnected: self = .noDestination
        default: self = .other
        }
    }

    /// What became of a datagram that would have begun a flow.
    init(_ drop: DatagramDrop) {
        switch drop {
        case .notAllowed: self = .notAllowed
        case .limit: self = .connectionLimit
        case .noDestination: self = .noDestination
        case .noTarget: self = .unreachable
        case .rate, .queue, .unsendable, .resolving, .refusedByTarget, .system: self = .other
        }
    }
}

extension ConnectionRefusal {
    /// For counting.
    var counted: RefusalReason { self == .connections ? .connectionLimit : .exhausted }
}
