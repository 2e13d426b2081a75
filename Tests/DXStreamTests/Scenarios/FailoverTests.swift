import DXSimulator
import DXStream
import DXWire
import Testing

/// The network of a path goes away for good; the owner finds another and adds a session there.
@Suite struct FailoverTests {
    /// The transfer goes on within a few round trips of the new session, nothing is lost, and the dead path is forgotten.
    @Test(arguments: [ChannelRole.lower, .upper]) func theTransferGoesOnElsewhere(sender: ChannelRole) throws {
        try Replay.run("FailoverTests") { seed, log in
            var setup = Pair.Setup()
            setup.seed = seed
            setup.log = log
            let start = setup.clock.now
            let cut = start + .seconds(1)
            var plan = TrafficPlan()
            plan.streams = [.bulk(3_000_000, from: sender)]
            let hole = Blackhole([cut..<Instant.distantFuture])
            func link(_ nodes: [any Node]) -> Link {
                .steady(megabitsPerSecond: 20, delay: .milliseconds(20), queue: .milliseconds(40), nodes)
            }
            let lower = Traffic(plan, role: .lower, seed: seed, start: start)
            let upper = Traffic(plan, role: .upper, seed: seed, start: start)
            let pair = try Pair(setup, upward: link([hole]), downward: link([hole]), lower: lower, upper: upper)
            pair.network.route(from: 31, to: 32, over: link([]))
            pair.network.route(from: 32, to: 31, over: link([]))
            let old = PathID(count: 0, role: .lower)
            try pair.run(until: { $0.hosts.contains { $0.pathEvents.contains(.pathSuspect(old)) } })
            // Two probe timeouts: the second doubles the first, which is about a round trip and its variation.
            #expect(pair.now - cut < .milliseconds(700), "suspected after \(pair.now - cut)")
            pair.lower.address = 31
            pair.upper.address = 32
            let reader = sender == .lower ? upper : lower
            let before = reader.streams[0].readByteCount
            _ = try pair.addSession(inheriting: nil)
            pair.lower.retirePath(old, now: pair.now)
            let added = pair.now
            try pair.run(until: { _ in reader.streams[0].readByteCount > before })
            #expect(pair.now - added < .milliseconds(300), "stood still for \(pair.now - added)")
            try pair.runUntilDone()
            #expect(pair.now - added < .seconds(3), "over after \(pair.now - added)")
            try pair.run(for: .seconds(30))
            for host in pair.hosts { #expect(host.pathIDs == [PathID(count: 1, role: .lower)]) }
        }
    }
}
