import DXWire
import Testing

@testable import DXStream

@Suite struct PacketSizingTests {
    /// Packets of one datagram, sent one after the other.
    private struct Sender {
        var sizing = PacketSizing(maximumPacket: 16_384)
        var next: UInt64 = 0
        /// A datagram each 10 microseconds.
        var now: Instant { Instant(nanoseconds: 0) + .seconds(1) + .microseconds(10) * Int64(next) }

        mutating func send(_ count: Int) {
            for _ in 0..<count { sizing.onSent(datagrams: 1) }
            next += UInt64(count)
        }

        mutating func lose() { sizing.onLost(next - 1, sentAt: now, next: next) }
    }

    private func count(_ sizing: PacketSizing, mtu: Int = 1_472, window: Int = 1 << 30, pace: Int = 1 << 30) -> Int {
        sizing.datagramCount(mtu: mtu, overhead: 38, window: window, pace: pace)
    }

    @Test func growsWithWhatPasses() {
        var sender = Sender()
        #expect(count(sender.sizing) == 1)
        sender.send(255)
        #expect(count(sender.sizing) == 1)
        sender.send(1)
        #expect(count(sender.sizing) == 2)
        sender.send(32 * 128)
        #expect(sender.sizing.allowed == 32)
        // What a DTLS record holds: eleven datagrams on Ethernet.
        #expect(count(sender.sizing) == 11)
        #expect(count(sender.sizing, mtu: 8_972) == 1)
        #expect(count(sender.sizing, mtu: 1_200) == 13)
    }

    @Test func staysWithinWindowAndPace() {
        var sender = Sender()
        sender.send(10_000)
        #expect(count(sender.sizing, window: 8 * 1_472 * 5) == 5)
        #expect(count(sender.sizing, window: 14_720) == 1)
        #expect(count(sender.sizing, pace: 3_000) == 2)
        #expect(count(sender.sizing, pace: 0) == 1)
        #expect(count(sender.sizing, mtu: 500) == 1)
    }

    /// One loss in a hundred datagrams: single ones. One in a thousand: some. One in ten thousand: large ones.
    @Test(arguments: [(100, 1...1), (300, 1...2), (1_000, 5...8), (2_000, 11...11), (10_000, 11...11)])
    func followsTheLosses(interval: Int, expected: ClosedRange<Int>) {
        var sender = Sender()
        for _ in 0..<40 {
            sender.send(interval)
            sender.lose()
        }
        #expect(expected.contains(count(sender.sizing)), "\(count(sender.sizing))")
    }

    /// Losses of what was sent within a millisecond are one.
    @Test func manyAtOnceAreOne() {
        var sender = Sender()
        sender.send(2_000)
        let start = sender.now
        for number: UInt64 in 1_900..<2_000 {
            sender.sizing.onLost(
                number, sentAt: start + .microseconds(10) * Int64(number - 1_900) - .microseconds(1), next: sender.next)
        }
        #expect(count(sender.sizing) == 11)
    }

    /// Over a long path a round trip has many losses, and each counts.
    @Test func manyInARoundTripCountEach() {
        var sender = Sender()
        sender.send(2_000)
        for number in stride(from: UInt64(1_000), to: 2_000, by: 20) {
            sender.sizing.onLost(
                number, sentAt: sender.now + .microseconds(120) * Int64(number), next: sender.next)
            for _ in 0..<20 { sender.sizing.onSent(datagrams: 1) }
            sender.next += 20
        }
        #expect(count(sender.sizing) == 1)
    }

    /// A path that was good for long is known for bad after some losses.
    @Test func forgetsGoodTimes() {
        var sender = Sender()
        sender.send(10_000_000)
        sender.lose()
        for _ in 0..<16 {
            sender.send(50)
            sender.lose()
        }
        #expect(count(sender.sizing) == 1)
    }

    @Test func neverWhereThePeerTakesNone() {
        var sender = Sender()
        sender.sizing = PacketSizing(maximumPacket: 0)
        sender.send(10_000)
        #expect(count(sender.sizing) == 1)
    }

    @Test(arguments: [1_200, 1_372, 1_472, 8_972]) func sizesAgree(mtu: Int) {
        for count in 1...(16_408 / (mtu - 16)) {
            let capacity = PacketSizing.capacity(count: count, mtu: mtu, overhead: 38)
            let full = PacketSizing.datagramBytes(packet: capacity, mtu: mtu, overhead: 38)
            #expect(full.total == count * mtu)
            #expect(full.isFragmented == (count > 1))
            // One byte more takes another datagram.
            let more = PacketSizing.datagramBytes(packet: capacity + 1, mtu: mtu, overhead: 38)
            #expect(more.isFragmented && more.total > full.total)
        }
    }
}
