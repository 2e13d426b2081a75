import DXSecure
import DXWire
import Testing

@testable import DXTunnel

/// Members that exchange records come to hold the same, with few bytes, whatever they held before and whoever lies.
@Suite struct GroupSyncTests {
    private let root: Identity
    private let admin: Identity

    init() throws {
        root = try TestKeys.identity(0)
        admin = try TestKeys.identity(1)
    }

    /// Histories that went apart, with revocations and checkpoints, in a chain of channels.
    @Test(arguments: 1...15 as ClosedRange<UInt64>) func histories(seed: UInt64) throws {
        var replicas = try GroupReplicas(seed: seed)
        for _ in 0..<150 { try replicas.step() }
        var network = GroupNetwork(replicas.documents, keys: try keys(4), seed: seed, loss: 0.1)
        for member in 0..<3 { network.connect(member, member + 1) }
        network.run()
        replicas.meetAll()
        for sync in network.syncs { expectSame(sync.document, replicas.documents[0], "seed \(seed)") }
    }

    /// A member that joins gets all; what it gets is hardly more than the records themselves.
    @Test func whoJoinsGetsAll() throws {
        let full = try document(members: 300)
        var network = GroupNetwork([full, GroupDocument(rootKey: root.publicKey)], keys: try keys(2), seed: 1)
        network.connect(0, 1)
        network.run()
        expectSame(network.syncs[1].document, full, "joined")
        let bytes = full.records.values.reduce(0) { $0 + $1.encoded.count }
        #expect(network.sentByteCounts[0] < bytes + bytes / 4, "\(network.sentByteCounts[0]) for \(bytes)")
        #expect(network.sentByteCounts[1] < 16_384, "\(network.sentByteCounts[1])")
    }

    /// Of two that hold the same one says what, and then nobody anything.
    @Test func whoHoldsTheSameSaysNothing() throws {
        let full = try document(members: 100)
        var network = GroupNetwork([full, full], keys: try keys(2), seed: 1)
        network.connect(0, 1)
        network.run()
        #expect(network.messageCount == 1 && network.syncs[0].nextDeadline == nil)
    }

    /// One record among many is found by some branches, not by listing all.
    @Test func oneDifferenceIsFoundWithFewBytes() throws {
        let full = try document(members: 300)
        var ahead = full
        #expect(ahead.insert(try tunnel("new", revision: 1_000)) == .added)
        var network = GroupNetwork([full, ahead], keys: try keys(2), seed: 1)
        network.connect(0, 1)
        network.run()
        expectSame(network.syncs[0].document, ahead, "found")
        #expect(network.sentByteCounts.reduce(0, +) < 4_096, "\(network.sentByteCounts)")
    }

    /// A neighbour is gone before it answers: another one, who said meanwhile that it has the record too, is asked.
    @Test func whoIsGoneIsNotWaitedFor() throws {
        let full = try document(members: 10)
        var network = GroupNetwork([full, full, full], keys: try keys(3), seed: 1)
        network.connect(0, 1, delay: .milliseconds(100))
        network.connect(1, 2, delay: .milliseconds(60))
        network.connect(0, 2, delay: .milliseconds(20))
        network.run()
        let record = try tunnel("new", revision: 1_000)
        _ = network.say(record, at: 1)
        // Announced by 1 after 100 ms, by 2 after 200; the answer of 1 would come after 300.
        network.run(atMost: .milliseconds(250))
        #expect(network.syncs[2].document.records[record.hash] != nil)
        #expect(network.syncs[0].document.records[record.hash] == nil)
        network.disconnect(0, 1)
        network.run()
        #expect(network.syncs[0].document.records[record.hash] != nil)
    }

    // MARK: Hostile neighbours

    /// Records that do not verify cost their sender its voice.
    @Test func whoForgesIsNotHeard() throws {
        let full = try document(members: 3)
        var network = GroupNetwork([full, full], keys: try keys(2), seed: 1)
        network.connect(0, 1)
        network.run()
        let forged = try (0..<100).map { number -> GroupRecord in
            // Signed for another group.
            try GroupRecord(
                .tunnel, id: try GroupReplicas.id(number).bytes, revision: 50, body: TunnelRecord(name: "x").body,
                signedBy: admin, group: GroupID(rootKey: admin.publicKey))
        }
        for record in forged {
            let bytes = record.encoded
            var reader = unsafe ByteReader(bytes.span.bytes)
            let read = try GroupRecord(reading: &reader, group: full.group)
            network.inject(.records([read]), from: 1, to: 0)
        }
        #expect(network.syncs[0].statistics.invalid == UInt64(GroupSync.mostInvalid))
        expectSame(network.syncs[0].document, full, "nothing taken")
        // Not even what is good, until it connects anew.
        let good = try tunnel("good", revision: 60)
        network.inject(.records([good]), from: 1, to: 0)
        #expect(network.syncs[0].document.records[good.hash] == nil)
        network.connect(0, 1)
        network.inject(.records([good]), from: 1, to: 0)
        #expect(network.syncs[0].document.records[good.hash] != nil)
    }

    /// Whatever is announced, asked for and sent without right, what is kept for it is bounded.
    @Test func floodsAreBounded() throws {
        let full = try document(members: 50)
        var sync = GroupSync(full, own: try GroupNetwork.key(0))
        let hostile = try GroupNetwork.key(1)
        sync.connected(hostile)
        let now = Instant(nanoseconds: 1)
        var random = RandomSource(seed: 3)
        for _ in 0..<2_000 {
            let bytes = (0..<32).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            let hash = unsafe Bytes32(sha256: bytes.span.bytes)
            sync.receive(.have(Array(repeating: hash, count: 64)), from: hostile, now: now)
            sync.receive(.want(Array(full.records.keys)), from: hostile, now: now)
            sync.receive(.list(GroupIndex.Prefix(), []), from: hostile, now: now)
        }
        var queued = 0
        while sync.pollMessage(to: hostile) != nil { queued += 1 }
        #expect(queued == GroupSync.mostQueued)
        // Big records of somebody who may sign nothing.
        let stranger = try TestKeys.identity(7)
        for revision in 0..<40 as Range<UInt64> {
            let record = try GroupRecord(
                .checkpoint, id: [], revision: revision, body: Array(repeating: 1, count: 200_000), signedBy: stranger,
                group: full.group)
            sync.receive(.records([record]), from: hostile, now: now)
        }
        #expect(sync.statistics.refused == 40 && sync.waitingByteCount <= GroupSync.mostWaiting)
        expectSame(sync.document, full, "nothing taken")
    }

    // MARK: A large group

    /// 500 members with at most 8 channels each, 20 to 200 ms apart, 2 % of messages lost, a fifth offline and returning: all
    /// that are there have a change within 10 s, with at most 50 kB sent by any.
    @Test func fiveHundredConverge() throws {
        let full = try document(members: 500)
        var network = GroupNetwork(Array(repeating: full, count: 500), keys: try keys(500), seed: 9, loss: 0.02)
        var random = RandomSource(seed: 10)
        let offline = Set((1..<500).filter { _ in random.chance(0.2) })
        func connect(_ member: Int, among others: [Int], _ wanted: Int) {
            var tries = 0
            while network.channelCount(member) < wanted, tries < 200 {
                tries += 1
                let other = others[Int(random.below(UInt64(others.count)))]
                guard other != member, network.channelCount(other) < 8 else { continue }
                network.connect(member, other, delay: .milliseconds(10 + Int64(random.below(90))))
            }
        }
        let online = (0..<500).filter { !offline.contains($0) }
        for member in online { connect(member, among: online, 4) }
        network.run()
        let before = network.sentByteCounts
        let begin = network.now
        let record = try tunnel("new", revision: 5_000)
        #expect(network.say(record, at: 0) == .added)
        network.run(atMost: .seconds(1))
        for member in offline.sorted() { connect(member, among: online, 2) }
        network.run()
        #expect(network.now - begin < .seconds(10), "\(network.now - begin)")
        #expect(network.syncs.allSatisfy { $0.document.records[record.hash] != nil })
        let most = zip(network.sentByteCounts, before).map { $0 - $1 }.max() ?? 0
        #expect(most < 50_000, "\(most) bytes")
        #expect((0..<500).allSatisfy { network.channelCount($0) <= 8 })
    }

    // MARK: Documents

    private func keys(_ count: Int) throws -> [PublicKey] { try (0..<count).map(GroupNetwork.key) }

    /// A group of one admin and so many members, and a tunnel.
    private func document(members: Int) throws -> GroupDocument {
        var document = GroupDocument(rootKey: root.publicKey)
        let grant = AdminRecord(id: try id(9_999), name: "admin")
        #expect(
            document.insert(
                try GroupRecord(
                    .admin, id: admin.publicKey.bytes, revision: 1, body: grant.body, signedBy: root,
                    group: document.group)) == .added)
        for number in 0..<members {
            var member = MemberRecord(name: "device-\(number)", key: try GroupNetwork.key(10_000 + number))
            member.labels = [try Label("site=\(number % 7)")]
            let record = try GroupRecord(
                .member, id: try id(number).bytes, revision: UInt64(number + 2), body: member.body, signedBy: admin,
                group: document.group)
            #expect(document.insert(record) == .added)
        }
        return document
    }

    private func tunnel(_ name: String, revision: UInt64) throws -> GroupRecord {
        var tunnel = TunnelRecord(name: name)
        tunnel.origins = [
            .init(selector: .label(try Label("site=1")), listen: .tcp(HostAddress(host: "", port: 2_222)))
        ]
        tunnel.destinations = [
            .init(selector: .member(try id(3)), target: .tcp(HostAddress(host: "127.0.0.1", port: 22)))
        ]
        return try GroupRecord(
            .tunnel, id: try id(20_000).bytes, revision: revision, body: tunnel.body, signedBy: admin,
            group: GroupID(rootKey: root.publicKey))
    }

    private func id(_ number: Int) throws -> MemberRecord.ID {
        try #require(MemberRecord.ID([UInt8(number >> 8), UInt8(number & 255)] + Array(repeating: 0, count: 14)))
    }

    private func expectSame(_ left: GroupDocument, _ right: GroupDocument, _ what: String) {
        #expect(Set(left.records.keys) == Set(right.records.keys), "\(what)")
    }
}
