import DXWire
import Testing

@testable import DXMatch

/// Bodies and REFRESH that nobody meant, from strangers and members: an answer of the right size, or a drop; never a trap, and never
/// a change to what others hold.
@Suite struct NoiseTests {
    @Test(arguments: [1, 2, 3] as [UInt64])
    func anyBodyIsAnswered(seed: UInt64) throws {
        var random = RandomSource(seed: seed)
        let lab = MatchLab(seed: seed)
        let (victim, hostile, stranger) = (TestMember(1), TestMember(2), TestMember(3))
        victim.lifetime = 7_200
        hostile.lifetime = 7_200
        stranger.matchKey = .zero
        try lab.register(victim)
        try lab.register(hostile)
        let before = try #require(
            lab.server.audit(MatchLab.groupTag, now: lab.now).first { $0.key.memberTag == victim.tag })
        let seeds = MatchVector.bodies.filter { $0.codec == .request }.map(\.bytes)
        var done = 0
        for _ in 0..<6_000 {
            var body = seeds[Int(random.below(UInt64(seeds.count)))]
            // The handle of somebody, sometimes one's own, where a request may have one.
            if random.chance(0.6), body.count > 9 {
                let handle = random.chance(0.5) ? hostile.handle : victim.handle
                let bytes = Written.bytes { $0.write(handle.rawValue) }
                body.replaceSubrange(1..<9, with: bytes)
            }
            for _ in 0..<random.below(4) {
                body[Int(random.below(UInt64(body.count)))] = UInt8(truncatingIfNeeded: random.next())
            }
            if random.chance(0.2) { body.removeLast(Int(random.below(UInt64(body.count + 1)))) }
            if random.chance(0.5) { body += [UInt8](repeating: 0, count: Int(random.below(800))) }
            let sender = random.chance(0.5) ? hostile : stranger
            let reply = lab.send(Array(body.prefix(RequestMessage.maximumBody)), sender)
            if reply.status == .done { done += 1 }
            if random.chance(0.01) {
                lab.now += .milliseconds(300)
                lab.server.timeoutFired(now: lab.now)
                _ = lab.notices()
                if lab.server.status.registrations < 2 { try lab.register(hostile) }
            }
        }
        #expect(done > 100, "\(done)")
        let after = try #require(
            lab.server.audit(MatchLab.groupTag, now: lab.now).first { $0.key.memberTag == victim.tag })
        #expect(after.handle == before.handle && after.address == before.address && after.blob == before.blob)
        #expect(after.revision == before.revision && after.lastSequence == before.lastSequence)
        _ = try lab.refresh(victim)
    }

    @Test func anyRefreshIsAnswered() throws {
        var random = RandomSource(seed: 4)
        let lab = MatchLab()
        let member = TestMember(1)
        member.lifetime = 7_200
        try lab.register(member)
        for _ in 0..<20_000 {
            let refresh = RefreshMessage(
                handle: random.chance(0.5) ? member.handle : Handle(rawValue: random.next()),
                count: UInt32(truncatingIfNeeded: random.next()), notice: UInt32(random.below(3)),
                flags: UInt8(truncatingIfNeeded: random.next()), code: random.next())
            #expect(throws: MatchServerDrop.self) {
                try lab.server.receiveRefresh(refresh, from: member.address, socket: 0, now: lab.now)
            }
        }
        #expect(lab.server.statistics.wrongCodes > 9_000 && lab.server.statistics.unknownHandles > 9_000)
        _ = try lab.refresh(member)
    }
}
