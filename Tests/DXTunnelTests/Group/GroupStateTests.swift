import DXSecure
import DXWire
import Testing

@testable import DXTunnel

/// What a group's records mean, case by case.
@Suite struct GroupStateTests {
    private let root: Identity
    private let alice: Identity
    private let bob: Identity
    private let device: Identity
    private var document: GroupDocument

    init() throws {
        (root, alice) = (try TestKeys.identity(0), try TestKeys.identity(1))
        (bob, device) = (try TestKeys.identity(2), try TestKeys.identity(5))
        document = GroupDocument(rootKey: root.publicKey)
        try grant(alice, 1, "alice")
    }

    @Test func anAdminIsAMemberByTheRootKeysWord() throws {
        let state = GroupState(document)
        #expect(state.admins == [alice.publicKey])
        #expect(state.members.map(\.name) == ["alice"] && state.members[0].isAdmin)
        #expect(state.members[0].record.key == alice.publicKey)
    }

    /// The newest revision wins, whoever of the admins said it.
    @Test mutating func theNewestWins() throws {
        try grant(bob, 2, "bob")
        try member(device, 3, "old", revision: 5, by: alice)
        try member(device, 3, "new", revision: 6, by: bob)
        try member(device, 3, "older", revision: 4, by: bob)
        #expect(GroupState(document).members.map(\.name) == ["alice", "bob", "new"])
        try say(.member, 3, revision: 7, isRemoval: true, by: alice)
        #expect(GroupState(document).members.map(\.name) == ["alice", "bob"])
        #expect(GroupState(document).revision == 7)
    }

    @Test mutating func onlyAdminsSignForTheGroup() throws {
        #expect(try member(device, 3, "device", revision: 1, by: device) == .notAllowed)
        #expect(try say(.admin, id: device.publicKey.bytes, revision: 1, body: [], by: alice) == .notAllowed)
        #expect(try say(.checkpoint, id: [], revision: 1, body: [], by: alice) == .notAllowed)
        #expect(GroupState(document).members.map(\.name) == ["alice"])
    }

    /// Alice and Bob remove each other: both stay, and both are told.
    @Test mutating func adminsThatRemoveEachOtherBothStay() throws {
        try grant(bob, 2, "bob")
        try member(bob, 2, "bob", labels: "site=a", revision: 3, by: alice)
        try say(.member, 2, revision: 10, isRemoval: true, by: alice)
        try say(.member, 1, revision: 10, isRemoval: true, by: bob)
        try member(device, 1, "mallory", revision: 11, by: bob)
        let state = GroupState(document)
        #expect(state.members.map(\.name) == ["alice", "bob"])
        #expect(state.members[0].record.key == alice.publicKey)
        #expect(state.members[1].record.labels.map(\.description) == ["site=a"])
        #expect(Set(state.problems) == [.adminProtected(member: "alice"), .adminProtected(member: "bob")])
    }

    /// A revoked admin may still be removed by another; what it signed counts as far as the root key lists it.
    @Test mutating func aRevocationKeepsWhatItLists() throws {
        try grant(bob, 2, "bob")
        try member(device, 3, "device", revision: 3, by: bob)
        let good = try #require(document.records.values.first { $0.author == bob.publicKey })
        try member(device, 3, "taken-over", revision: 1_000, by: bob)
        try revoke(bob, honoured: [good.hash])
        let state = GroupState(document)
        #expect(state.members.map(\.name) == ["alice", "device"] && state.admins == [alice.publicKey])
        #expect(state.revision < 1_000)
        #expect(try member(device, 4, "again", revision: 2_000, by: bob) == .outdated)
        // For ever: making the key an admin again does not help.
        try grant(bob, 2, "bob", revision: 5_000)
        #expect(GroupState(document).admins == [alice.publicKey])
    }

    /// Two revocations of one key: what both list.
    @Test mutating func revocationsAddUp() throws {
        try grant(bob, 2, "bob")
        try member(device, 3, "one", revision: 3, by: bob)
        try member(device, 4, "two", revision: 4, by: bob)
        let records = document.records.values.filter { $0.author == bob.publicKey }.sorted { $0.revision < $1.revision }
        try revoke(bob, honoured: Set(records.map(\.hash)))
        #expect(document.records[records[1].hash] != nil)
        try revoke(bob, honoured: [records[0].hash], revision: 51)
        #expect(document.records[records[0].hash] != nil && document.records[records[1].hash] == nil)
    }

    @Test mutating func sameNamesAndKeysAreTold() throws {
        let second = try TestKeys.identity(6)
        try member(device, 3, "edge", revision: 1, by: alice)
        try member(second, 4, "edge", revision: 2, by: alice)
        let state = GroupState(document)
        #expect(state.members.count == 3 && Set(state.members.map(\.name)).count == 3)
        #expect(state.members.contains { $0.name == "edge" && $0.record.key == device.publicKey })
        guard case .sameName("edge", let now)? = state.problems.first else { Issue.record("no problem"); return }
        #expect(state.members.contains { $0.name == now && $0.record.key == second.publicKey })
        // One key twice: the newer one stays.
        try member(device, 7, "clone", revision: 9, by: alice)
        #expect(GroupState(document).members.filter { $0.record.key == device.publicKey }.map(\.name) == ["clone"])
        #expect(GroupState(document).problems.contains(.sameKey(member: "edge")))
    }

    /// A member says where it is, for itself, while it is one.
    @Test mutating func addressesAreTheMembersOwn() throws {
        let body = AddressRecord(addresses: [HostAddress(host: "192.0.2.1", port: 7_700)]).body
        func offer(_ revision: UInt64, by author: Identity) throws -> GroupDocument.Admission {
            try say(.address, id: device.publicKey.bytes, revision: revision, body: body, by: author)
        }
        #expect(try offer(1, by: device) == .notAllowed)
        try member(device, 3, "device", revision: 1, by: alice)
        #expect(try offer(2, by: alice) == .notAllowed)
        #expect(try offer(2, by: device) == .added)
        #expect(try offer(1, by: device) == .outdated)
        #expect(try offer(3, by: device) == .added)
        #expect(GroupState(document).members.first { $0.name == "device" }?.addresses.count == 1)
        #expect(document.records.values.count { $0.key.kind == .address } == 1)
        // However far it counts: the next number of an admin is another one.
        let revision = GroupState(document).revision
        #expect(try offer(GroupRecord.highestRevision, by: device) == .added)
        #expect(GroupState(document).revision == revision)
    }

    /// An epoch of a number that nobody counts to means nothing: it could not be said on, nor would the next one have a number.
    @Test(arguments: [1 << 48 + 1, 1 << 62, UInt64.max] as [UInt64]) func epochsAreCountedOneByOne(number: UInt64) {
        func id(_ number: UInt64) -> [UInt8] {
            (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) } + [UInt8](repeating: 7, count: 32)
        }
        #expect(GroupState.Epoch(recordID: id(number)) == nil)
        #expect(GroupState.Epoch(recordID: id(1 << 48))?.number == 1 << 48)
    }

    /// What a checkpoint leaves out is gone and does not come back: a member that slept for a year brings nothing back.
    @Test mutating func aCheckpointEndsTheOld() throws {
        try member(device, 3, "device", revision: 1, by: alice)
        let sleeper = document
        try say(.member, 3, revision: 2, isRemoval: true, by: alice)
        let kept = document.records.values.filter { !$0.isRemoval && $0.revision > 1 }
        try say(
            .checkpoint, id: [], revision: 2, body: CheckpointRecord(kept: Set(kept.map(\.hash))).body, by: root)
        #expect(!document.records.values.contains { $0.key.kind == .member })
        var woken = sleeper
        woken.merge(document)
        document.merge(sleeper)
        #expect(GroupState(document).members.map(\.name) == ["alice"])
        #expect(GroupState(woken).members.map(\.name) == ["alice"])
        #expect(try member(device, 3, "device", revision: 3, by: alice) == .added)
    }

    @Test mutating func onlyTheNewestAreKept() throws {
        for revision in 1...10 as ClosedRange<UInt64> {
            try member(device, 3, "device\(revision)", revision: revision, by: alice)
        }
        let key = GroupRecord.Key(kind: .member, id: try GroupReplicas.id(3).bytes)
        #expect(document.history(of: key, by: alice.publicKey).map(\.revision) == [10, 9, 8, 7])
        #expect(try member(device, 3, "late", revision: 5, by: alice) == .outdated)
    }

    /// A hostile member or admin fills no more than its part.
    @Test mutating func anAuthorHasRoomForSoManyThings() throws {
        let kind = GroupRecord.Kind(rawValue: 500)
        for number in 0..<(GroupDocument.mostThings + 10) {
            let id = [UInt8(truncatingIfNeeded: number >> 8), UInt8(truncatingIfNeeded: number)]
            try say(kind, id: id, revision: 1, body: [], by: alice)
        }
        #expect(document.records.values.count { $0.key.kind == kind } == GroupDocument.mostThings)
        #expect(try say(kind, id: [0xff, 0xff], revision: 1, body: [], by: alice) == .outdated)
        #expect(document.byteCount < 2 << 20)
    }

    @Test mutating func labelsChooseMembers() throws {
        let second = try TestKeys.identity(6)
        try member(device, 3, "one", labels: "site=a", revision: 1, by: alice)
        try member(second, 4, "two", labels: "site=b", revision: 2, by: alice)
        let state = GroupState(document)
        #expect(state.members(.label(try Label("site=a"))).map(\.name) == ["one"])
        #expect(state.members(.member(try GroupReplicas.id(4))).map(\.name) == ["two"])
        #expect(state.members(.label(try Label("site=c"))).isEmpty)
    }

    // MARK: Saying

    private mutating func grant(_ admin: Identity, _ number: Int, _ name: String, revision: UInt64 = 1) throws {
        let body = AdminRecord(id: try GroupReplicas.id(number), name: name).body
        try say(.admin, id: admin.publicKey.bytes, revision: revision, body: body, by: root)
    }

    private mutating func revoke(_ admin: Identity, honoured: Set<Bytes32>, revision: UInt64 = 50) throws {
        try say(
            .admin, id: admin.publicKey.bytes, revision: revision, isRemoval: true,
            body: AdminRecord(honoured: honoured).body, by: root)
    }

    @discardableResult
    private mutating func member(
        _ key: Identity, _ number: Int, _ name: String, labels: String? = nil, revision: UInt64, by author: Identity
    ) throws -> GroupDocument.Admission {
        var body = MemberRecord(name: name, key: key.publicKey)
        if let labels { body.labels = [try Label(labels)] }
        return try say(.member, number, revision: revision, body: body.body, by: author)
    }

    @discardableResult
    private mutating func say(
        _ kind: GroupRecord.Kind, _ number: Int, revision: UInt64, isRemoval: Bool = false, body: [UInt8] = [],
        by author: Identity
    ) throws -> GroupDocument.Admission {
        try say(
            kind, id: try GroupReplicas.id(number).bytes, revision: revision, isRemoval: isRemoval, body: body,
            by: author)
    }

    @discardableResult
    private mutating func say(
        _ kind: GroupRecord.Kind, id: [UInt8], revision: UInt64, isRemoval: Bool = false, body: [UInt8],
        by author: Identity
    ) throws -> GroupDocument.Admission {
        document.insert(
            try GroupRecord(
                kind, id: id, revision: revision, isRemoval: isRemoval, body: body, signedBy: author,
                group: document.group))
    }
}
