import DXSimulator
import DXStream
import DXWire
import Testing

/// Links whose delay differs from packet to packet, and that lose one of a thousand: Wi-Fi and LTE. Nearly every packet
/// waits behind a late one there, so no round trip comes near the smallest; that is no queue, and must not make losses
/// look like an overflow.
@Suite struct JitteryPathTests {
    /// A gateway's default settings, with packets of several datagrams, use the rate after some seconds.
    @Test(arguments: [
        (CongestionAlgorithm.automatic, Int64(25), Int64(8)), (.automatic, 8, 2), (.bbr, 8, 2),
    ])
    func theRateIsUsed(algorithm: CongestionAlgorithm, delay: Int64, jitter: Int64) throws {
        for seed in Replay.isFull ? UInt64(1)...8 : 3...3 {
            let flow = try BulkFlow(
                algorithm, megabitsPerSecond: 50, delay: .milliseconds(delay), queue: .milliseconds(200),
                loss: 0.001, jitter: .milliseconds(jitter), seed: seed, largestPacket: 16_384)
            try flow.run(for: .seconds(5))
            let first = flow.megabits
            try flow.run(for: .seconds(3))
            let part = (flow.megabits - first) / 3 / 50
            #expect(part >= 0.85, "\(part) of the rate after the start, seed \(seed)")
            #expect(flow.path.algorithm == .bbr)
        }
    }

    /// Startup over a satellite, which the peer's receive windows stop again and again, ends when it overflows.
    @Test func aSatelliteLosesLittle() throws {
        let flow = try BulkFlow(
            .automatic, megabitsPerSecond: 20, delay: .milliseconds(300), queue: .milliseconds(300), loss: 0.005)
        try flow.run(for: .seconds(20))
        #expect(flow.megabits / 20 >= 8, "\(flow.megabits / 20) Mbit/s")
        let statistics = flow.path.statistics
        #expect(statistics.packetsLost < statistics.packetsSent / 10, "\(statistics)")
    }

    /// Jitter alone is no reason for anything.
    @Test func withoutLossCubicStays() throws {
        let flow = try BulkFlow(
            .automatic, megabitsPerSecond: 20, delay: .milliseconds(25), queue: .milliseconds(40),
            jitter: .milliseconds(8))
        try flow.run(for: .seconds(8))
        #expect(flow.path.algorithm == .cubic)
        #expect(flow.megabits / 8 >= 0.8 * 20, "\(flow.megabits / 8) Mbit/s")
    }
}
