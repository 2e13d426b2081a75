import DXSimulator
import DXStream
import DXWire
import Testing

/// What is promised of lossy and of bloated paths, with default settings: goodput from the first byte on, and how long the
/// queue of the bottleneck is.
@Suite struct LossyPathTests {
    /// The promise itself: a minute over 100 Mbit/s and 80 ms. With `DX_FULL=1` only, for it takes the simulator minutes in
    /// a debug build.
    @Test(.enabled(if: Replay.isFull), arguments: [(0.01, 90.0), (0.05, 70.0)])
    func aMinuteOfRandomLoss(part: Double, megabits: Double) throws {
        let flow = try BulkFlow(
            .automatic, megabitsPerSecond: 100, delay: .milliseconds(40), queue: .milliseconds(100), loss: part)
        try flow.run(for: .seconds(60))
        #expect(flow.megabits / 60 >= megabits, "\(flow.megabits / 60) Mbit/s")
        #expect(flow.path.algorithm == .bbr)
    }

    /// The same promise in small: what comes after the start is above it, and the start costs no more than its part of a
    /// minute. 5 % at a fifth of the rate, which is harder: there are fewer packets to tell chance by.
    @Test(arguments: [
        (Int64(100), 0.01, 0.9, 1.3), (20, 0.05, 0.72, 3),
    ])
    func randomLoss(megabits: Int64, part: Double, steadyPart: Double, startSeconds: Double) throws {
        let flow = try BulkFlow(
            .automatic, megabitsPerSecond: megabits, delay: .milliseconds(40), queue: .milliseconds(100), loss: part)
        let start: Int64 = megabits == 100 ? 2 : 8
        try flow.run(for: .seconds(start))
        let first = flow.megabits
        try flow.run(for: .seconds(start))
        let steady = (flow.megabits - first) / Double(start)
        #expect(steady >= steadyPart * Double(megabits), "\(steady) Mbit/s after the start")
        // What the start lost, as if nothing had been sent for a time.
        let lost = Double(start) - first / steady
        #expect(lost <= startSeconds, "the start cost \(lost) s")
        #expect(flow.path.algorithm == .bbr)
    }

    /// A queue of one second stays nearly empty: 90 % of the rate, 95 of 100 packets wait less than 100 ms.
    @Test(arguments: [CongestionAlgorithm.automatic, .bbr])
    func bloat(algorithm: CongestionAlgorithm) throws {
        let flow = try BulkFlow(
            algorithm, megabitsPerSecond: 10, delay: .milliseconds(20), queue: .seconds(1), loss: 0)
        let seconds: Int64 = Replay.isFull ? 60 : 20
        try flow.run(for: .seconds(seconds))
        let part = flow.megabits / Double(seconds) / 10
        #expect(part >= 0.9, "\(part) of the rate")
        #expect(flow.wait(ofPart: 0.95) <= .milliseconds(100), "95 of 100 waited \(flow.wait(ofPart: 0.95))")
        #expect(flow.wait(ofPart: 0.5) <= .milliseconds(10), "half waited \(flow.wait(ofPart: 0.5))")
        #expect(flow.path.algorithm == .bbr)
    }

    /// Slow start stops soon after the pipe is full: what is typed meanwhile waits 150 ms at worst, not the 270 that HyStart++
    /// alone lets it have with packets of eleven datagrams, and half a second later hardly at all.
    @Test func theStartFillsNoLongQueue() throws {
        for seed in UInt64(1)...(Replay.isFull ? 8 : 2) {
            let flow = try BulkFlow(
                .automatic, megabitsPerSecond: 50, delay: .milliseconds(20), queue: .seconds(1),
                jitter: .milliseconds(1), seed: seed, largestPacket: 16_384)
            try flow.run(for: .seconds(5))
            #expect(flow.wait(ofPart: 1) <= .milliseconds(150), "waited \(flow.wait(ofPart: 1)), seed \(seed)")
            #expect(flow.wait(ofPart: 0.95) <= .milliseconds(30), "95 of 100 waited \(flow.wait(ofPart: 0.95))")
            #expect(flow.megabits / 5 >= 40)
        }
    }

    /// Without loss and with an ordinary queue there is no reason to leave CUBIC.
    @Test func anOrdinaryPathStaysWithCubic() throws {
        let flow = try BulkFlow(
            .automatic, megabitsPerSecond: 10, delay: .milliseconds(20), queue: .milliseconds(40), loss: 0)
        for _ in 0..<10 {
            try flow.run(for: .seconds(1))
            #expect(flow.path.algorithm == .cubic)
        }
        #expect(flow.megabits / 10 > 9)
    }

    /// A path that loses packets for a while and then does not: what was excused is forgotten.
    @Test func ambientLossIsForgotten() throws {
        let flow = try BulkFlow(
            .bbr, megabitsPerSecond: 10, delay: .milliseconds(20), queue: .milliseconds(40), loss: 0.05,
            lossEndsAfter: .seconds(10))
        try flow.run(for: .seconds(10))
        #expect(flow.path.ambientLoss > 0.025, "\(flow.path.ambientLoss)")
        try flow.run(for: .seconds(15))
        #expect(flow.path.ambientLoss < 0.01, "\(flow.path.ambientLoss)")
    }
}
