internal import DXWire
internal import NIOCore

/// What several sockets of one port brought in one turn of the event loop, until all of them have been read: then it is put
/// back into the order in which it was sent, as far as that shows.
///
/// Sockets take fragments of packets in turn (`SocketConfiguration.stripeCount`), so what lies in one of them may be older
/// or newer than what lies in the next. Only record numbers say (`docs/wire-format.md` §2.2).
///
/// Limits: each socket brings at most one read in a turn.
struct HeldMessages<Handler: DatagramHandler> {
    /// One message of the kernel: a datagram, or several that it joined.
    struct Message {
        var bytes: ByteBuffer
        var segmentSize: Int
        var source: Endpoint
        var local: Endpoint?
        var ecn: ECNMark
        var time: Instant
        /// Who read it.
        var reader: SocketReader<Handler>
        /// The connection id and the record number of its first datagram.
        var session: UInt64 = 0
        var number: UInt64 = 0
    }

    private var messages: [Message] = []
    private var isSorted = true

    /// Whether nothing is held.
    var isEmpty: Bool { messages.isEmpty }

    /// Holds a message.
    mutating func append(_ message: Message) {
        var message = message
        (message.session, message.number) = Self.place(message.bytes)
        if let last = messages.last, last.session == message.session, message.number < last.number { isSorted = false }
        messages.append(message)
    }

    /// All that is held, each session's in the order of its record numbers; nothing is held afterwards. `taken` is
    /// empty before, and its memory is used for what comes next.
    mutating func takeAll(into taken: inout [Message]) {
        swap(&messages, &taken)
        messages.removeAll(keepingCapacity: true)
        if !isSorted { taken.sort { ($0.session, $0.number) < ($1.session, $1.number) } }
        isSorted = true
    }

    /// Forgets what is held.
    mutating func removeAll() { messages.removeAll() }

    /// The first 8 bytes, and the low 40 bits of the record number behind byte 8; nonsense of what is no session data, which
    /// does no harm.
    private static func place(_ bytes: ByteBuffer) -> (UInt64, UInt64) {
        let start = bytes.readerIndex
        guard let session = bytes.getInteger(at: start, as: UInt64.self),
            let high = bytes.getInteger(at: start + 9, as: UInt8.self),
            let low = bytes.getInteger(at: start + 10, as: UInt32.self)
        else { return (0, 0) }
        return (session, UInt64(high) &<< 32 | UInt64(low))
    }
}
