import DXSimulator
import DXStream
import DXWire
import Testing

/// Two channels between different gateways meet at one bottleneck.
@Suite struct FlowFairnessTests {
    /// Jain's index (sum squared over n times the sum of squares; 1 is equal) of what each gets, once the later one has
    /// had its start.
    @Test(arguments: [
        (CongestionAlgorithm.cubic, Int64(50)), (.newReno, 50), (.bbr, 10), (.bbr, 300),
    ])
    func twoFlowsShareABottleneck(algorithm: CongestionAlgorithm, queueMilliseconds: Int64) throws {
        let queue = Interval.milliseconds(queueMilliseconds)
        let rates = try share(algorithms: [algorithm, algorithm], queue: queue)
        let sum = rates.reduce(0, +)
        let index = sum * sum / (Double(rates.count) * rates.map { $0 * $0 }.reduce(0, +))
        #expect(index >= 0.9, "Jain's index \(index) of \(rates)")
        // Together they use the link: 10 Mbit/s are 1.25 MB/s, with headers.
        #expect(sum > 1_125_000, "\(sum) bytes/s together")
    }

    /// Beside others nobody starves: a fifth of an equal share at the least, whoever came first. `DX_FULL=1` has all
    /// mixes over queues of a quarter of the path to seven times.
    @Test func nobodyStarvesInAMix() throws {
        var mixes: [([CongestionAlgorithm], Int64)] = [
            ([.bbr, .cubic], 10), ([.cubic, .bbr], 50), ([.cubic, .automatic], 300),
        ]
        if Replay.isFull {
            let all: [[CongestionAlgorithm]] = [
                [.bbr, .cubic], [.cubic, .bbr], [.automatic, .cubic], [.cubic, .automatic], [.automatic, .bbr],
            ]
            mixes = all.flatMap { mix in [10, 25, 50, 100, 300].map { (mix, $0) } }
        }
        for (algorithms, milliseconds) in mixes {
            let rates = try share(algorithms: algorithms, queue: .milliseconds(milliseconds))
            let sum = rates.reduce(0, +)
            #expect(sum > 1_100_000, "\(sum) bytes/s together, \(algorithms), \(milliseconds) ms")
            for rate in rates {
                #expect(
                    rate > 0.2 * 1_125_000 / Double(rates.count), "\(rates) of \(algorithms), \(milliseconds) ms")
            }
        }
    }

    /// CUBIC fills any queue; 25 times what the path itself holds is the worst there is for a flow that keeps its own
    /// short. `automatic` notices that the queue is not its own, and fills it too.
    /// CUBIC itself takes a minute to share such a queue, so this runs with `DX_FULL=1` only.
    @Test(.enabled(if: Replay.isFull)) func automaticHoldsItsOwnInAQueueOfASecond() throws {
        let rates = try share(
            algorithms: [.cubic, .automatic], queue: .seconds(1), from: .seconds(20), for: .seconds(60))
        for rate in rates { #expect(rate > 0.2 * 1_125_000 / 2, "\(rates)") }
    }

    /// Bytes per second that each of the flows gets, by default from 8 s to 18 s; the second begins 3 s after the first.
    private func share(
        algorithms: [CongestionAlgorithm], queue: Interval, from begin: Interval = .seconds(8),
        for length: Interval = .seconds(10)
    ) throws -> [Double] {
        let scheduler = Scheduler(limit: .seconds(100), maximumStepCount: 3_000_000)
        let start = scheduler.now
        let network = Network(scheduler: scheduler)
        let upward = Link.steady(megabitsPerSecond: 10, delay: .milliseconds(20), queue: queue)
        let downward = Link.steady(megabitsPerSecond: 10, delay: .milliseconds(20), queue: .milliseconds(50))
        var pairs: [Pair] = []
        var readers: [Traffic] = []
        for (index, algorithm) in algorithms.enumerated() {
            var setup = Pair.Setup()
            setup.seed = UInt64(index + 1)
            setup.addresses = (lower: UInt32(10 + index), upper: UInt32(20 + index))
            setup.lower.congestion = algorithm
            setup.lower.maximumDatagram = 1_452
            setup.upper.maximumDatagram = 1_452
            var plan = TrafficPlan()
            var stream = TrafficPlan.StreamPlan.bulk(1 << 40)
            stream.opensAfter = .seconds(Int64(3 * index))
            plan.streams = [stream]
            let upper = Traffic(plan, role: .upper, seed: setup.seed, start: start)
            pairs.append(
                try Pair(
                    setup, network: network, upward: upward, downward: downward,
                    lower: Traffic(plan, role: .lower, seed: setup.seed, start: start), upper: upper))
            readers.append(upper)
        }
        try network.run(for: begin)
        let before = readers.map { $0.streams[0].readByteCount }
        try network.run(for: length)
        return zip(readers, before).map { Double($0.streams[0].readByteCount - $1) / length.secondsAsDouble }
    }
}
