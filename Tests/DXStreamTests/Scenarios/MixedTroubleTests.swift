import DXSimulator
import DXStream
import DXWire
import Testing

/// Two whole channels exchange streams, control bytes and messages over a network whose troubles are drawn from the
/// seed. Every byte arrives once and in order, every stream ends as it was ended, both channels come to rest holding
/// nothing, and all of it within bounds of steps, time and memory.
@Suite struct MixedTroubleTests {
    /// Seeds of a usual run, over all shards. `DX_FULL=1` runs ten times as many.
    static let seedCount = 1_000
    /// Two run at a time on a machine with two cores.
    static let shardCount = 2

    @Test(arguments: 0..<MixedTroubleTests.shardCount) func everyByteArrivesOnce(shard: Int) throws {
        let seeds = Replay.seeds(count: Self.seedCount, shard: shard, of: Self.shardCount)
        var coverage = Coverage()
        try Replay.run("MixedTroubleTests", seeds: seeds) { seed, log in
            try Self.simulate(seed: seed, log: log, coverage: &coverage)
        }
        // The mix must contain what it is meant to: a change of the profile that makes the network tame fails here.
        if seeds.count >= 300 { #expect(coverage.missing == [], "\(coverage)") }
    }

    static func simulate(seed: UInt64, log: FlowLog?, coverage: inout Coverage) throws {
        var random = RandomSource(seed: seed)
        var setup = Pair.Setup()
        setup.seed = seed
        setup.log = log
        let start = setup.clock.now
        var profile = Profile(seed: seed, start: start)
        setup.lower = configuration(&random)
        setup.upper = configuration(&random)
        // Of a source of their own, so that a seed's other choices stay what they are.
        var sizes = RandomSource(seed: seed ^ 0x517e)
        setup.lower.maximumPacket = [0, 3_000, 16_384, 16_384][Int(sizes.below(4))]
        setup.upper.maximumPacket = [0, 3_000, 16_384, 16_384][Int(sizes.below(4))]
        setup.batchInterval = profile.batchInterval
        // Without a session that drops copies, the channel must.
        setup.dropsReplays = random.chance(0.85)
        let upward = profile.makeLink("up")
        let downward = profile.makeLink("down")
        log?.note("lower", at: start, profile.description)
        let plan = TrafficPlan(random: &random, byteCount: byteCount(&random))
        let lower = Traffic(plan, role: .lower, seed: seed, start: start)
        let upper = Traffic(plan, role: .upper, seed: seed, start: start)
        do {
            let pair = try Pair(setup, upward: upward, downward: downward, lower: lower, upper: upper)
            planRekeys(pair, &random)
            try pair.runUntilDone()
            coverage.add(pair)
            try comeToRest(pair)
            try close(pair)
        } catch let failure as SimulationFailure {
            throw SimulationFailure("\(failure.description)\nnetwork: \(profile.description)")
        }
    }

    /// How often things happened, over all seeds of a shard.
    struct Coverage: CustomStringConvertible {
        private(set) var counts: [String: UInt64] = [:]

        mutating func add(_ pair: Pair) {
            for host in pair.hosts {
                add("replays dropped", UInt64(host.replayDroppedCount))
                add("stream bytes", host.channel.statistics.streamBytesReceived)
                add("stream bytes sent again", host.channel.statistics.streamBytesRetransmitted)
                add("streams", host.channel.statistics.streamsOpened)
                for path in host.channel.pathSnapshots.map(\.statistics) {
                    add("lost", path.packetsLost)
                    add("spuriously lost", path.packetsSpuriouslyLost)
                    add("probe timeouts", path.probeTimeouts)
                    add("congestion events", path.congestionEvents)
                    add("persistent congestion", path.persistentCongestion)
                    add("black holes", path.blackHoles)
                    add("packets in fragments", path.packetsFragmented)
                }
                add(
                    "retired paths", UInt64(host.pathEvents.count { if case .pathRetired = $0 { true } else { false } })
                )
                add(
                    "suspect paths", UInt64(host.pathEvents.count { if case .pathSuspect = $0 { true } else { false } })
                )
            }
        }

        private mutating func add(_ name: String, _ count: UInt64) { counts[name, default: 0] += count }

        /// What never happened.
        var missing: [String] { counts.filter { $0.value == 0 }.keys.sorted() }

        var description: String {
            counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        }
    }

    /// Half of the seeds send about 100 kB to 300 kB; a few send megabytes.
    private static func byteCount(_ random: inout RandomSource) -> UInt64 {
        if random.chance(0.04) { return 1_000_000 + random.below(4_000_000) }
        if random.chance(0.3) { return random.below(100_000) }
        return 100_000 + random.below(200_000)
    }

    private static func configuration(_ random: inout RandomSource) -> ChannelConfiguration {
        var configuration = ChannelConfiguration()
        // Black holes of seconds belong to the mix; the idle timeout has a scenario of its own.
        configuration.idleTimeout = nil
        configuration.keepalive = random.chance(0.5) ? .seconds(20) : nil
        configuration.maximumDatagram = [1_200, 1_452, 1_472, 4_000, 9_000][Int(random.below(5))]
        configuration.usesECN = random.chance(0.8)
        configuration.congestion = [.automatic, .automatic, .cubic, .bbr, .bbr, .newReno][Int(random.below(6))]
        configuration.maximumAckDelay = .milliseconds(Int64(random.below(26)))
        if random.chance(0.3) { configuration.maximumStreams = 1 + random.below(6) }
        if random.chance(0.3) { configuration.initialStreamWindow = 2_000 + random.below(30_000) }
        if random.chance(0.3) {
            configuration.receiveMemory = configuration.initialStreamWindow + random.below(100_000)
        }
        if random.chance(0.3) { configuration.sendMemory = 10_000 + Int(random.below(200_000)) }
        return configuration
    }

    /// In a third of the seeds the session is replaced now and then, as by a rekey.
    private static func planRekeys(_ pair: Pair, _ random: inout RandomSource) {
        guard random.chance(0.33) else { return }
        for _ in 0...random.below(4) {
            let inherits = random.chance(0.7)
            pair.after(.milliseconds(Int64(random.below(4_000)))) { pair in
                guard let old = pair.lower.channel.activePath, pair.lower.end == nil, pair.upper.end == nil,
                    pair.lower.pathIDs.count < MessageChannel.maximumPaths,
                    pair.upper.pathIDs.count < MessageChannel.maximumPaths
                else { return }
                _ = try pair.addSession(inheriting: inherits ? old : nil)
                pair.lower.retirePath(old, now: pair.now)
            }
        }
    }

    /// After the last stream nothing is held, and the only thing left to do is the keepalive.
    private static func comeToRest(_ pair: Pair) throws {
        try pair.run(until: { pair in
            pair.hosts.allSatisfy { $0.channel.streamCount == 0 && $0.channel.heldByteCount == 0 }
        }) { pair in
            pair.hosts.map { "\($0.name) has \($0.channel.streamCount) streams, \($0.channel.heldByteCount) bytes" }
                .joined(separator: "; ")
        }
        try pair.run(for: .seconds(30))
        for host in pair.hosts {
            // Copies end at the session's replay window; what the channel takes for one came late, and was wanted.
            let duplicates = host.channel.statistics.packetsDuplicate
            try SimulationFailure.unless(
                duplicates == 0 || !host.dropsReplays,
                "\(host.name): \(duplicates) late packets taken for duplicates")
            for path in host.channel.pathSnapshots {
                try SimulationFailure.unless(
                    path.bytesInFlight < 3 * path.mtu,
                    "\(host.name): path \(path.id) thinks that \(path.bytesInFlight) bytes are on the way, at rest")
            }
            let bound = host.channel.configuration.sendMemory + Int(host.channel.configuration.receiveMemory) + 1 << 20
            try SimulationFailure.unless(
                host.largestHeldByteCount <= bound, "\(host.name) held \(host.largestHeldByteCount) bytes")
        }
    }

    private static func close(_ pair: Pair) throws {
        let closer = pair.lower
        closer.channel.close(.shutdown, reason: "done", now: pair.now)
        closer.wake(pair.now)
        try pair.run(until: { $0.lower.channel.isClosed }) { _ in "the end of closing" }
        try SimulationFailure.unless(
            closer.end == ChannelEnd(code: .shutdown, reason: "done", cause: .local), "closed as \(closer.end as Any)")
        // The CLOSE itself may be lost; if it arrives it says what was said.
        if let end = pair.upper.end {
            try SimulationFailure.unless(
                end == ChannelEnd(code: .shutdown, reason: "done", cause: .peer), "peer closed as \(end)")
        }
    }
}
