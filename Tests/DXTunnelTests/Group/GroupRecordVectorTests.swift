import DXSecure
import DXWire
import Testing

@testable import DXTunnel

/// The vectors of `docs/group.md` §6, which another implementation made: they are read as what they say, verify, and what
/// this one makes of the same is the same but for the signature.
@Suite struct GroupRecordVectorTests {
    private let group: GroupID
    private let alice: Identity
    private let device: Identity

    init() throws {
        group = GroupID(rootKey: try TestKeys.identity(0).publicKey)
        alice = try TestKeys.identity(1)
        device = try TestKeys.identity(5)
    }

    @Test func theGroupID() {
        #expect(Self.hex(group.bytes.bytes) == "5a72071e2b9c94f632e6527d4b9289ad67676a4adb1e0c70f62c00fac611d34f")
    }

    @Test func anAdmin() throws {
        let body = AdminRecord(id: try GroupReplicas.id(3), name: "alice").body
        try check(Self.admin, .admin, id: alice.publicKey.bytes, revision: 1, body: body, by: try TestKeys.identity(0))
    }

    @Test func aMember() throws {
        var member = MemberRecord(name: "edge-1", key: device.publicKey, roles: .forwarder)
        member.labels = [try Label("site=north"), try Label("kind=plc")]
        try check(
            Self.member, .member, id: try GroupReplicas.id(3).bytes, revision: 2, body: member.body, by: alice)
    }

    @Test func anAddress() throws {
        let addresses = [HostAddress(host: "192.0.2.7", port: 7_700), HostAddress(host: "2001:db8::7", port: 7_700)]
        let body = AddressRecord(addresses: addresses).body
        try check(Self.address, .address, id: device.publicKey.bytes, revision: 3, body: body, by: device)
    }

    @Test func aTunnel() throws {
        var tunnel = TunnelRecord(name: "ssh")
        tunnel.origins = [
            .init(selector: .label(try Label("role=ops")), listen: .tcp(HostAddress(host: "127.0.0.1", port: 2_222)))
        ]
        tunnel.destinations = [
            .init(
                selector: .member(try GroupReplicas.id(3)), target: .tcp(HostAddress(host: "127.0.0.1", port: 22)),
                weight: 3,
                order: 1)
        ]
        tunnel.allowed = [try #require(AddressRange("10.0.0.0/8"))]
        tunnel.schedulingClass = .interactive
        tunnel.share = 3
        try check(
            Self.tunnel, .tunnel, id: try GroupReplicas.id(103).bytes, revision: 4, body: tunnel.body, by: alice)
    }

    @Test func aMatchKey() throws {
        let key: MatchKey = try #require(MatchKey(scalar: Array(0x20..<0x40)))
        let body = MatchKeyRecord(key: key).body(at: 1_800_000_000)
        try check(Self.matchKey, .policy, id: Array("match.key".utf8), revision: 6, body: body, by: alice)
    }

    @Test func matchmakers() throws {
        let servers = [
            try MatchmakerAddress("match.example:3478#\(TestKeys.identity(2).gatewayID)"),
            try MatchmakerAddress("[2001:db8::5]:3478#\(TestKeys.identity(3).gatewayID)"),
        ]
        let body = MatchServersRecord(servers: servers).body(at: 1_800_000_000)
        try check(Self.matchServers, .policy, id: Array("match.servers".utf8), revision: 7, body: body, by: alice)
    }

    @Test func aRemoval() throws {
        try check(
            Self.removal, .member, id: try GroupReplicas.id(3).bytes, revision: 5, isRemoval: true, body: [], by: alice)
    }

    private func check(
        _ vector: (bytes: String, hash: String), _ kind: GroupRecord.Kind, id: [UInt8], revision: UInt64,
        isRemoval: Bool = false, body: [UInt8], by identity: Identity
    ) throws {
        let bytes = Self.bytes(vector.bytes)
        var reader = unsafe ByteReader(bytes.span.bytes)
        let read = try GroupRecord(reading: &reader, group: group)
        #expect(reader.remaining == 0 && read.isAuthentic(in: group))
        #expect(Self.hex(read.hash.bytes) == vector.hash)
        let made = try GroupRecord(
            kind, id: id, revision: revision, isRemoval: isRemoval, body: body, signedBy: identity, group: group)
        #expect(made.encoded.dropLast(64) == bytes.dropLast(64) && made.hash == read.hash)
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    static func bytes(_ hex: String) -> [UInt8] {
        let digits = hex.filter { !$0.isWhitespace }.compactMap(\.hexDigitValue)
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    private static let admin = (
        bytes: """
        0101002102fcd89af656ca13967b2973f909771c5b876c4506002127f4569b7ae2d89fd1af0000000000000001026d02
        1febc39cb1472e14b7cedd1c2f1638387a8b2c9137b0bf01384800a655091902106f707172737475767778797a7b7c7d
        7e0305616c6963650274444e111a6c9173644025150cb04f6a5e9725f1895d3dc4d5e492709fb1464f51e496f2201b7c
        452089ed1f3d825cd223e525d83f0431a5cd94e8cb959cf6
        """,
        hash: "dd3535f7c2df13996689e84099787650b06ad15099bbf2b3ad13b79bb5ddbf6d"
    )
    private static let member = (
        bytes: """
        010200106f707172737475767778797a7b7c7d7e000000000000000202fcd89af656ca13967b2973f909771c5b876c45
        06002127f4569b7ae2d89fd1af40440106656467652d31022102aa10b93f0e0faaf2fa0db24d9c6ce32c94132eb001b9
        29da3c9ead75d06011dd03010104086b696e643d706c63040a736974653d6e6f727468c00b9f8dc429603f98a0083012
        f0fa94d7cd43218e053c13c01ae1c32f304d7a6e10ca0896dcf14e2383d5e8e178352bc2f18e1575531a1db85485121c
        46344c
        """,
        hash: "4dcd6f8d7bbd7b4ca6743c27916abc8691dbd57de09c158d551094fb5dca9460"
    )
    private static let address = (
        bytes: """
        0103002102aa10b93f0e0faaf2fa0db24d9c6ce32c94132eb001b929da3c9ead75d06011dd000000000000000302aa10
        b93f0e0faaf2fa0db24d9c6ce32c94132eb001b929da3c9ead75d06011dd24010e3139322e302e322e373a3737303001
        125b323030313a6462383a3a375d3a37373030a402b90bc283135e19769c63fdbd8377be9603141143797bb2e01e4cd5
        99e03b747e1d5db1ff069edd2f3c72f0124aa000c3a37d34eb453d903876785ba3b283
        """,
        hash: "ea5d83572cfe2b474fdfcf3a72b248ee8a9ef7e5bf2fc9902b9920cc8da4cbec"
    )
    private static let tunnel = (
        bytes: """
        01040010e3e4e5e6e7e8e9eaebecedeeeff0f1f2000000000000000402fcd89af656ca13967b2973f909771c5b876c45
        06002127f4569b7ae2d89fd1af405b0103737368031a0208726f6c653d6f7073030e3132372e302e302e313a32323232
        042601106f707172737475767778797a7b7c7d7e030c3132372e302e302e313a3232040103050101050a31302e302e30
        2e302f38060101070103d6d3b4b416317fdc0750e3a069d76aae1d490db6f323dc3a9ad5b9cbef691254342eb61e2a8f
        7af8d90c3e38bc26020e7b9954e49d1c477637c78a95fb9721c2
        """,
        hash: "64ad1be1206ded1a6c06378f8d2e81453ea3fc483098243fa9471bbb5c7d7b13"
    )
    private static let matchKey = (
        bytes: """
        010500096d617463682e6b6579000000000000000602fcd89af656ca13967b2973f909771c5b876c4506002127f4569b
        7ae2d89fd1af2c0008c00000006b49d2000120202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c
        3d3e3f2db796ad2b861cf461332a1dc5013c67a1de4b0fe408aa142220050d4ae81ad92e32472af6307feaa7b2884497
        7ee613f4edc35ac00bd2d2416fca6e8b13e343
        """,
        hash: "aedeb3eb5312372bebfc1c66f779752a6d51d2ec748b26bd0d8685b088298cb3"
    )
    private static let matchServers = (
        bytes: """
        0105000d6d617463682e73657276657273000000000000000702fcd89af656ca13967b2973f909771c5b876c45060021
        27f4569b7ae2d89fd1af409e0008c00000006b49d2000140476d617463682e6578616d706c653a333437382366676233
        37716a6573346f6966737332346b6b636f7073766476776a776b68767266776e363373796e76766577776a6a77377661
        0140475b323030313a6462383a3a355d3a333437382332707a6d6e6a35716171796e376863336374757a67326f673534
        686a776678333235696734336e3279617a7470766e6a6f37626109bcd4168a5aa701ed994a7c6596891967fdf569a6a9
        013e745a43dbb98269fd4e823767b2f386b26226647d5efd7cd33d66fa835ff18b5daf403916dedeb5fe
        """,
        hash: "c2dc96f64277ed192f13c81a4010c4822e499a3f7b33f963ee77e2ee3420f227"
    )
    private static let removal = (
        bytes: """
        010201106f707172737475767778797a7b7c7d7e000000000000000502fcd89af656ca13967b2973f909771c5b876c45
        06002127f4569b7ae2d89fd1af0012d60d35455196462b53fafce35b1c043eb100c5dc6f5d0474993cd23d43fa931530
        339f3e4d026bb432117b696925853ebd859ba79bcd9aa17d2a58f37dba70
        """,
        hash: "c3c0e626b30c0d49c733e9fa322b20bc64a137a6d861829e0f62ec4965a4a6fa"
    )
}
