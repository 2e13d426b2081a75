import DXSecure
import DXWire
import Testing

@testable import DXTunnel

/// The group's word on its matchmakers: what is read, what is refused, and what it means.
@Suite struct MatchPolicyTests {
    private let admin: Identity
    private let servers: [MatchmakerAddress]

    init() throws {
        admin = try TestKeys.identity(1)
        servers = [
            try #require(
                MatchmakerAddress(
                    address: HostAddress(host: "match.example", port: 3_478), pin: try TestKeys.identity(2).gatewayID)),
            try #require(
                MatchmakerAddress(
                    address: HostAddress(host: "2001:db8::5", port: 3_478), pin: try TestKeys.identity(3).gatewayID)),
        ]
    }

    private static let time: Int64 = 1_800_000_000

    private func key() throws -> MatchKey { try #require(MatchKey(scalar: Array(0x20..<0x40))) }

    @Test func theyAreReadAsTheyWereWritten() throws {
        let key = try MatchKeyRecord(MatchKeyRecord(key: key()).body(at: Self.time))
        #expect(try key.key == self.key())
        let none = try MatchKeyRecord(MatchKeyRecord(key: nil).body(at: Self.time))
        #expect(none.key == nil)
        let read = try MatchServersRecord(MatchServersRecord(servers: servers).body(at: Self.time))
        #expect(read.servers == servers)
        #expect(try MatchServersRecord(MatchServersRecord(servers: []).body(at: Self.time)).servers.isEmpty)
    }

    @Test func whatANewerVersionSaysStays() throws {
        var fields = RecordFields()
        fields.add(99, "new")
        let key = try MatchKeyRecord(MatchKeyRecord(key: key()).body(at: Self.time) + fields.encoded)
        let newKey = MatchKeyRecord(key: .generate(), keepingUnknownOf: key).body(at: Self.time + 1)
        #expect(try RecordFields(newKey).text(99) == "new")
        #expect(RecordFields.time(of: newKey) == UInt64(Self.time + 1))
        let known = try MatchServersRecord(MatchServersRecord(servers: servers).body(at: Self.time) + fields.encoded)
        let newServers = MatchServersRecord(servers: [], keepingUnknownOf: known).body(at: Self.time)
        #expect(try RecordFields(newServers).text(99) == "new")
    }

    @Test func whatMakesNoSenseIsRefused() throws {
        func body(_ values: [[UInt8]]) -> [UInt8] {
            var fields = RecordFields()
            for value in values { fields.add(1, value) }
            return fields.encoded
        }
        let scalar = [UInt8](1...32)
        for values in [
            [scalar, scalar], [scalar + [0]], [Array(scalar.dropLast())], [[UInt8](repeating: 255, count: 32)],
        ] {
            #expect(throws: DecodeError.self) { try MatchKeyRecord(body(values)) }
        }
        let texts = servers.map { Array($0.description.utf8) }
        #expect(throws: DecodeError.self) { try MatchServersRecord(body([texts[0], texts[0]])) }
        #expect(throws: DecodeError.self) { try MatchServersRecord(body([Array("match.example:3478".utf8)])) }
        #expect(throws: DecodeError.self) { try MatchServersRecord(body([[0xff]])) }
        let pin = servers[0].pin.text
        let many = (1...MatchServersRecord.most + 1).map { Array("192.0.2.\($0):3478#\(pin)".utf8) }
        #expect(try MatchServersRecord(body(many.dropLast())).servers.count == MatchServersRecord.most)
        #expect(throws: DecodeError.self) { try MatchServersRecord(body(many)) }
    }

    /// The longest that there can be fits into a record.
    @Test func eightWithLongNamesFit() throws {
        let label = String(repeating: "a", count: 63)
        let long = (0..<8).compactMap { number in
            MatchmakerAddress(
                address: HostAddress(host: "\(label).\(label).\(label).\(number)\(label.dropFirst(3))", port: 65_535),
                pin: servers[0].pin)
        }
        #expect(long.count == 8)
        #expect(MatchServersRecord(servers: long).body(at: Self.time).count <= GroupRecord.longestBody)
    }

    @Test(arguments: 1...10 as ClosedRange<UInt64>) func noBytesTrap(seed: UInt64) throws {
        var random = RandomSource(seed: seed)
        let bodies = [
            MatchKeyRecord(key: try key()).body(at: Self.time),
            MatchServersRecord(servers: servers).body(at: Self.time),
        ]
        for _ in 0..<500 {
            var bytes = bodies[Int(random.below(2))]
            for _ in 0...random.below(3) {
                bytes[Int(random.below(UInt64(bytes.count)))] = UInt8(truncatingIfNeeded: random.next())
            }
            if random.below(4) == 0 { bytes.removeLast(Int(random.below(UInt64(bytes.count)))) }
            if let read = try? MatchKeyRecord(bytes) {
                #expect(try MatchKeyRecord(read.body(at: 0)).key == read.key)
            }
            if let read = try? MatchServersRecord(bytes) {
                #expect(try MatchServersRecord(read.body(at: 0)).servers == read.servers)
            }
        }
    }

    // MARK: What they mean

    private func document(
        _ policies: [(String, [UInt8])], removing removed: String? = nil
    ) throws -> (document: GroupDocument, member: MemberRecord.ID) {
        let root = try TestKeys.identity(0)
        var document = GroupDocument(rootKey: root.publicKey)
        let id = try GroupReplicas.id(1)
        let grant = try GroupRecord(
            .admin, id: admin.publicKey.bytes, revision: 1, body: AdminRecord(id: id, name: "alice").body,
            signedBy: root, group: document.group)
        #expect(document.insert(grant) == .added)
        for (index, policy) in policies.enumerated() {
            let record = try GroupRecord(
                .policy, id: Array(policy.0.utf8), revision: UInt64(2 + index), body: policy.1, signedBy: admin,
                group: document.group)
            #expect(document.insert(record) == .added)
        }
        if let removed {
            let record = try GroupRecord(
                .policy, id: Array(removed.utf8), revision: 50, isRemoval: true, signedBy: admin, group: document.group)
            #expect(document.insert(record) == .added)
        }
        return (document, id)
    }

    private func view(_ group: (document: GroupDocument, member: MemberRecord.ID)) -> GroupView {
        var ids: [PublicKey: GatewayID] = [:]
        return GroupView(GroupState(group.document), member: group.member, ids: &ids, calendar: nil)
    }

    @Test func membersSeeWhatWasSaidLast() throws {
        let keyBody = MatchKeyRecord(key: try key()).body(at: Self.time)
        let group = try document([
            (MatchKeyRecord.policy, MatchKeyRecord(key: .generate()).body(at: Self.time)),
            (MatchServersRecord.policy, MatchServersRecord(servers: servers.reversed()).body(at: Self.time)),
            (MatchKeyRecord.policy, keyBody),
            (MatchServersRecord.policy, MatchServersRecord(servers: servers).body(at: Self.time)),
        ])
        let view = view(group)
        #expect(try view.matchKey == key())
        #expect(view.matchServers == servers)
        #expect(GroupState(group.document).problems.isEmpty)
    }

    /// Who has just joined is no member as far as it knows, and is to be found all the same: where the group says, else where the
    /// token did.
    @Test func whoHasJustJoinedIsToBeFound() throws {
        let introducer = GroupFile.Introducer(
            key: admin.publicKey, addresses: [], matchmakers: [servers[1]])
        func view(_ policies: [(String, [UInt8])], _ introducer: GroupFile.Introducer?) throws -> GroupView {
            var ids: [PublicKey: GatewayID] = [:]
            return GroupView(
                GroupState(try document(policies).document), member: try GroupReplicas.id(9), introducer: introducer,
                ids: &ids, calendar: nil)
        }
        let key = (MatchKeyRecord.policy, MatchKeyRecord(key: try key()).body(at: Self.time))
        let list = (MatchServersRecord.policy, MatchServersRecord(servers: [servers[0]]).body(at: Self.time))
        #expect(try view([key, list], introducer).matchServers == [servers[0]])
        let byToken = try view([key], introducer)
        #expect(try byToken.matchServers == [servers[1]] && byToken.matchKey == self.key())
        // One that was removed and let itself in, or has forgotten who did, is found nowhere.
        #expect(try view([key, list], nil).matchServers.isEmpty && view([key, list], nil).matchKey == nil)
    }

    @Test func nothingIsSaidAtFirstOrAfterARemoval() throws {
        let none = view(try document([]))
        #expect(none.matchKey == nil && none.matchServers.isEmpty)
        let body = MatchServersRecord(servers: servers).body(at: Self.time)
        let removed = view(
            try document([(MatchServersRecord.policy, body)], removing: MatchServersRecord.policy))
        #expect(removed.matchServers.isEmpty)
    }

    /// All members hold the same, also those of a version that knows no such policy: so it is held, does not count, and is told.
    @Test func whatCannotBeReadIsHeldAndTold() throws {
        let group = try document([
            (MatchKeyRecord.policy, [1, 1, 7]), (MatchServersRecord.policy, Array("match.example".utf8)),
        ])
        let view = view(group)
        #expect(view.matchKey == nil && view.matchServers.isEmpty)
        #expect(
            Set(GroupState(group.document).problems)
                == [.badPolicy(MatchKeyRecord.policy), .badPolicy(MatchServersRecord.policy)])
    }

    /// More than an admin registers for at once have their turns, all of them.
    @Test(arguments: [0, 1, 32, 33, 64, 100, 333]) func whoMayReturnHasATurn(count: Int) throws {
        let members = try (0..<count).map { number in
            var bytes = [UInt8](repeating: 0, count: PublicKey.byteCount)
            (bytes[0], bytes[1], bytes[2]) = (2, UInt8(number & 255), UInt8(number >> 8))
            return try PublicKey(field: bytes)
        }
        var seen: Set<PublicKey> = []
        for period in 0..<UInt64(max(count, 1)) {
            let turn = MatchPlan.turn(members.reversed(), period: period)
            #expect(turn.count == min(count, MatchPlan.mostReturns) && Set(turn).count == turn.count)
            seen.formUnion(turn)
        }
        #expect(seen == Set(members))
    }

    /// Nobody reads the key in a log.
    @Test func aViewTellsNothingOfTheKey() throws {
        let view = view(try document([(MatchKeyRecord.policy, MatchKeyRecord(key: try key()).body(at: Self.time))]))
        #expect(view.matchKey != nil)
        #expect("\(view)".contains("(a match key)") && !"\(view)".contains("32, 33, 34"))
    }
}
