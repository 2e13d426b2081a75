import DXSimulator
import DXStream
import DXWire
import Testing

/// Links whose delay differs from packet to packet, and that lose one of a thousand: Wi-Fi and LTE. Nearly every packet
/// waits behind a late one there, so no round trip comes near the smallest; that is no queue, and must not make losses
/// look like an overflow.
@Suite struct JitteryPathTests {
    /// Default settings use the rate after some seconds, by BBR.
    @Test(arguments: [
        (Int64(50), Int64(25), Int64(8)), (50, 8, 2),
    ])
    func automaticUsesTheRate(megabits: Int64, delay: Int64, jitter: Int64) throws {
        for seed in Replay.isFull ? UInt64(1)...8 : 5...5 {
            let flow = try BulkFlow(
                .automatic, megabitsPerSecond: megabits, delay: .milliseconds(delay), queue: .milliseconds(200),
                loss: 0.001, jitter: .milliseconds(jitter), seed: seed)
            try flow.run(for: .seconds(6))
            let first = flow.megabits
            try flow.run(for: .seconds(4))
            let steady = (flow.megabits - first) / 4
            #expect(steady >= 0.8 * Double(megabits), "\(steady) Mbit/s after the start, seed \(seed)")
            #expect(flow.path.algorithm == .bbr)
        }
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
