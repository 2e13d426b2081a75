internal import DXWire

/// How large the packets of a path are: one datagram each, or several on a path that loses little
/// (`docs/wire-format.md` §2.2).
///
/// The cost of a packet (sealing, opening, accounting on both ends) hardly depends on its size, so a packet of eleven
/// datagrams is far cheaper than eleven packets. But it is lost when one of them is. So what counts is how many datagrams
/// pass between two losses: packets have a 128th of that, and large ones make losses of packets at most about a hundredth.
/// Losses of what was sent within a millisecond are one, and within the round trip if that is shorter: a queue that
/// overflows takes datagrams that lie together, and so few packets if they are large. RFC 5348 §5.2 asks for a round trip,
/// but over a long path a round trip has many losses by chance, each of which large packets would multiply.
///
/// They never become so large that congestion control would count in them: a packet is at most an eighth of the window,
/// and what the pacing rate gives in a millisecond.
struct PacketSizing: Sendable, BitwiseCopyable {
    /// The largest packet that the peer takes over several datagrams; 0 when it takes none.
    let maximumPacket: Int
    /// Datagrams between losses, averaged over some; 0 before the first loss.
    private var averageInterval = 0
    /// Datagrams since the last loss.
    private var presentInterval = 0
    /// Losses of packets before this one that were sent before `eventEndTime` belong to the last loss.
    private var eventEnd: UInt64 = 0
    private var eventEndTime = Instant(nanoseconds: 0)

    /// The datagrams between losses for each one of a packet.
    private static let intervalPerDatagram = 128
    /// Packets of more datagrams than this gain nothing: 16 KB is 11 on Ethernet.
    private static let mostDatagrams = 32
    /// What is averaged has a bound, so that a path that turns bad is known for it after some fifteen losses.
    private static let longestInterval = 2 * intervalPerDatagram * mostDatagrams
    /// How long a queue that overflows may lose and count once: what it held is gone after that, or it is a long one.
    private static let eventSpan = Interval.milliseconds(1)
    /// At least this many packets make a window: below, one loss would say little.
    private static let packetsPerWindow = 8

    init(maximumPacket: Int) { self.maximumPacket = min(maximumPacket, 16_384) }

    /// How many datagrams a packet may have for the losses that there were.
    var allowed: Int {
        min(max(averageInterval, presentInterval) / Self.intervalPerDatagram, Self.mostDatagrams)
    }

    /// A packet of `datagrams` datagrams that asks for an acknowledgement was sent.
    mutating func onSent(datagrams: Int) { presentInterval = min(presentInterval &+ datagrams, Self.longestInterval) }

    /// The packet `number`, no MTU probe, sent at `sentAt`, was lost; `next` is the next number to be sent.
    mutating func onLost(_ number: UInt64, sentAt: Instant, next: UInt64) {
        guard number >= eventEnd || sentAt >= eventEndTime else { return }
        eventEnd = next
        eventEndTime = sentAt + Self.eventSpan
        averageInterval =
            averageInterval == 0 ? presentInterval : (3 &* averageInterval &+ presentInterval) / 4
        presentInterval = 0
    }

    /// The datagrams of the next packet, if there is enough to send: 1, or as many as fit.
    func datagramCount(mtu: Int, overhead: Int, window: Int, pace: Int) -> Int {
        let allowed = allowed
        guard allowed > 1, maximumPacket > 0 else { return 1 }
        let slice = mtu &- FragmentHeader.byteCount
        guard slice >= FragmentHeader.minimumSlice else { return 1 }
        let body = maximumPacket &+ overhead &- FragmentHeader.recordHeadByteCount
        let most = min(allowed, body / slice, window / (Self.packetsPerWindow &* mtu), pace / mtu)
        return max(1, most)
    }

    /// The bytes of a packet that fills `count` datagrams of `mtu` bytes.
    static func capacity(count: Int, mtu: Int, overhead: Int) -> Int {
        if count <= 1 { return mtu &- overhead }
        return FragmentHeader.bodyCapacity(count: count, datagramByteCount: mtu) &- overhead
            &+ FragmentHeader.recordHeadByteCount
    }

    /// The bytes of all datagrams of a packet of `byteCount` bytes, and whether they are several.
    static func datagramBytes(packet byteCount: Int, mtu: Int, overhead: Int) -> (total: Int, isFragmented: Bool) {
        let whole = byteCount &+ overhead
        guard whole > mtu else { return (whole, false) }
        let body = whole &- FragmentHeader.recordHeadByteCount
        let count = FragmentHeader.count(body: body, datagramByteCount: mtu)
        return (body &+ count &* FragmentHeader.byteCount, true)
    }
}
