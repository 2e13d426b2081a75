import DXSimulator
import DXStream
import DXWire
import Testing

/// Which of several paths is taken, and which is none (`docs/transport.md` §11).
@Suite struct PathChoiceTests {
    /// A session whose other end was given up before it was ever used looks no worse than others, or better; the one that answers is
    /// taken.
    @Test(arguments: [ChannelRole.lower, .upper]) func aPathThatNeverAnsweredIsNotTaken(sender: ChannelRole) throws {
        try Replay.run("PathChoiceTests/aPathThatNeverAnsweredIsNotTaken(\(sender))", seeds: Replay.seeds(count: 3)) {
            seed, log in
            let cut = VirtualClock().now + .milliseconds(600)
            let hole = Blackhole([cut..<Instant.distantFuture])
            var plan = TrafficPlan()
            plan.streams = [.bulk(6_000_000, from: sender)]
            let networks = try TwoNetworks(
                .standby, plan, seed: seed, log: log, first: .init(upward: [hole], downward: [hole]), second: .init(),
                preference: .backup)
            let nothing = Blackhole([VirtualClock().now..<Instant.distantFuture])
            for (from, to) in [(UInt32(41), UInt32(42)), (42, 41)] {
                networks.pair.network.route(
                    from: from, to: to,
                    over: .steady(
                        megabitsPerSecond: 20, delay: .milliseconds(5), queue: .milliseconds(40), [nothing]))
            }
            try networks.pair.run(for: .milliseconds(590))
            _ = try networks.pair.addSession(inheriting: nil, between: (41, 42))
            let silence = try networks.longestSilence(from: .milliseconds(5))
            try SimulationFailure.unless(silence <= .milliseconds(300), "nothing came for \(silence)")
        }
    }

    /// A path that is better than the one in use is used from its first answer on: a preferred one beside a backup.
    @Test func aBetterPathIsUsedOnceItHasAnswered() throws {
        try Replay.run("PathChoiceTests/aBetterPathIsUsedOnceItHasAnswered") { seed, log in
            var plan = TrafficPlan()
            plan.streams = [.bulk(8_000_000)]
            let networks = try TwoNetworks(.standby, plan, seed: seed, log: log, first: .init(), second: .init())
            let lower = networks.pair.lower
            lower.channel.setPreference(.backup, of: networks.first, now: networks.pair.now)
            #expect(lower.channel.activePath == networks.first)
            try networks.pair.run(for: .milliseconds(300))
            #expect(lower.channel.activePath == networks.second)
            try networks.pair.runUntilDone()
        }
    }

    /// Where every path costs money, one that missed an answer is not taken before one that answers.
    @Test func aMeteredPathThatMissedAnAnswerIsNotTaken() throws {
        try Replay.run("PathChoiceTests/aMeteredPathThatMissedAnAnswerIsNotTaken") { seed, log in
            let hole = Blackhole([VirtualClock().now + .seconds(2)..<Instant.distantFuture])
            let networks = try TwoNetworks(
                .standby, TrafficPlan(), seed: seed, log: log, first: .init(),
                second: .init(upward: [hole], downward: [hole]), preference: .metered)
            let lower = networks.pair.lower
            lower.channel.setPreference(.metered, of: networks.first, now: networks.pair.now)
            try networks.pair.run(for: .seconds(1))
            let inUse = lower.channel.activePath
            // Its keepalive finds out that the second one is gone; from the first miss to the last nothing changes.
            for _ in 0..<600 {
                try networks.pair.run(for: .milliseconds(100))
                try SimulationFailure.unless(lower.channel.activePath == inUse, "a dead path was taken")
            }
            #expect(lower.channel.pathSnapshots.contains { $0.id == networks.second && $0.isDown })
        }
    }

    /// The peer gives a session up, and says so on a quicker path than the session's own end comes by.
    @Test func aPathRetiredBeforeItIsThereIsNotAdded() throws {
        try Replay.run("PathChoiceTests/aPathRetiredBeforeItIsThereIsNotAdded") { seed, log in
            var plan = TrafficPlan()
            plan.streams = [.bulk(100_000)]
            let networks = try TwoNetworks(.standby, plan, seed: seed, log: log, first: .init(), second: .init())
            let (pair, path) = (networks.pair, PathID(count: 7, role: .upper))
            pair.upper.refuseSession(path, now: pair.now)
            try pair.runUntilDone()
            #expect(throws: ChannelError.pathRetired) {
                try pair.lower.channel.addPath(path, overheadByteCount: 30, inheriting: nil, now: pair.now)
            }
            // It is remembered for as long as that may matter, not for ever.
            for count in UInt32(8)..<40 {
                pair.upper.refuseSession(PathID(count: count, role: .upper), now: pair.now)
                try pair.run(for: .milliseconds(100))
            }
            try pair.lower.channel.addPath(path, overheadByteCount: 30, inheriting: nil, now: pair.now)
        }
    }
}
