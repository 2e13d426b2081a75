internal import DXWire

/// How much a peer may send, on one stream or on the whole channel: the limit it was told, and when to tell it a higher one.
///
/// The limit is `consumed + size` at the time of the last announcement, so the bytes that can be waiting for a slow
/// reader never exceed `size`. A new limit is announced when half of the window has been used; of a channel's, which many readers
/// share, half of what is left beside what waits for them, so that some who do not read leave the others a window. When two announcements
/// follow one another within two round trips, the window was the bottleneck: it doubles, and within one it becomes four
/// times as large, up to `maximumSize` and to what the memory budget allows. Four times, because a sender that starts
/// doubles its rate each round trip, needs to know a round trip before, and a lost packet holds reading up for another.
struct ReceiveWindow: Sendable, BitwiseCopyable {
    /// The offset that the peer's data must not pass, as last announced (or about to be).
    private(set) var limit: UInt64
    /// How far the peer may be ahead of the reader, in bytes.
    private(set) var size: UInt64
    /// Bytes taken by the reader.
    private(set) var consumed: UInt64 = 0
    /// The highest offset that arrived; for a channel the sum over its streams.
    private(set) var highestReceived: UInt64 = 0
    /// A MAX_DATA or MAX_STREAM_DATA waits to be sent.
    var isAnnouncementDue = false
    private let maximumSize: UInt64
    private let isShared: Bool
    private var lastRaise: Instant?

    /// A window of `size` bytes that may grow to `maximumSize`; the peer knows the first limit already. `isShared` that of a channel.
    init(size: UInt64, maximumSize: UInt64, isShared: Bool = false) {
        self.isShared = isShared
        limit = size
        self.size = size
        self.maximumSize = max(size, maximumSize)
    }

    /// Data up to `offset` arrived; returns how many bytes are new, or nil when the peer broke the limit.
    mutating func onReceived(upTo offset: UInt64) -> UInt64? {
        guard offset <= limit else { return nil }
        guard offset > highestReceived else { return 0 }
        defer { highestReceived = offset }
        return offset &- highestReceived
    }

    /// The reader took `count` bytes.
    ///
    /// - Parameter growth: by how many bytes the memory budget lets the window grow.
    /// - Returns: by how many bytes it grew.
    mutating func onConsumed(_ count: UInt64, roundTrip: Interval, growth: UInt64, now: Instant) -> UInt64 {
        consumed &+= count
        let waiting = isShared ? highestReceived &- consumed : 0
        guard limit &- consumed <= (size &+ waiting) / 2 else { return 0 }
        var grown: UInt64 = 0
        if let lastRaise, now - lastRaise < roundTrip * 2, size < maximumSize {
            let wanted = now - lastRaise < roundTrip ? size &* 3 : size
            grown = min(wanted, maximumSize &- size, growth)
            size &+= grown
        }
        lastRaise = now
        limit = consumed &+ size
        isAnnouncementDue = true
        return grown
    }

    /// Makes the window no larger than `newSize`: what the peer was told stays, and less is told from now on.
    ///
    /// - Returns: by how many bytes it shrank.
    mutating func shrink(to newSize: UInt64) -> UInt64 {
        guard size > newSize else { return 0 }
        defer { size = newSize }
        return size &- newSize
    }

    /// Sets another size, for a channel whose memory budget changed; the limit never falls.
    mutating func setSize(_ newSize: UInt64) {
        size = newSize
        if consumed &+ size > limit {
            limit = consumed &+ size
            isAnnouncementDue = true
        }
    }
}
