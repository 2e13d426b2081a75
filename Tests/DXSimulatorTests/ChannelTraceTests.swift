import DXSimulator
import DXStream
import DXWire
import Testing

/// Golden traces of whole channels on deterministic links: the congestion window at the end of each round trip, in full
/// datagrams, and what happened in it. Whole numbers only, so that they are the same on every platform.
///
/// `DX_GOLDEN=write swift test --filter ChannelTraceTests` writes the files anew; review the difference.
@Suite struct ChannelTraceTests {
    @Test(arguments: [CongestionAlgorithm.cubic, .newReno, .bbr]) func dropTail(algorithm: CongestionAlgorithm) throws {
        let link = Link.steady(megabitsPerSecond: 10, delay: .milliseconds(25), queue: .milliseconds(50))
        try check("\(algorithm)-drop-tail.txt", trace(algorithm, upward: link, rounds: 160))
    }

    @Test func oneBurstOfLoss() throws {
        let hole = Blackhole([VirtualClock().now + .seconds(4)..<VirtualClock().now + .milliseconds(4_010)])
        let link = Link.steady(megabitsPerSecond: 10, delay: .milliseconds(25), queue: .milliseconds(400), [hole])
        try check("cubic-burst-loss.txt", trace(.cubic, upward: link, rounds: 160))
    }

    @Test(arguments: [CongestionAlgorithm.cubic, .bbr])
    func blackHoleOfThreeSeconds(algorithm: CongestionAlgorithm) throws {
        let hole = Blackhole([VirtualClock().now + .seconds(2)..<VirtualClock().now + .seconds(5)])
        let link = Link.steady(megabitsPerSecond: 10, delay: .milliseconds(25), queue: .milliseconds(50), [hole])
        try check("\(algorithm)-black-hole.txt", trace(algorithm, upward: link, rounds: 200))
    }

    @Test(arguments: [CongestionAlgorithm.cubic, .bbr]) func marksInPlaceOfLoss(algorithm: CongestionAlgorithm) throws {
        let link = Link.steady(
            megabitsPerSecond: 10, delay: .milliseconds(25), queue: .milliseconds(100), marksECN: true)
        try check("\(algorithm)-ecn.txt", trace(algorithm, upward: link, rounds: 160))
    }

    @Test(arguments: [CongestionAlgorithm.cubic, .bbr, .automatic])
    func randomLoss(algorithm: CongestionAlgorithm) throws {
        let loss = RandomLoss(0.01, random: RandomSource(seed: 5))
        let link = Link.steady(megabitsPerSecond: 10, delay: .milliseconds(25), queue: .milliseconds(50), [loss])
        try check("\(algorithm)-random-loss.txt", trace(algorithm, upward: link, rounds: 160))
    }

    @Test(arguments: [CongestionAlgorithm.bbr, .automatic])
    func aQueueOfOneSecond(algorithm: CongestionAlgorithm) throws {
        let link = Link.steady(megabitsPerSecond: 10, delay: .milliseconds(25), queue: .milliseconds(1_000))
        try check("\(algorithm)-bloat.txt", trace(algorithm, upward: link, rounds: 160))
    }

    @Test(arguments: [CongestionAlgorithm.cubic, .bbr]) func aBurstOfReordering(algorithm: CongestionAlgorithm) throws {
        // All datagrams of 20 ms are held back and arrive behind those that follow.
        let link = Link([
            Bottleneck(bytesPerSecond: 1_250_000, queueByteCount: 125_000),
            Detour(VirtualClock().now + .seconds(3)..<VirtualClock().now + .milliseconds(3_020), by: .milliseconds(30)),
            Delay(.milliseconds(25)),
        ])
        try check("\(algorithm)-spurious-loss.txt", trace(algorithm, upward: link, rounds: 120))
    }

    /// Sends what passes during a time over a longer way.
    private final class Detour: Node {
        private let times: Range<Instant>
        private let detour: Delay

        init(_ times: Range<Instant>, by delay: Interval) {
            self.times = times
            detour = Delay(delay)
        }

        func forward(_ datagram: Datagram, now: Instant, output: inout [Datagram]) {
            if times.contains(now) {
                detour.forward(datagram, now: now, output: &output)
            } else {
                output.append(datagram)
            }
        }
        var nextRunAt: Instant? { detour.nextRunAt }
        func run(now: Instant, output: inout [Datagram]) { detour.run(now: now, output: &output) }
    }

    private func check(_ name: String, _ text: String) throws { try Golden.check(text, name) }

    /// A line per base round trip (50 ms): time, window in datagrams, a bar, and what was counted since the last line.
    private func trace(_ algorithm: CongestionAlgorithm, upward: Link, rounds: Int) throws -> String {
        var setup = Pair.Setup()
        setup.lower.congestion = algorithm
        setup.lower.maximumDatagram = 1_452
        setup.upper.maximumDatagram = 1_452
        let start = setup.clock.now
        var plan = TrafficPlan()
        plan.streams = [.bulk(1 << 40)]
        let pair = try Pair(
            setup, upward: upward,
            downward: .steady(megabitsPerSecond: 10, delay: .milliseconds(25), queue: .milliseconds(50)),
            lower: Traffic(plan, role: .lower, seed: 1, start: start),
            upper: Traffic(plan, role: .upper, seed: 1, start: start))
        var lines = ["round  window"]
        var before = PathStatistics()
        var active = pair.lower.channel.pathSnapshots[0].algorithm
        for round in 1...rounds {
            try pair.run(for: .milliseconds(50))
            let path = pair.lower.channel.pathSnapshots[0]
            defer { active = path.algorithm }
            let window = (path.windowBytes + 726) / 1_452
            let number = String(round)
            let size = String(window)
            lines.append(
                String(repeating: " ", count: 5 - number.count) + number
                    + String(repeating: " ", count: 8 - size.count) + size + "  "
                    + String(repeating: "*", count: min(70, window / 4))
                    + events(before, path.statistics, from: active, to: path.algorithm))
            before = path.statistics
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func events(
        _ before: PathStatistics, _ after: PathStatistics, from previous: CongestionAlgorithm,
        to now: CongestionAlgorithm
    ) -> String {
        var parts: [String] = []
        func note(_ name: String, _ count: UInt64) { if count > 0 { parts.append("\(name) \(count)") } }
        note("reduced", after.congestionEvents - before.congestionEvents)
        note("lost", after.packetsLost - before.packetsLost)
        note("spurious", after.packetsSpuriouslyLost - before.packetsSpuriouslyLost)
        note("timeouts", after.probeTimeouts - before.probeTimeouts)
        note("persistent", after.persistentCongestion - before.persistentCongestion)
        if previous != now { parts.append("now \(now)") }
        return parts.isEmpty ? "" : "  " + parts.joined(separator: ", ")
    }
}
