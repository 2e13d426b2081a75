import DXSimulator
import DXStream
import DXWire
import Testing

/// Traces of whole channels over bad links: what the trace tells and what the statistics count is the same.
@Suite struct TraceTests {
    /// What was noted of one end, put in order.
    private struct Noted {
        var records: [TraceRecord] = []

        /// A packet, by its path and number.
        struct Key: Hashable {
            var path: PathID
            var number: UInt64
        }

        mutating func take(_ host: Host) throws {
            guard let batch = host.channel.takeTrace() else { throw SimulationFailure("\(host.name) is not traced") }
            try SimulationFailure.unless(batch.lost == 0, "\(batch.lost) records are missing")
            records += batch.records
        }

        func keys(_ number: (TraceEvent) -> UInt64?) -> [Key] {
            records.compactMap { record in number(record.event).map { Key(path: record.path, number: $0) } }
        }

        var sent: [Key] { keys { if case .packetSent(let packet) = $0 { packet.number } else { nil } } }
        var received: [Key] { keys { if case .packetReceived(let packet) = $0 { packet.number } else { nil } } }
        var spurious: [Key] { keys { if case .packetSpuriouslyLost(let number) = $0 { number } else { nil } } }
        var givenUp: [Key] { keys { if case .packetGivenUp(let number, _) = $0 { number } else { nil } } }
        var timeouts: [Key] { keys { if case .probeTimeout = $0 { 0 } else { nil } } }

        func lost(isMTUProbe: Bool) -> [Key] {
            keys {
                if case .packetLost(let number, _, _, let isProbe) = $0, isProbe == isMTUProbe { number } else { nil }
            }
        }

        /// The packet numbers that ACK frames of received packets name, by path.
        var acknowledged: Set<Key> {
            var result: Set<Key> = []
            var path: PathID?
            var isReceived = false
            for record in records {
                switch record.event {
                case .packetReceived: isReceived = true
                case .packetSent: isReceived = false
                case .frame(.ack(let ack)): path = isReceived ? ack.pathID : nil
                case .frame: path = nil
                case .range(let lower, let upper):
                    guard let path else { continue }
                    for number in lower...upper { result.insert(Key(path: path, number: number)) }
                default: break
                }
            }
            return result
        }
    }

    /// Counts of all paths of a channel, of those too that are gone.
    private func total(_ host: Host, _ count: (PathStatistics) -> UInt64) -> Int {
        Int(
            host.channel.pathSnapshots.reduce(count(host.channel.endedPathStatistics)) { $0 + count($1.statistics) })
    }

    private func trouble(_ random: inout RandomSource) -> [any Node] {
        [
            RandomLoss(0.03, random: RandomSource(seed: random.next())),
            Reorder(0.05, by: .milliseconds(15), random: RandomSource(seed: random.next())),
        ]
    }

    /// Loss, reordering, sessions that replace one another: each packet is there once, and each loss that was counted.
    @Test func tellsWhatTheStatisticsCount() throws {
        try Replay.run("TraceTests", seeds: Replay.seeds(count: 6)) { seed, log in
            var random = RandomSource(seed: seed)
            var setup = Pair.Setup()
            setup.seed = seed
            setup.log = log
            var plan = TrafficPlan()
            plan.streams = [.bulk(900_000, from: .lower), .bulk(500_000, from: .upper)]
            plan.controlByteCounts = (20_000, 20_000)
            plan.messageCounts = (20, 20)
            let start = setup.clock.now
            let pair = try Pair(
                setup,
                upward: .steady(
                    megabitsPerSecond: 20, delay: .milliseconds(15), queue: .milliseconds(60), trouble(&random)),
                downward: .steady(
                    megabitsPerSecond: 20, delay: .milliseconds(15), queue: .milliseconds(60), trouble(&random)),
                lower: Traffic(plan, role: .lower, seed: seed, start: start),
                upper: Traffic(plan, role: .upper, seed: seed, start: start))
            for host in pair.hosts { host.channel.startTrace(limit: 4_000_000, now: pair.now) }
            for round in 1...3 {
                pair.after(.milliseconds(Int64(150 * round))) { pair in
                    let old = pair.lower.channel.activePath
                    _ = try pair.addSession(inheriting: old)
                    if let old { pair.lower.retirePath(old, now: pair.now) }
                }
            }
            try pair.runUntilDone()
            try pair.run(for: .seconds(20))
            var noted = (lower: Noted(), upper: Noted())
            try noted.lower.take(pair.lower)
            try noted.upper.take(pair.upper)
            try judge(noted.lower, pair.lower, peer: noted.upper)
            try judge(noted.upper, pair.upper, peer: noted.lower)
            try SimulationFailure.unless(
                !noted.lower.lost(isMTUProbe: false).isEmpty && !noted.upper.lost(isMTUProbe: false).isEmpty,
                "the links lost nothing")
        }
    }

    private func judge(_ noted: Noted, _ host: Host, peer: Noted) throws {
        let name = host.name
        let sent = noted.sent
        try same(sent.count, total(host) { $0.packetsSent }, "\(name): packets sent")
        try same(Set(sent).count, sent.count, "\(name): packets sent, each once")
        try same(noted.received.count, total(host) { $0.packetsReceived }, "\(name): packets received")
        let lost = noted.lost(isMTUProbe: false)
        try same(lost.count, total(host) { $0.packetsLost }, "\(name): packets lost")
        try same(noted.spurious.count, total(host) { $0.packetsSpuriouslyLost }, "\(name): packets lost for nothing")
        try same(noted.timeouts.count, total(host) { $0.probeTimeouts }, "\(name): probe timeouts")
        let known = Set(sent)
        let gone = Set(lost + noted.lost(isMTUProbe: true) + noted.givenUp)
        try SimulationFailure.unless(gone.isSubset(of: known), "\(name): lost what was not sent")
        try SimulationFailure.unless(noted.acknowledged.isSubset(of: known), "\(name): acknowledged what was not sent")
        try SimulationFailure.unless(
            Set(noted.received).isSubset(of: Set(peer.sent)), "\(name): received what the peer has not sent")
        try SimulationFailure.unless(
            zip(noted.records, noted.records.dropFirst()).allSatisfy { $0.time <= $1.time }, "\(name): time goes back")
        // What was measured last is what the path is like now.
        guard let path = host.channel.pathSnapshots.first(where: \.isActive) else {
            throw SimulationFailure("\(name): no path is in use")
        }
        let metrics = noted.records.compactMap { record -> TraceMetrics? in
            if case .metrics(let metrics) = record.event, record.path == path.id { metrics } else { nil }
        }
        try SimulationFailure.unless(
            metrics.last?.windowBytes == path.windowBytes && metrics.last?.roundTrip?.smoothed == path.roundTrip
                && metrics.last?.mtu == path.mtu, "\(name): \(metrics.suffix(1)), not \(path)")
    }

    private func same(_ noted: Int, _ counted: Int, _ what: String) throws {
        try SimulationFailure.unless(noted == counted, "\(what): \(noted) noted, \(counted) counted")
    }

    /// Without a trace nothing is noted; one that begins later begins with what there is.
    @Test func beginsWithWhatThereIsAndEnds() throws {
        var plan = TrafficPlan()
        plan.streams = [.bulk(200_000)]
        let setup = Pair.Setup()
        let pair = try Pair(
            setup, upward: .steady(megabitsPerSecond: 20, delay: .milliseconds(15), queue: .milliseconds(60), []),
            downward: .steady(megabitsPerSecond: 20, delay: .milliseconds(15), queue: .milliseconds(60), []),
            lower: Traffic(plan, role: .lower, seed: 1, start: setup.clock.now),
            upper: Traffic(plan, role: .upper, seed: 1, start: setup.clock.now))
        try Self.expectNone(pair.lower)
        try pair.runUntilDone()
        pair.lower.channel.startTrace(now: pair.now)
        let isTraced = pair.lower.channel.isTraced
        #expect(isTraced)
        var noted = Noted()
        try noted.take(pair.lower)
        guard noted.records.count == 3, case .path(.present) = noted.records[0].event,
            case .path(.used) = noted.records[1].event, case .metrics(let metrics) = noted.records[2].event
        else {
            Issue.record("\(noted.records)")
            return
        }
        #expect(metrics.windowBytes == pair.lower.channel.pathSnapshots[0].windowBytes)
        pair.lower.channel.close(.shutdown, reason: "enough", now: pair.now)
        pair.lower.wake(pair.now)
        try pair.run(for: .milliseconds(1))
        try noted.take(pair.lower)
        let isClosed = noted.records.contains {
            if case .closed(.shutdown, .local) = $0.event { true } else { false }
        }
        // The packet with the CLOSE is one too.
        #expect(isClosed && noted.sent.count == 1)
        pair.lower.channel.stopTrace()
        try Self.expectNone(pair.lower)
    }

    private static func expectNone(_ host: Host) throws {
        let batch = host.channel.takeTrace()
        let isTraced = host.channel.isTraced
        try SimulationFailure.unless(batch == nil && !isTraced, "\(host.name) is traced")
    }
}
