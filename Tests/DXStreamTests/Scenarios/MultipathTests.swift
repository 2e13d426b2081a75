import DXSimulator
import DXStream
import DXWire
import Synchronization
import Testing

/// Two networks between two gateways (`docs/transport.md` §11): one is cut, is bad in every way that networks are, or comes
/// back; and the transfer goes on.
@Suite struct MultipathTests {
    /// Either path is cut at random moments, never both: nothing stands still for longer than 300 ms.
    @Test(arguments: [MultipathMode.standby, .redundant, .aggregate], [ChannelRole.lower, .upper])
    func cutsAreHardlyNoticed(mode: MultipathMode, sender: ChannelRole) throws {
        try Replay.run("MultipathTests/cutsAreHardlyNoticed(\(mode)-\(sender))", seeds: Replay.seeds(count: 3)) {
            seed, log in
            var random = RandomSource(seed: seed)
            let (first, second) = Self.alternatingCuts(&random, count: 8)
            var plan = TrafficPlan()
            plan.streams = [.bulk(24_000_000, from: sender)]
            let networks = try TwoNetworks(
                mode, plan, seed: seed, log: log,
                first: .init(upward: [Blackhole(first)], downward: [Blackhole(first)]),
                second: .init(upward: [Blackhole(second)], downward: [Blackhole(second)]))
            let silence = try networks.longestSilence()
            try SimulationFailure.unless(silence <= .milliseconds(300), "nothing came for \(silence)")
        }
    }

    /// One who sends a little all the time, far below what the path takes, notices as soon.
    @Test(arguments: [MultipathMode.standby, .redundant]) func aSlowSenderNoticesACut(mode: MultipathMode) throws {
        try Replay.run("MultipathTests/aSlowSenderNoticesACut(\(mode))", seeds: Replay.seeds(count: 3)) { seed, log in
            var random = RandomSource(seed: seed)
            let (first, second) = Self.alternatingCuts(&random, count: 8)
            var steady = TrafficPlan.HalfPlan(byteCount: 12_000_000)
            steady.writeSize = 4_096...16_384
            steady.writePause = .milliseconds(20)
            var plan = TrafficPlan()
            plan.streams = [.init(opener: .lower, forward: steady, backward: .init(byteCount: 0))]
            let networks = try TwoNetworks(
                mode, plan, seed: seed, log: log,
                first: .init(megabitsPerSecond: 100, upward: [Blackhole(first)], downward: [Blackhole(first)]),
                second: .init(megabitsPerSecond: 100, upward: [Blackhole(second)], downward: [Blackhole(second)]))
            let silence = try networks.longestSilence()
            try SimulationFailure.unless(silence <= .milliseconds(150), "nothing came for \(silence)")
        }
    }

    /// The promise (`design.md` §6), as each connection feels it: bulk both ways, and keystrokes, while one path after the other is
    /// cut. Of all cuts of all seeds 99 % are over within 300 ms.
    @Test(arguments: [MultipathMode.standby, .redundant, .aggregate]) func noConnectionStandsStill(mode: MultipathMode)
        throws
    {
        let stalls = Mutex<[Interval]>([])
        try Replay.run("MultipathTests/noConnectionStandsStill(\(mode))", seeds: Replay.seeds(count: 4)) { seed, log in
            var random = RandomSource(seed: seed)
            let (first, second) = Self.alternatingCuts(&random, count: 12)
            let networks = try TwoNetworks(
                mode, .steadyBothWays(44_000_000, pause: .milliseconds(40), keys: 44_000), seed: seed, log: log,
                first: .init(
                    megabitsPerSecond: 100, delay: .milliseconds(5), upward: [Blackhole(first)],
                    downward: [Blackhole(first)]),
                second: .init(
                    megabitsPerSecond: 20, delay: .milliseconds(30), upward: [Blackhole(second)],
                    downward: [Blackhole(second)]))
            let cuts = (first + second).map(\.lowerBound).sorted()
            let found = try networks.stalls(of: cuts)
            stalls.withLock { $0 += found }
        }
        // Cuts of the path that nobody used are not felt, and are left out.
        let all = stalls.withLock { $0.filter { $0 > .milliseconds(60) }.sorted() }
        try #require(all.count >= 10)
        let p99 = all[all.count * 99 / 100]
        #expect(p99 <= .milliseconds(300), "of \(all.count) cuts p99 is \(p99), p50 \(all[all.count / 2])")
    }

    /// A quick path whose queue is full is cut: of what the peer had from it, acknowledgements are lost, and sending that again
    /// would take the slow path several round trips. The peer says there what it has.
    @Test(arguments: [ChannelRole.lower, .upper]) func whatArrivedIsNotSentAgain(sender: ChannelRole) throws {
        let stalls = Mutex<[Interval]>([])
        try Replay.run("MultipathTests/whatArrivedIsNotSentAgain(\(sender))", seeds: Replay.seeds(count: 6)) {
            seed, log in
            var random = RandomSource(seed: seed)
            let cut = VirtualClock().now + .milliseconds(Int64(3_000 + random.below(500)))
            let hole = Blackhole([cut..<Instant.distantFuture])
            var plan = TrafficPlan.steadyBothWays(60_000_000, pause: .milliseconds(40), keys: 20_000)
            plan.streams[0] = .bulk(60_000_000, from: sender)
            let networks = try TwoNetworks(
                .standby, plan, seed: seed, log: log,
                first: .init(
                    megabitsPerSecond: 100, delay: .milliseconds(5), upward: [hole], downward: [hole]),
                second: .init(megabitsPerSecond: 20, delay: .milliseconds(30)))
            let reader = sender == .lower ? networks.upper : networks.lower
            try networks.pair.run(for: cut - networks.pair.now)
            let read = reader.streams[0].readByteCount
            try networks.pair.run(until: { _ in reader.streams[0].readByteCount > read + 16_384 })
            let stall = networks.pair.now - cut
            stalls.withLock { $0.append(stall) }
            // What the peer says there is no answer of the path that was left.
            let host = sender == .lower ? networks.pair.lower : networks.pair.upper
            let used = host.channel.pathSnapshots.first { $0.isActive }?.id
            try SimulationFailure.unless(used == networks.second, "the path that was cut is in use")
        }
        // A timeout of some 90 ms, a flight of ten packets that may be of what arrived, and one of what did not; going through all
        // that arrived, some 60 kB, takes four flights: 290 ms.
        let all = stalls.withLock { $0.sorted() }
        try #require(!all.isEmpty)
        #expect(all[all.count / 2] <= .milliseconds(230), "\(all)")
    }

    /// A queue that grows makes answers late, and no path dead: next to nothing goes on the backup.
    @Test(arguments: [ChannelRole.lower, .upper]) func aGrowingQueueIsNoSilence(sender: ChannelRole) throws {
        try Replay.run("MultipathTests/aGrowingQueueIsNoSilence(\(sender))", seeds: Replay.seeds(count: 3)) {
            seed, log in
            var plan = TrafficPlan()
            plan.streams = [.bulk(15_000_000, from: sender)]
            let networks = try TwoNetworks(
                .standby, plan, seed: seed, log: log,
                first: .init(megabitsPerSecond: 10, delay: .milliseconds(25), queue: .milliseconds(600)),
                second: .init(megabitsPerSecond: 10, delay: .milliseconds(25)), preference: .backup)
            _ = try networks.longestSilence()
            let sent = networks.bytesSent(on: networks.second)
            try SimulationFailure.unless(sent.lower + sent.upper < 150_000, "\(sent) bytes on the backup")
        }
    }

    /// Cuts of 1 to 3 s, each after both paths were there for 1 to 3 s, of one and the other in turn.
    private static func alternatingCuts(
        _ random: inout RandomSource, count: Int
    ) -> ([Range<Instant>], [Range<Instant>]) {
        var cuts: ([Range<Instant>], [Range<Instant>]) = ([], [])
        var time = VirtualClock().now + .seconds(1)
        for number in 0..<count {
            let begin = time + .milliseconds(Int64(1_000 + random.below(2_000)))
            let end = begin + .milliseconds(Int64(1_000 + random.below(2_000)))
            if number % 2 == 0 { cuts.0.append(begin..<end) } else { cuts.1.append(begin..<end) }
            time = end
        }
        return cuts
    }

    /// A keystroke each 50 ms, and its echo, while the path in use is cut: both ways notice by themselves.
    @Test(arguments: [MultipathMode.standby, .redundant]) func keystrokesGoOn(mode: MultipathMode) throws {
        var longest = Interval.zero
        try Replay.run("MultipathTests/keystrokesGoOn", seeds: Replay.seeds(count: 4)) { seed, log in
            var random = RandomSource(seed: seed)
            let (first, second) = Self.alternatingCuts(&random, count: 6)
            var keys = TrafficPlan.HalfPlan(byteCount: 20_000)
            keys.writeSize = 40...80
            keys.writePause = .milliseconds(50)
            var stream = TrafficPlan.StreamPlan(opener: .lower, forward: keys, backward: keys)
            stream.streamClass = .interactive
            var plan = TrafficPlan()
            plan.streams = [stream]
            let networks = try TwoNetworks(
                mode, plan, seed: seed, log: log,
                first: .init(upward: [Blackhole(first)], downward: [Blackhole(first)]),
                second: .init(upward: [Blackhole(second)], downward: [Blackhole(second)]))
            longest = max(longest, try networks.longestSilence())
        }
        // Twice over, a cut is not seen at all: what is left are the pauses between keystrokes.
        #expect(longest <= (mode == .redundant ? .milliseconds(160) : .milliseconds(300)), "\(longest)")
    }

    /// One direction of the path in use goes dead: to the other end it looks alive.
    @Test(arguments: [true, false], [ChannelRole.lower, .upper])
    func aOneWayPathIsLeft(isUpwardDead: Bool, sender: ChannelRole) throws {
        try Replay.run("MultipathTests/aOneWayPathIsLeft") { seed, log in
            let cut = VirtualClock().now + .seconds(1)
            let hole = Blackhole([cut..<Instant.distantFuture])
            var plan = TrafficPlan()
            plan.streams = [.bulk(6_000_000, from: sender)]
            let networks = try TwoNetworks(
                .standby, plan, seed: seed, log: log,
                first: .init(upward: isUpwardDead ? [hole] : [], downward: isUpwardDead ? [] : [hole]),
                second: .init())
            #expect(try networks.longestSilence() <= .milliseconds(300))
        }
    }

    /// The path in use begins to pass small packets only: what asks whether it works is small, and must not be taken for an answer.
    @Test func aPathOfSmallPacketsIsLeftForGood() throws {
        try Replay.run("MultipathTests/aPathOfSmallPacketsIsLeftForGood") { seed, log in
            let shrink = VirtualClock().now + .seconds(1)
            func limit() -> MTULimit {
                MTULimit([(from: Instant.zero, payloadByteCount: 1_472), (from: shrink, payloadByteCount: 400)])
            }
            var plan = TrafficPlan()
            plan.streams = [.bulk(40_000_000)]
            let networks = try TwoNetworks(
                .standby, plan, seed: seed, log: log,
                first: .init(upward: [limit()], downward: [limit()]), second: .init())
            let silence = try networks.longestSilence()
            #expect(silence <= .milliseconds(500), "\(silence)")
            #expect(networks.pair.lower.channel.activePath == networks.second)
        }
    }

    /// 30 % of the packets of the path in use get lost from some moment on: whatever path is used, the transfer ends.
    @Test func aPathThatLosesAThirdIsSurvived() throws {
        try Replay.run("MultipathTests/aPathThatLosesAThirdIsSurvived", seeds: Replay.seeds(count: 4)) { seed, log in
            var random = RandomSource(seed: seed)
            var plan = TrafficPlan()
            plan.streams = [.bulk(10_000_000), .bulk(2_000_000, from: .upper)]
            func loss() -> any Node { RandomLoss(0.3, random: RandomSource(seed: random.next())) }
            let networks = try TwoNetworks(
                .standby, plan, seed: seed, log: log, first: .init(upward: [loss()], downward: [loss()]),
                second: .init())
            let silence = try networks.longestSilence()
            try SimulationFailure.unless(silence <= .seconds(3), "nothing came for \(silence)")
        }
    }

    /// The path that is preferred carries the data again once it has worked for a while, and one that flaps is left alone.
    @Test func thePreferredPathComesBackAndFlappingIsDamped() throws {
        try Replay.run("MultipathTests/thePreferredPathComesBack") { seed, log in
            let start = VirtualClock().now
            // 20 times 2 s away and 2 s there.
            let holes = (0..<20).map { number in
                let begin = start + .seconds(Int64(2 + 4 * number))
                return begin..<(begin + .seconds(2))
            }
            var keys = TrafficPlan.HalfPlan(byteCount: 400_000)
            keys.writeSize = 100...200
            keys.writePause = .milliseconds(100)
            var plan = TrafficPlan()
            plan.streams = [.init(opener: .lower, forward: keys, backward: .init(byteCount: 0))]
            let networks = try TwoNetworks(
                .standby, plan, seed: seed, log: log,
                first: .init(upward: [Blackhole(holes)], downward: [Blackhole(holes)]), second: .init(),
                preference: .backup)
            try networks.pair.run(for: .seconds(82))
            let downs = networks.pair.lower.pathEvents.count { $0 == .pathDown(networks.first) }
            #expect((1...6).contains(downs), "went down \(downs) times")
            // Two minutes of peace later it carries the data again.
            try networks.pair.run(for: .seconds(60))
            #expect(networks.pair.lower.channel.activePath == networks.first)
        }
    }

    /// A metered path costs no more than keepalives while the other works, and carries everything while it does not.
    @Test func aMeteredPathCarriesOnlyWhatItMust() throws {
        try Replay.run("MultipathTests/aMeteredPath") { seed, log in
            let start = VirtualClock().now
            let hole = Blackhole([(start + .seconds(20))..<(start + .seconds(24))])
            var plan = TrafficPlan()
            plan.streams = [.bulk(60_000_000), .bulk(2_000_000, from: .upper)]
            let networks = try TwoNetworks(
                .standby, plan, seed: seed, log: log,
                first: .init(upward: [hole, RandomLoss(0.01, random: RandomSource(seed: seed))], downward: [hole]),
                second: .init(), preference: .metered)
            try networks.pair.run(for: .seconds(19))
            // Handed over with PATH_STATUS: the upper end was told by the lower only.
            for host in networks.pair.hosts {
                let path = try #require(host.channel.pathSnapshots.first { $0.id == networks.second })
                #expect(path.preference == .metered)
                #expect(path.statistics.bytesSent < 1_000, "\(host.name): \(path.statistics.bytesSent)")
            }
            #expect(try networks.longestSilence() <= .milliseconds(500))
            #expect(networks.bytesSent(on: networks.second).lower > 1_000_000)
            try networks.pair.run(for: .seconds(10))
            #expect(networks.pair.lower.channel.activePath == networks.first)
        }
    }

    /// Two equal links carry nearly twice what one does, and a slow one beside a quick one costs nothing.
    @Test(arguments: [(Int64(50), Int64(10), Int64(170)), (5, 100, 97)])
    func linksAddUp(megabits: Int64, milliseconds: Int64, percent: Int64) throws {
        let second = TwoNetworks.Wire(megabitsPerSecond: megabits, delay: .milliseconds(milliseconds))
        func time(_ mode: MultipathMode) throws -> Interval {
            var plan = TrafficPlan()
            plan.streams = [.bulk(60_000_000)]
            let networks = try TwoNetworks(
                mode, plan, seed: 1, log: nil, first: .init(megabitsPerSecond: 50), second: second,
                // The other link as a backup that is never needed: one link alone.
                preference: mode == .aggregate ? .primary : .backup)
            let start = networks.pair.now
            try networks.pair.runUntilDone()
            return networks.upper.streams[0].receivedAt.map { $0 - start } ?? .max
        }
        let alone = try time(.standby)
        let together = try time(.aggregate)
        #expect(alone.nanoseconds * 100 / together.nanoseconds >= percent, "alone \(alone), together \(together)")
    }

    /// Nothing to carry: a second path costs at most 1 MB in a day, and is known to work or not.
    @Test func anIdlePathStaysKnownAtLittleCost() throws {
        try Replay.run("MultipathTests/anIdlePath") { seed, log in
            let cut = VirtualClock().now + .seconds(86_400)
            let hole = Blackhole([cut..<Instant.distantFuture])
            let networks = try TwoNetworks(
                .standby, TrafficPlan(), seed: seed, log: log, first: .init(),
                second: .init(upward: [hole], downward: [hole]), limit: .seconds(100_000))
            try networks.pair.run(for: .seconds(86_399))
            for path in [networks.first, networks.second] {
                let sent = networks.bytesSent(on: path)
                let packets = networks.pair.hosts.reduce(0) { sum, host in
                    sum + (host.channel.pathSnapshots.first { $0.id == path }?.statistics.packetsSent ?? 0)
                }
                // IP and UDP headers are 28 bytes.
                let total = sent.lower + sent.upper + 28 * packets
                #expect(total <= 1_000_000, "\(path): \(total)")
            }
            try networks.pair.run(for: .seconds(60))
            for host in networks.pair.hosts {
                #expect(host.pathEvents.contains(.pathDown(networks.second)), "\(host.name)")
            }
        }
    }

    /// The owner knows that a network is gone: what was on the way there goes on at once.
    @Test func anAbandonedPathHandsOverAtOnce() throws {
        try Replay.run("MultipathTests/anAbandonedPath") { seed, log in
            let cut = VirtualClock().now + .seconds(1)
            let hole = Blackhole([cut..<Instant.distantFuture])
            var plan = TrafficPlan()
            plan.streams = [.bulk(5_000_000)]
            let networks = try TwoNetworks(
                .standby, plan, seed: seed, log: log, first: .init(upward: [hole], downward: [hole]), second: .init())
            networks.pair.after(.seconds(1)) { $0.lower.channel.abandonPath(networks.first, now: $0.now) }
            // A round trip is 20 ms.
            #expect(try networks.longestSilence() <= .milliseconds(100))
            try networks.pair.run(for: .seconds(5))
            for host in networks.pair.hosts { #expect(host.pathIDs == [networks.second], "\(host.name)") }
        }
    }

    /// Loss, reordering, copies and cuts on both networks: every byte arrives once.
    @Test(arguments: [MultipathMode.standby, .redundant, .aggregate]) func survivesTrouble(mode: MultipathMode) throws {
        try Replay.run("MultipathTests/survivesTrouble", seeds: Replay.seeds(count: 6)) { seed, log in
            var random = RandomSource(seed: seed)
            func trouble() -> [any Node] {
                [
                    RandomLoss(random.unit() * 0.1, random: RandomSource(seed: random.next())),
                    Reorder(0.1, by: .milliseconds(30), random: RandomSource(seed: random.next())),
                    Duplicate(0.05, copyWithin: .milliseconds(80), random: RandomSource(seed: random.next())),
                ]
            }
            let (first, second) = Self.alternatingCuts(&random, count: 6)
            var plan = TrafficPlan(random: &random, byteCount: 4_000_000)
            plan.controlByteCounts = (20_000, 20_000)
            let networks = try TwoNetworks(
                mode, plan, seed: seed, log: log,
                first: .init(
                    delay: .milliseconds(Int64(1 + random.below(60))), upward: trouble() + [Blackhole(first)],
                    downward: trouble() + [Blackhole(first)]),
                second: .init(
                    megabitsPerSecond: Int64(2 + random.below(30)), delay: .milliseconds(Int64(1 + random.below(120))),
                    upward: trouble() + [Blackhole(second)], downward: trouble() + [Blackhole(second)]))
            try networks.pair.runUntilDone()
        }
    }
}
