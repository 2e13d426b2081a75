internal import DXWire
internal import NIOCore

/// What several sockets of one port brought in one turn of the event loop, until all of them have been read: then it is put
/// back into the order in which it was sent, as far as that shows.
///
/// Sockets take fragments of packets in turn (`SocketConfiguration.stripeCount`), so what lies in one of them may be older
/// or newer than what lies in the next. Only record numbers say (`docs/wire-format.md` §2.2).
///
/// Limits: each socket brings at most one read in a turn, which is 16 messages by default.
struct HeldMessages {
    /// One message of the kernel: a datagram, or several that it joined.
    struct Message {
        var bytes: ByteBuffer
        var segmentSize: Int
        var source: Endpoint
        var local: Endpoint?
        var ecn: ECNMark
        var time: Instant
        /// Which socket it came to.
        var place: SocketPlace
    }

    /// Where a message belongs.
    private struct Key: BitwiseCopyable {
        /// The connection id and the record number of the first datagram.
        var session: UInt64
        var number: UInt64
        /// The place in `messages`.
        var index: Int

        func isBefore(_ other: Key) -> Bool {
            session == other.session ? number < other.number : session < other.session
        }
    }

    private var messages: [Message] = []
    /// The order of the messages, apart from them: moving a message costs more than opening a small one.
    private var keys: [Key] = []
    private var isSorted = true

    /// How many are held.
    var count: Int { keys.count }

    /// Holds a message.
    mutating func append(_ message: Message) {
        let key = Self.key(message.bytes, index: messages.count)
        if let last = keys.last, key.isBefore(last) { isSorted = false }
        keys.append(key)
        messages.append(message)
    }

    /// Puts what is held in order: each session's by its record numbers. Some dozens, mostly in order: by insertion, which
    /// needs no memory.
    mutating func sort() {
        guard !isSorted else { return }
        isSorted = true
        for end in 1..<keys.count {
            let key = keys[end]
            var place = end
            while place > 0, key.isBefore(keys[place &- 1]) {
                keys[place] = keys[place &- 1]
                place &-= 1
            }
            keys[place] = key
        }
    }

    /// The message at a place of the order.
    func message(at place: Int) -> Message { messages[keys[place].index] }

    /// Forgets what is held; its memory is kept for what comes next.
    mutating func removeAll() {
        messages.removeAll(keepingCapacity: true)
        keys.removeAll(keepingCapacity: true)
        isSorted = true
    }

    /// The first 8 bytes, and the low 40 bits of the record number behind byte 8; nonsense of what is no session data, which
    /// does no harm.
    private static func key(_ bytes: ByteBuffer, index: Int) -> Key {
        let start = bytes.readerIndex
        guard let session = bytes.getInteger(at: start, as: UInt64.self),
            let high = bytes.getInteger(at: start + 9, as: UInt8.self),
            let low = bytes.getInteger(at: start + 10, as: UInt32.self)
        else { return Key(session: 0, number: 0, index: index) }
        return Key(session: session, number: UInt64(high) &<< 32 | UInt64(low), index: index)
    }
}
