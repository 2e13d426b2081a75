import DXSecure
import DXWire
import Testing

@testable import DXTunnel

/// Several members' documents of one group that change apart from one another and meet at random.
struct GroupReplicas {
    /// Signs admins and checkpoints; at the first replica.
    let root: Identity
    /// Sign the rest; the last one's key is in wrong hands.
    let admins: [Identity]
    let devices: [Identity]
    var documents: [GroupDocument]
    var random: RandomSource
    /// What the thief signed.
    private(set) var stolen: Set<Bytes32> = []

    init(seed: UInt64, count: Int = 4) throws {
        root = try TestKeys.identity(0)
        admins = try (1...4).map(TestKeys.identity)
        devices = try (5...9).map(TestKeys.identity)
        documents = Array(repeating: GroupDocument(rootKey: root.publicKey), count: count)
        random = RandomSource(seed: seed)
    }

    /// One change at one replica, or two that meet.
    mutating func step() throws {
        let here = Int(random.below(UInt64(documents.count)))
        switch random.below(20) {
        case 0...1: try grant(here)
        case 2: if random.chance(0.3) { try revoke(here) }
        case 3: if random.chance(0.5) { try checkpoint() }
        case 4...7: try sayMember(here)
        case 8...10: try sayTunnel(here)
        case 11: try sayAddress(here)
        case 12...13: try steal(here)
        default:
            let there = Int(random.below(UInt64(documents.count)))
            documents[here].merge(documents[there])
            if random.chance(0.5) { documents[there].merge(documents[here]) }
        }
    }

    /// Each learns what all others have.
    mutating func meetAll() {
        for _ in documents.indices {
            for here in documents.indices { for there in documents.indices { documents[here].merge(documents[there]) } }
        }
    }

    /// An id that is the same in each run.
    static func id(_ number: Int) throws -> MemberRecord.ID {
        try #require(MemberRecord.ID((0..<16).map { UInt8(truncatingIfNeeded: number &* 37 &+ $0) }))
    }

    // MARK: Changes

    private mutating func grant(_ here: Int) throws {
        let number = Int(random.below(4))
        let body = AdminRecord(id: try Self.id(number), name: "admin\(number)").body
        try say(here, .admin, admins[number].publicKey.bytes, body: body, by: root)
    }

    private mutating func revoke(_ here: Int) throws {
        let admin = admins[Int(random.below(2)) + 2]
        let held = documents[here].records.values.filter { $0.author == admin.publicKey && !stolen.contains($0.hash) }
        let body = AdminRecord(honoured: Set(held.map(\.hash))).body
        try say(here, .admin, admin.publicKey.bytes, isRemoval: true, body: body, by: root)
    }

    private mutating func checkpoint() throws {
        let kept = documents[0].records.values.filter { !$0.isRemoval && $0.author != root.publicKey }
        try say(0, .checkpoint, [], body: CheckpointRecord(kept: Set(kept.map(\.hash))).body, by: root, later: 0)
    }

    private mutating func sayMember(_ here: Int) throws {
        guard let admin = admin(here) else { return }
        let number = Int(random.below(9))
        let key = number < 4 ? admins[number].publicKey : devices[number - 4].publicKey
        var member = MemberRecord(name: "device\(random.below(6))", key: key)
        if random.chance(0.3) { member.key = devices[Int(random.below(5))].publicKey }
        member.labels = [try Label("site=\(random.below(3))")]
        try say(
            here, .member, try Self.id(number).bytes, isRemoval: random.chance(0.2), body: member.body, by: admin)
    }

    private mutating func sayTunnel(_ here: Int) throws {
        guard let admin = admin(here) else { return }
        var tunnel = TunnelRecord(name: "tunnel\(random.below(5))")
        tunnel.share = Int(random.below(256)) + 1
        let id = try Self.id(100 + Int(random.below(5))).bytes
        try say(here, .tunnel, id, isRemoval: random.chance(0.2), body: tunnel.body, by: admin)
    }

    private mutating func sayAddress(_ here: Int) throws {
        let device = devices[Int(random.below(5))]
        let address = HostAddress(host: "192.0.2.\(random.below(200) + 1)", port: 7_700)
        try say(here, .address, device.publicKey.bytes, body: AddressRecord(addresses: [address]).body, by: device)
    }

    /// Somebody has the last admin's key, and wants to win.
    private mutating func steal(_ here: Int) throws {
        let number = Int(random.below(9))
        let record = try GroupRecord(
            .member, id: try Self.id(number).bytes, revision: 1_000_000 + random.below(1_000), isRemoval: true,
            signedBy: admins[3], group: documents[here].group)
        if documents[here].insert(record) == .added { stolen.insert(record.hash) }
    }

    /// One of those who are admins as far as a replica knows.
    private mutating func admin(_ here: Int) -> Identity? {
        let known = GroupState(documents[here]).admins
        let able = admins.filter { known.contains($0.publicKey) }
        return able.isEmpty ? nil : able[Int(random.below(UInt64(able.count)))]
    }

    private mutating func say(
        _ here: Int, _ kind: GroupRecord.Kind, _ id: [UInt8], isRemoval: Bool = false, body: [UInt8] = [],
        by identity: Identity, later: UInt64 = 1
    ) throws {
        let revision = GroupState(documents[here]).revision + later
        let record = try GroupRecord(
            kind, id: id, revision: revision, isRemoval: isRemoval, body: body, signedBy: identity,
            group: documents[here].group)
        _ = documents[here].insert(record)
    }
}
