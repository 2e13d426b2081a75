internal import DXWire

/// How large the packets of a path are: one datagram each, or several on a path that loses nothing
/// (`docs/wire-format.md` §2.2).
///
/// The cost of a packet (sealing, opening, accounting on both ends) hardly depends on its size, so a packet of eleven
/// datagrams is far cheaper than eleven packets. But it is lost when one of them is. So packets grow, by doubling, with
/// each few round trips without a loss, and are of one datagram again after one; the number of round trips that must pass
/// doubles with each loss, up to a limit, and falls again in better times.
///
/// They never become so large that congestion control would count in them: a packet is at most an eighth of the window,
/// and what the pacing rate gives in a millisecond.
struct PacketSizing: Sendable, BitwiseCopyable {
    /// The largest packet that the peer takes over several datagrams; 0 when it takes none.
    let maximumPacket: Int
    /// How many datagrams a packet may have now.
    private(set) var allowed = 1
    /// Up to which packet number the present round goes.
    private var roundEnd: UInt64 = 0
    /// Round trips without a loss since the last change.
    private var quietRounds = 0
    /// How many there must be before packets grow.
    private var wantedRounds = firstWanted

    /// Two: one round trip tells too little, and on a LAN all of it is over in milliseconds.
    private static let firstWanted = 2
    /// A path that loses one packet in a thousand has rounds without a loss; it must not have large packets for that.
    private static let mostWanted = 64
    /// Packets of more datagrams than this gain nothing: 16 KB is 11 on Ethernet.
    private static let mostDatagrams = 32
    /// At least this many packets make a window: below, one loss would say little.
    private static let packetsPerWindow = 8

    init(maximumPacket: Int) { self.maximumPacket = min(maximumPacket, 16_384) }

    /// An ACK raised the largest number that the peer has to `largest`; `next` is the next number to be sent.
    mutating func onAcknowledged(largest: UInt64, next: UInt64) {
        guard maximumPacket > 0, largest >= roundEnd else { return }
        roundEnd = next
        quietRounds &+= 1
        if quietRounds >= wantedRounds, allowed < Self.mostDatagrams {
            allowed = min(allowed &* 2, Self.mostDatagrams)
            quietRounds = 0
        } else if quietRounds >= Self.mostWanted {
            quietRounds = 0
            wantedRounds = max(wantedRounds / 2, Self.firstWanted)
        }
    }

    /// A packet that was no MTU probe was lost; `next` is the next number to be sent.
    mutating func onLost(next: UInt64) {
        // Several losses of one round are one.
        if allowed > 1 || quietRounds > 0 { wantedRounds = min(wantedRounds &* 2, Self.mostWanted) }
        allowed = 1
        quietRounds = 0
        roundEnd = next
    }

    /// The datagrams of the next packet, if there is enough to send: 1, or as many as fit.
    func datagramCount(mtu: Int, overhead: Int, window: Int, pace: Int) -> Int {
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
