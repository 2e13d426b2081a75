import DXSimulator
import DXStream
import DXWire
import Testing

/// Two networks, and a path between each two addresses of the ends: of four paths two go out over one network and come back over the
/// other, so that a cut of one network leaves one path whole and two that work one way only.
@Suite struct FourPathsTests {
    /// Networks are cut one after the other, again and again, and sessions that do not answer are made anew: every byte
    /// arrives, and nothing waits for ever.
    @Test(arguments: [MultipathMode.standby, .redundant, .aggregate])
    func everythingGoesOn(mode: MultipathMode) throws {
        try Replay.run("FourPathsTests/everythingGoesOn(\(mode))", seeds: Replay.seeds(count: 4)) { seed, log in
            let cuts = Self.cuts(seed: seed)
            let networks = try Self.networks(
                mode, .steadyBothWays(20_000_000, pause: .milliseconds(60), keys: 20_000), cuts, seed: seed, log: log)
            var addresses = networks.crossing
            addresses[networks.first] = (1, 2)
            addresses[networks.second] = (31, 32)
            let replacing = Replacing(addresses)
            replacing.go(on: networks.pair, left: 200)
            let silence = try networks.longestSilence()
            try SimulationFailure.unless(silence < .seconds(2), "nobody read a byte for \(silence)")
            try SimulationFailure.unless(replacing.count > 0, "no session was made anew")
        }
    }

    /// Networks are cut while paths over the other one are not trusted again, or work one way only: whichever answers first takes
    /// over, and of a hundred cuts one at most is felt for longer than 300 ms.
    @Test(arguments: [MultipathMode.standby, .redundant]) func whatAnswersTakesOver(mode: MultipathMode) throws {
        var stalls: [Interval] = []
        try Replay.run("FourPathsTests/whatAnswersTakesOver(\(mode))", seeds: Replay.seeds(count: 4)) { seed, log in
            let cuts = Self.turns(seed: seed)
            let networks = try Self.networks(
                mode, .steadyBothWays(50_000_000, pause: .milliseconds(60), keys: 80_000), cuts, seed: seed, log: log)
            stalls += try networks.stalls(of: (cuts.first + cuts.second).map(\.lowerBound).sorted())
        }
        stalls.sort()
        #expect(stalls[stalls.count - 1 - stalls.count / 100] <= .milliseconds(300), "the longest: \(stalls.suffix(9))")
    }

    /// One network and the other in turn, for as long as it takes to take everything over, with a second at most between.
    private static func turns(seed: UInt64) -> (first: [Range<Instant>], second: [Range<Instant>]) {
        var random = RandomSource(seed: seed)
        var cuts: (first: [Range<Instant>], second: [Range<Instant>]) = ([], [])
        var time = VirtualClock().now + .seconds(1)
        for count in 0..<16 {
            let cut = time..<(time + .milliseconds(Int64(500 + random.below(500))))
            if count.isMultiple(of: 2) { cuts.first.append(cut) } else { cuts.second.append(cut) }
            time = cut.upperBound + .milliseconds(Int64(100 + random.below(800)))
        }
        return cuts
    }

    private static func networks(
        _ mode: MultipathMode, _ plan: TrafficPlan, _ cuts: (first: [Range<Instant>], second: [Range<Instant>]),
        seed: UInt64, log: FlowLog?
    ) throws -> TwoNetworks {
        try TwoNetworks(
            mode, plan, seed: seed, log: log,
            first: .init(
                megabitsPerSecond: 100, delay: .milliseconds(5), upward: [Blackhole(cuts.first)],
                downward: [Blackhole(cuts.first)]),
            second: .init(
                megabitsPerSecond: 20, delay: .milliseconds(30), upward: [Blackhole(cuts.second)],
                downward: [Blackhole(cuts.second)]),
            crossed: true)
    }

    /// One of the networks at a time, for as long as it takes to be noticed, with hardly a pause between.
    private static func cuts(seed: UInt64) -> (first: [Range<Instant>], second: [Range<Instant>]) {
        var random = RandomSource(seed: seed)
        var cuts: (first: [Range<Instant>], second: [Range<Instant>]) = ([], [])
        var time = VirtualClock().now + .seconds(1)
        for _ in 0..<25 {
            let begin = time + .milliseconds(Int64(20 + random.below(1_200)))
            let end = begin + .milliseconds(Int64(20 + random.below(800)))
            if random.chance(0.5) { cuts.first.append(begin..<end) } else { cuts.second.append(begin..<end) }
            time = end
        }
        return cuts
    }

    /// As gateways do: a path that is down gets a successor over the same addresses, which takes its place when it works.
    private final class Replacing {
        private var addresses: [PathID: (lower: UInt32, upper: UInt32)]
        /// How many sessions were made anew.
        private(set) var count = 0

        init(_ addresses: [PathID: (lower: UInt32, upper: UInt32)]) { self.addresses = addresses }

        func go(on pair: Pair, left: Int) {
            guard left > 0 else { return }
            pair.after(.milliseconds(500)) { pair in
                try self.replaceOne(of: pair)
                self.go(on: pair, left: left - 1)
            }
        }

        private func replaceOne(of pair: Pair) throws {
            guard let down = pair.lower.channel.pathSnapshots.first(where: \.isDown)?.id,
                pair.hosts.allSatisfy({ $0.end == nil && $0.pathIDs.count < 7 && $0.pathIDs.contains(down) })
            else { return }
            let successor = try pair.addSession(inheriting: down, between: addresses[down])
            addresses[successor] = addresses[down]
            count += 1
            for host in pair.hosts { host.retirePath(down, now: pair.now) }
        }
    }
}
