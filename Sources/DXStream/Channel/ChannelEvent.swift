public import DXWire
public import NIOCore

/// What the transport tells its owner.
///
/// Bounded: a stream has at most one event of each kind waiting, messages are bounded by a queue, the rest happen once.
public enum ChannelEvent: Sendable, Equatable {
    /// The peer opened a stream. Its data may be read at once.
    case streamOpened(OpenFrame)
    /// The peer has the OPEN of a stream that was opened to tell so.
    case streamAccepted(StreamID)
    /// A stream has something to read: bytes, its end, or a reset.
    case readable(StreamID)
    /// A stream that was full takes bytes again.
    case writable(StreamID)
    /// The peer wants no more on this stream (STOP); the sending half was reset.
    case stopped(StreamID, StreamCode)
    /// Everything that was written on this stream, and its FIN or RESET, has been acknowledged, and the receiving half
    /// has ended too: the stream is forgotten.
    case streamEnded(StreamID)
    /// The peer allows more streams than when `openStream` last failed.
    case streamsAvailable
    /// Bytes of the control stream can be read.
    case controlReadable
    /// An unreliable message.
    case message(flow: UInt64, ByteBuffer)
    /// A first probe timeout: mostly a lost packet, and what costs little may be asked already.
    case pathDoubted(PathID)
    /// Probe timeouts in a row, and no other path to go on: it may be dead, and another should be looked for.
    case pathSuspect(PathID)
    /// Of several paths this one does not answer any more; others carry what it did.
    case pathDown(PathID)
    /// It answers again, and has for a while.
    case pathUp(PathID)
    /// The new address of a path answered: use it.
    case pathValidated(PathID)
    /// The path is no longer used by either end: forget its session.
    case pathRetired(PathID)
    /// The channel ended. The last event.
    case closed(ChannelEnd)
}

/// How a channel ended.
public struct ChannelEnd: Sendable, Equatable {
    /// Why.
    public var code: CloseCode
    /// In words.
    public var reason: String
    /// Who ended it.
    public var cause: Cause

    /// Who ended a channel.
    public enum Cause: UInt8, Sendable, BitwiseCopyable {
        /// This end, by command.
        case local
        /// The peer, by a CLOSE frame.
        case peer
        /// This end, because the peer broke the protocol.
        case violation
        /// Nothing arrived for the idle timeout.
        case idleTimeout
    }

    /// An end with these facts.
    public init(code: CloseCode, reason: String, cause: Cause) {
        self.code = code
        self.reason = reason
        self.cause = cause
    }
}

/// Caller misuse of a channel. The channel is unharmed.
public enum ChannelError: Error, Equatable, Sendable {
    /// The channel is closed.
    case closed
    /// The channel has as many paths as it may (`MessageChannel.maximumPaths`), or one with this id.
    case pathLimit
    /// The peer retired the path before this end added it: it has given up its session.
    case pathRetired
    /// A control message or an unreliable message is larger than the peer takes, or the queue is full.
    case tooLarge
}

/// What became of a packet.
public enum ReceiveOutcome: UInt8, Sendable, BitwiseCopyable {
    /// Its frames were applied, and no later packet of its path had arrived before.
    case accepted
    /// Its frames were applied; a later packet of its path had overtaken it.
    case acceptedLate
    /// Its number had been seen.
    case duplicate
    /// A limit on early pieces was reached: not acknowledged, so the peer sends its content again.
    case refused
    /// It is not a packet of this path, or the channel is closed: dropped.
    case dropped
    /// It broke the protocol: the channel is closing.
    case violation
}

/// One packet to be sealed and sent.
public struct Transmit: Sendable, Equatable, BitwiseCopyable {
    /// Where a packet goes.
    public enum Destination: UInt8, Sendable, BitwiseCopyable {
        /// To the path's proven remote address.
        case current
        /// To the new address under validation.
        case candidate
    }

    /// The session that seals it.
    public var path: PathID
    /// Which of the path's addresses it goes to.
    public var destination: Destination
    /// How to mark it.
    public var ecn: ECNMark
    /// The bytes of the packet, before sealing.
    public var byteCount: Int
    /// The largest datagram that the path carries: a sealed packet beyond it goes in fragments of this size
    /// (`docs/wire-format.md` §2.2). Not for MTU probes, which are larger and go whole.
    public var datagramByteCount: Int
}
