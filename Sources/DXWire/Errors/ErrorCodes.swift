/// Why a channel ended: the code of a CLOSE frame (`docs/wire-format.md` §8).
///
/// A struct, not an enum: a newer peer may send codes that this version does not know.
public struct CloseCode: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The number on the wire, at most 2^62-1.
    public var rawValue: UInt64
    /// The code with this number.
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// Orderly end.
    public static let none = CloseCode(rawValue: 0)
    /// The sender failed.
    public static let `internal` = CloseCode(rawValue: 1)
    /// A frame that cannot be read.
    public static let frameFormat = CloseCode(rawValue: 2)
    /// More data than was allowed.
    public static let flowControl = CloseCode(rawValue: 3)
    /// More streams than were allowed.
    public static let streamLimit = CloseCode(rawValue: 4)
    /// A frame for a stream that cannot have it.
    public static let streamState = CloseCode(rawValue: 5)
    /// The final size of a stream changed.
    public static let finalSize = CloseCode(rawValue: 6)
    /// Any other breach of the protocol.
    public static let protocolViolation = CloseCode(rawValue: 7)
    /// No common protocol version.
    public static let version = CloseCode(rawValue: 8)
    /// The gateway is stopping.
    public static let shutdown = CloseCode(rawValue: 9)
    /// A newer channel between the same gateways took over.
    public static let replaced = CloseCode(rawValue: 10)
    /// The peer is no longer allowed.
    public static let removed = CloseCode(rawValue: 11)
}

extension CloseCode: CustomStringConvertible {
    /// The name of `docs/wire-format.md` §8 in lower case, or the number.
    public var description: String {
        switch self {
        case .none: "none"
        case .internal: "internal"
        case .frameFormat: "frame_format"
        case .flowControl: "flow_control"
        case .streamLimit: "stream_limit"
        case .streamState: "stream_state"
        case .finalSize: "final_size"
        case .protocolViolation: "protocol"
        case .version: "version"
        case .shutdown: "shutdown"
        case .replaced: "replaced"
        case .removed: "removed"
        default: "code_\(rawValue)"
        }
    }
}

/// Why one direction of a stream ended early: the code of RESET and STOP frames (`docs/wire-format.md` §8).
public struct StreamCode: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The number on the wire, at most 2^62-1.
    public var rawValue: UInt64
    /// The code with this number.
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// The application's peer reset the connection, or went away.
    public static let aborted = StreamCode(rawValue: 0)
    /// Unknown internal port, an origin that is not allowed, or a target that refused.
    public static let refused = StreamCode(rawValue: 1)
    /// The target could not be reached in time.
    public static let unreachable = StreamCode(rawValue: 2)
    /// A connection or memory limit.
    public static let limit = StreamCode(rawValue: 3)
    /// The gateway or the tunnel is going away.
    public static let shutdown = StreamCode(rawValue: 4)
}

extension StreamCode: CustomStringConvertible {
    /// The name of `docs/wire-format.md` §8 in lower case, or the number.
    public var description: String {
        switch self {
        case .aborted: "aborted"
        case .refused: "refused"
        case .unreachable: "unreachable"
        case .limit: "limit"
        case .shutdown: "shutdown"
        default: "code_\(rawValue)"
        }
    }
}
