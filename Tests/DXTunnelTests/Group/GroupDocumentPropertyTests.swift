import DXSecure
import DXWire
import Testing

@testable import DXTunnel

/// Whatever happened apart, and in whatever order the parts meet, what is held and what it means is the same.
@Suite struct GroupDocumentPropertyTests {
    @Test(arguments: 1...30 as ClosedRange<UInt64>) func whoMetHoldsTheSame(seed: UInt64) throws {
        var replicas = try GroupReplicas(seed: seed)
        for _ in 0..<150 { try replicas.step() }
        replicas.meetAll()
        let first = replicas.documents[0]
        for other in replicas.documents.dropFirst() { expectSame(first, other, "seed \(seed)") }
    }

    /// Of any three: the order, the grouping and the repetition of merging make no difference.
    @Test(arguments: 31...60 as ClosedRange<UInt64>)
    func mergingIsCommutativeAssociativeAndIdempotent(seed: UInt64) throws {
        var replicas = try GroupReplicas(seed: seed, count: 3)
        for _ in 0..<100 { try replicas.step() }
        let (a, b, c) = (replicas.documents[0], replicas.documents[1], replicas.documents[2])
        func merged(_ left: GroupDocument, _ right: GroupDocument) -> GroupDocument {
            var result = left
            result.merge(right)
            return result
        }
        expectSame(merged(a, b), merged(b, a), "commutative, seed \(seed)")
        expectSame(merged(merged(a, b), c), merged(a, merged(b, c)), "associative, seed \(seed)")
        expectSame(merged(a, a), a, "idempotent, seed \(seed)")
        expectSame(merged(merged(a, b), b), merged(a, b), "absorbing, seed \(seed)")
    }

    /// Records one at a time, in any order, offered again until nothing more is taken.
    @Test(arguments: 61...80 as ClosedRange<UInt64>) func theOrderOfArrivalDoesNotMatter(seed: UInt64) throws {
        var replicas = try GroupReplicas(seed: seed)
        for _ in 0..<120 { try replicas.step() }
        replicas.meetAll()
        let all = replicas.documents[0]
        var records = Array(all.records.values).sorted { $0.hash < $1.hash }
        records.shuffle(using: &replicas.random)
        var document = GroupDocument(rootKey: replicas.root.publicKey)
        while records.contains(where: { document.insert($0) == .added }) {}
        expectSame(document, all, "seed \(seed)")
    }

    /// A thief with an admin's key and any revision changes nothing that stays, once the root key revokes it.
    @Test(arguments: 81...90 as ClosedRange<UInt64>) func whatAThiefSignedIsGone(seed: UInt64) throws {
        var replicas = try GroupReplicas(seed: seed)
        for _ in 0..<150 { try replicas.step() }
        replicas.meetAll()
        let thief = replicas.admins[3].publicKey
        let honoured = replicas.documents[0].records.values.filter {
            $0.author == thief && !replicas.stolen.contains($0.hash)
        }
        let group = replicas.documents[0].group
        let revocation = try GroupRecord(
            .admin, id: thief.bytes, revision: GroupState(replicas.documents[0]).revision, isRemoval: true,
            body: AdminRecord(honoured: Set(honoured.map(\.hash))).body, signedBy: replicas.root, group: group)
        _ = replicas.documents[0].insert(revocation)
        replicas.meetAll()
        for document in replicas.documents {
            #expect(replicas.stolen.isDisjoint(with: document.records.keys), "seed \(seed)")
        }
    }

    private func expectSame(_ left: GroupDocument, _ right: GroupDocument, _ what: String) {
        #expect(Set(left.records.keys) == Set(right.records.keys), "\(what)")
        let (one, other) = (GroupState(left), GroupState(right))
        #expect(one.members == other.members && one.tunnels == other.tunnels, "\(what)")
        #expect(one.admins == other.admins && one.revision == other.revision, "\(what)")
        #expect(one.policies == other.policies && one.problems == other.problems, "\(what)")
        #expect(left.byteCount == right.byteCount, "\(what)")
    }
}
