internal import DXStream
public import DXWire

/// How far one end is with one stream of a plan.
public struct StreamProgress: Sendable {
    /// What this end sends.
    let sending: TrafficPlan.HalfPlan
    /// What this end receives.
    let receiving: TrafficPlan.HalfPlan
    let sendingKey: UInt64
    let receivingKey: UInt64
    /// The stream, once it is open.
    public internal(set) var id: StreamID?
    /// Bytes written so far.
    public internal(set) var writtenByteCount: UInt64 = 0
    /// Whether FIN or RESET was commanded, or the peer stopped it.
    public internal(set) var hasSendingEnded = false
    /// Bytes read so far.
    public internal(set) var readByteCount: UInt64 = 0
    /// How the receiving half ended; nil while it has not.
    public internal(set) var receivingEnd: ReceivingEnd?
    /// Whether the channel has forgotten the stream.
    public internal(set) var isEnded = false
    /// When the first byte was read.
    public internal(set) var firstReadAt: Instant?
    /// When the receiving half ended.
    public internal(set) var receivedAt: Instant?
    var nextWriteAt: Instant?
    var nextReadAt: Instant?
    var isReadable = false

    /// How a receiving half ended.
    public enum ReceivingEnd: Equatable, Sendable {
        /// All bytes and the FIN were read.
        case finished
        /// The peer reset it.
        case reset(StreamCode)
        /// This end stopped it.
        case stopped
    }

    init(_ plan: TrafficPlan.StreamPlan, index: Int, isOpener: Bool) {
        sending = isOpener ? plan.forward : plan.backward
        receiving = isOpener ? plan.backward : plan.forward
        // Each direction of each stream has its own content.
        let key = UInt64(index + 1) << 1
        sendingKey = isOpener ? key : key | 1
        receivingKey = isOpener ? key | 1 : key
    }

    /// For the message of a failure.
    var text: String {
        guard let id else { return "not open" }
        let end = receivingEnd.map { "\($0)" } ?? "open"
        return """
            stream \(id): wrote \(writtenByteCount) of \(sending.byteCount)\(hasSendingEnded ? " ended" : ""), \
            read \(readByteCount) of \(receiving.byteCount) \(end)\(isEnded ? ", forgotten" : "")
            """
    }
}
