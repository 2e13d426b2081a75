import DXWire
import Testing

@testable import DXTunnel

@Suite struct DatagramPolicerTests {
    /// In the long run exactly the rate passes of twice as much, whatever the size of the datagrams.
    @Test(arguments: [(200, 8_000_000), (1_400, 8_000_000), (65_507, 8_000_000), (1_400, 8_000), (65_507, 64_000)])
    func keepsTheRate(size: Int, rate: UInt64) {
        var policer = DatagramPolicer(bitsPerSecond: rate)
        // Every datagram comes when half of it could be sent.
        let pause = Interval(nanoseconds: Int64(size) * 8_000_000_000 / Int64(rate) / 2)
        var (now, passed, seconds) = (Instant.zero, 0, 0.0)
        for _ in 0..<20_000 {
            if policer.take(size, now: now) { passed += size }
            now += pause
            seconds += pause.secondsAsDouble
        }
        let expected = Double(rate) / 8 * seconds
        let burst = Double(max(16_384, Int(rate) / 80))
        #expect(Double(passed) <= expected + burst + Double(size))
        #expect(Double(passed) >= expected - Double(size))
    }

    @Test func anotherRateGivesNoBurst() {
        var policer = DatagramPolicer(bitsPerSecond: 1_000_000)
        while policer.take(1_000, now: .zero) {}
        policer.setRate(bitsPerSecond: 100_000_000, now: .zero)
        #expect(policer.bitsPerSecond == 100_000_000)
        let isTaken = [Instant.zero, .zero + .milliseconds(1)].map { policer.take(1_000, now: $0) }
        #expect(isTaken == [false, true])
    }
}
