import DXSimulator
import DXStream
import DXWire

/// Two channels with two networks between them, each with a path: the lower end's addresses are 1 and 31, the upper's 2 and 32.
struct TwoNetworks {
    let pair: Pair
    let lower: Traffic
    let upper: Traffic
    let first = PathID(count: 0, role: .lower)
    let second: PathID
    /// With crossed routes: paths that go over one network and come back over the other.
    private(set) var crossing: [PathID: (lower: UInt32, upper: UInt32)] = [:]

    /// What a network is like, each way.
    struct Wire {
        var megabitsPerSecond: Int64 = 20
        var delay = Interval.milliseconds(10)
        var queue = Interval.milliseconds(40)
        var upward: [any Node] = []
        var downward: [any Node] = []
    }

    init(
        _ mode: MultipathMode, _ plan: TrafficPlan, seed: UInt64, log: FlowLog?, first: Wire, second: Wire,
        preference: PathPreference = .primary, limit: Interval = .seconds(3_600), crossed: Bool = false
    ) throws {
        var setup = Pair.Setup()
        setup.seed = seed
        setup.log = log
        setup.limit = limit
        setup.maximumStepCount = 20_000_000
        setup.lower.multipath = mode
        setup.upper.multipath = mode
        let start = setup.clock.now
        lower = Traffic(plan, role: .lower, seed: seed, start: start)
        upper = Traffic(plan, role: .upper, seed: seed, start: start)
        func link(_ wire: Wire, _ nodes: [any Node]) -> Link {
            .steady(megabitsPerSecond: wire.megabitsPerSecond, delay: wire.delay, queue: wire.queue, nodes)
        }
        let firstLinks = (up: link(first, first.upward), down: link(first, first.downward))
        let secondLinks = (up: link(second, second.upward), down: link(second, second.downward))
        pair = try Pair(setup, upward: firstLinks.up, downward: firstLinks.down, lower: lower, upper: upper)
        pair.network.route(from: 31, to: 32, over: secondLinks.up)
        pair.network.route(from: 32, to: 31, over: secondLinks.down)
        self.second = try pair.addSession(inheriting: nil, between: (31, 32), preference: preference)
        guard crossed else { return }
        // Where a host sends by the address it sends to, whichever of its own it sends from.
        pair.network.route(from: 31, to: 2, over: firstLinks.up)
        pair.network.route(from: 2, to: 31, over: secondLinks.down)
        pair.network.route(from: 1, to: 32, over: secondLinks.up)
        pair.network.route(from: 32, to: 1, over: firstLinks.down)
        for addresses: (lower: UInt32, upper: UInt32) in [(31, 2), (1, 32)] {
            crossing[try pair.addSession(inheriting: nil, between: addresses, preference: preference)] = addresses
        }
        var all = crossing
        all[self.first] = (1, 2)
        all[self.second] = (31, 32)
        for (path, addresses) in all {
            let (lower, upper) = (UInt64(addresses.lower), UInt64(addresses.upper))
            pair.lower.channel.setEnds(PathEnds(local: lower, remote: upper), of: path)
            pair.upper.channel.setEnds(PathEnds(local: upper, remote: lower), of: path)
        }
    }

    /// The bytes that either end has read.
    var readByteCount: UInt64 {
        (lower.streams + upper.streams).reduce(0) { $0 + $1.readByteCount }
    }

    /// Runs until all is done and tells the longest time in which nobody read a byte, after `from`.
    func longestSilence(from: Interval = .milliseconds(500)) throws -> Interval {
        try pair.run(for: from)
        var (longest, last, count) = (Interval.zero, pair.now, readByteCount)
        while !(lower.isDone && upper.isDone) {
            try pair.run(for: .milliseconds(5))
            if readByteCount != count { (last, count) = (pair.now, readByteCount) }
            longest = max(longest, pair.now - last)
            for host in pair.hosts {
                if let end = host.end { throw SimulationFailure("\(host.name): the channel ended: \(end)") }
            }
            try SimulationFailure.unless(longest < .seconds(60), "nothing moves any more")
        }
        return longest
    }

    /// Runs until all is done and tells, for each of these cuts, the longest time that any stream waited for bytes that began before the
    /// next cut did, counted from the cut where it began before that.
    func stalls(of cuts: [Instant]) throws -> [Interval] {
        var stalls = cuts.map { _ in Interval.zero }
        var last = [Instant](repeating: pair.now, count: lower.streams.count + upper.streams.count)
        var counts = last.map { _ in UInt64(0) }
        while !(lower.isDone && upper.isDone) {
            try pair.run(for: .milliseconds(5))
            for (index, stream) in (lower.streams + upper.streams).enumerated()
            where stream.readByteCount != counts[index] {
                let (from, to) = (last[index], pair.now)
                (last[index], counts[index]) = (to, stream.readByteCount)
                // The cut that it can be laid to is the last one before its end.
                guard let cut = cuts.lastIndex(where: { $0 < to }) else { continue }
                stalls[cut] = max(stalls[cut], to - max(from, cuts[cut]))
            }
            for host in pair.hosts {
                if let end = host.end { throw SimulationFailure("\(host.name): the channel ended: \(end)") }
            }
            let stuck = last.contains { pair.now - $0 > .seconds(60) }
            try SimulationFailure.unless(!stuck || lower.isDone || upper.isDone, "a stream does not move any more")
        }
        return stalls
    }

    /// Datagram bytes that the lower and the upper end sent on a path.
    func bytesSent(on path: PathID) -> (lower: UInt64, upper: UInt64) {
        func sent(_ host: Host) -> UInt64 {
            host.channel.pathSnapshots.first { $0.id == path }?.statistics.bytesSent ?? 0
        }
        return (sent(pair.lower), sent(pair.upper))
    }
}

extension TrafficPlan {
    /// A transfer each way of about 1 MB/s, as fast as its writer is, and keystrokes with their echo.
    static func steadyBothWays(_ byteCount: UInt64, pause: Interval, keys keyByteCount: UInt64) -> TrafficPlan {
        var steady = HalfPlan(byteCount: byteCount)
        steady.writeSize = 8_192...65_536
        steady.writePause = pause
        var keys = HalfPlan(byteCount: keyByteCount)
        keys.writeSize = 40...80
        keys.writePause = .milliseconds(50)
        var words = StreamPlan(opener: .lower, forward: keys, backward: keys)
        words.streamClass = .interactive
        var plan = TrafficPlan()
        plan.streams = [
            .init(opener: .lower, forward: steady, backward: .init(byteCount: 0)),
            .init(opener: .lower, forward: .init(byteCount: 0), backward: steady), words,
        ]
        return plan
    }
}
