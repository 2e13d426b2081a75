import DXStream
import DXWire
import Testing

/// Windows per round, in packets, against recorded traces: any change of a controller's behaviour shows as a diff.
@Suite struct CongestionTraceTests {
    /// 20 Mbit/s, 50 ms and a deep queue: the round trip grows with the queue, and slow start ends before a loss.
    @Test func slowStartEndsAsDelayGrows() throws {
        var path = BottleneckPath(.cubic, delayMilliseconds: 50, packetsPerSecond: 2_000, queueLimit: 2_000)
        path.run(rounds: 24)
        #expect(path.controller.slowStartThreshold != nil)
        // Plain slow start would go on to the 2,100 that path and queue hold, and lose half of them.
        #expect(!path.trace.contains("loss"))
        try GoldenText.expect(path.trace, matches: "cubic-slow-start-exit.txt")
    }

    /// The same on a path with a short queue, which overflows before HyStart++ has seen enough.
    @Test func slowStartEndsByALoss() throws {
        var path = BottleneckPath(.cubic, delayMilliseconds: 50, packetsPerSecond: 2_000, queueLimit: 40)
        path.run(rounds: 60)
        try GoldenText.expect(path.trace, matches: "cubic-slow-start-loss.txt")
    }

    /// A loss at 300 packets on a path that then has room for 2,500: concave up to 300, flat there, convex beyond.
    @Test func cubicIsConcaveThenConvex() throws {
        var path = BottleneckPath(.cubic, delayMilliseconds: 100, packetsPerSecond: 25_000, queueLimit: 10_000)
        path.run(rounds: 40) { path in
            if path.windowPackets >= 300, path.controller.slowStartThreshold == nil { path.congestionEvent() }
        }
        path.run(rounds: 90)
        try GoldenText.expect(path.trace, matches: "cubic-concave-convex.txt")
    }

    /// 100 Mbit/s, 40 ms, a queue of half the path: the sawtooth of the steady state.
    @Test(arguments: [CongestionAlgorithm.cubic, .newReno])
    func steadyState(algorithm: CongestionAlgorithm) throws {
        var path = BottleneckPath(algorithm, delayMilliseconds: 40, packetsPerSecond: 10_000, queueLimit: 200)
        path.run(rounds: 300)
        try GoldenText.expect(path.trace, matches: "\(algorithm)-steady.txt")
    }

    /// A stretch in which the application sends 20 packets a round, and one in which it sends nothing: the window stands
    /// still, and the curve goes on afterwards where it stopped.
    @Test func unusedWindowsDoNotGrow() throws {
        var path = BottleneckPath(.cubic, delayMilliseconds: 50, packetsPerSecond: 25_000, queueLimit: 10_000)
        path.run(rounds: 10) { path in
            if path.windowPackets >= 300, path.controller.slowStartThreshold == nil { path.congestionEvent() }
        }
        let before = path.windowPackets
        path.demand = 20
        path.run(rounds: 30)
        path.idle(.seconds(20))
        // The acknowledgements of the full window that was in flight when demand fell still count.
        #expect(path.windowPackets <= before + 10)
        let after = path.windowPackets
        path.demand = nil
        path.run(rounds: 1)
        #expect(path.windowPackets <= after + 10)
        path.run(rounds: 30)
        try GoldenText.expect(path.trace, matches: "cubic-application-limited.txt")
    }

    @Test(arguments: [CongestionAlgorithm.cubic, .newReno])
    func persistentCongestion(algorithm: CongestionAlgorithm) throws {
        var path = BottleneckPath(algorithm, delayMilliseconds: 50, packetsPerSecond: 25_000, queueLimit: 10_000)
        path.run(rounds: 6)
        path.loseEverything()
        path.run(rounds: 30)
        try GoldenText.expect(path.trace, matches: "\(algorithm)-persistent-congestion.txt")
    }

    @Test(arguments: [CongestionAlgorithm.cubic, .newReno])
    func spuriousLoss(algorithm: CongestionAlgorithm) throws {
        var path = BottleneckPath(algorithm, delayMilliseconds: 50, packetsPerSecond: 25_000, queueLimit: 10_000)
        path.run(rounds: 6)
        path.congestionEvent()
        path.run(rounds: 2)
        path.controller.onSpuriousCongestion(now: path.now)
        path.note("spurious")
        path.run(rounds: 2)
        // Again in congestion avoidance, and a true one afterwards.
        path.congestionEvent()
        path.run(rounds: 12)
        path.congestionEvent()
        path.run(rounds: 2)
        path.controller.onSpuriousCongestion(now: path.now)
        path.note("spurious")
        path.run(rounds: 12)
        try GoldenText.expect(path.trace, matches: "\(algorithm)-spurious-loss.txt")
    }

    @Test func ecnMarks() throws {
        var path = BottleneckPath(.cubic, delayMilliseconds: 50, packetsPerSecond: 25_000, queueLimit: 10_000)
        path.run(rounds: 6)
        for _ in 0..<4 {
            path.congestionEvent(isECN: true)
            path.controller.onSpuriousCongestion(now: path.now)
            path.note("spurious is ignored")
            path.run(rounds: 12)
        }
        try GoldenText.expect(path.trace, matches: "cubic-ecn.txt")
    }
}
