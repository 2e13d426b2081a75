import DXSecure
import DXWire
import Testing

@testable import DXTunnel

/// The group file (`docs/state-directory.md` §2).
@Suite struct GroupFileTests {
    private let member = MemberRecord.ID(Array(0x6f...0x7e))!

    private func document() throws -> GroupDocument {
        let root = try TestKeys.identity(0)
        let admin = try TestKeys.identity(1)
        let group = GroupID(rootKey: root.publicKey)
        var document = GroupDocument(rootKey: root.publicKey)
        let records = [
            try GroupRecord(
                .admin, id: admin.publicKey.bytes, revision: 1, body: AdminRecord(id: member, name: "alice").body,
                signedBy: root, group: group),
            try GroupRecord(
                .member, id: member.bytes, revision: 2,
                body: MemberRecord(name: "alice", key: admin.publicKey).body, signedBy: admin, group: group),
            try GroupRecord(
                .policy, id: Array("name".utf8), revision: 3, body: Array("plant".utf8), signedBy: admin, group: group),
        ]
        for record in records { #expect(document.insert(record) == .added) }
        return document
    }

    @Test func whatIsWrittenIsReadAgain() throws {
        let document = try document()
        let file = GroupFile(document, member: member)
        let read = try GroupFile(file.encoded)
        #expect(read == file)
        #expect(read.document.held.records == document.records)
        #expect(read.document.refused == 0)
        #expect(GroupState(read.document.held).name == "plant")
    }

    @Test func whoLetItInIsReadAgain() throws {
        let introducer = GroupFile.Introducer(
            key: try TestKeys.identity(1).publicKey, addresses: [HostAddress(host: "192.0.2.7", port: 7_700)],
            matchmakers: [try MatchmakerAddress("match.example:3478#\(TestKeys.identity(2).gatewayID)")])
        let file = GroupFile(try document(), member: member, introducer: introducer)
        #expect(try GroupFile(file.encoded).introducer == introducer)
    }

    /// A file of which the disk lost a part, or in which a bit changed, is never taken for another state.
    @Test func damageIsNoticed() throws {
        let bytes = GroupFile(try document(), member: member).encoded
        for count in bytes.indices {
            #expect(throws: StateFile.Refusal.self, "\(count) bytes") { try GroupFile(Array(bytes[..<count])) }
        }
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 1 << UInt8(index % 8)
            #expect(throws: StateFile.Refusal.self, "byte \(index)") { try GroupFile(changed) }
        }
        #expect(throws: StateFile.Refusal.otherKind) { try GroupFile(Array("hello".utf8)) }
    }

    /// A record that somebody changed together with the checksum is left out by its signature.
    @Test func aForgedRecordIsLeftOut() throws {
        let document = try document()
        var file = GroupFile(document, member: member)
        let other = try TestKeys.identity(5)
        file.records.append(
            try GroupRecord(
                .policy, id: Array("name".utf8), revision: 9, body: Array("mine".utf8), signedBy: other,
                group: document.group))
        let read = try GroupFile(file.encoded).document
        #expect(read.refused == 1)
        #expect(GroupState(read.held).name == "plant")
    }

    @Test func aNewerVersionSaysSo() throws {
        var content = Array(GroupFile(try document(), member: member).encoded.dropLast(32))
        content[4] = 2
        let bytes = unsafe content + Bytes32(sha256: content.span.bytes).bytes
        #expect(throws: StateFile.Refusal.newerVersion(2)) { try GroupFile(bytes) }
    }

    /// What a newer version added to the file is still there when this one has written it.
    @Test func unknownFieldsAreKept() throws {
        var content = Array(GroupFile(try document(), member: member).encoded.dropLast(32))
        let field: [UInt8] = [9, 3, 1, 2, 3]
        content += field
        let bytes = unsafe content + Bytes32(sha256: content.span.bytes).bytes
        let again = try GroupFile(bytes).encoded
        #expect(again.count == bytes.count && Array(again.dropLast(32).suffix(field.count)) == field)
    }

    // MARK: Vectors

    /// `docs/state-directory.md` §4.
    @Test func theVectorIsReadAndMadeAgain() throws {
        let bytes = GroupRecordVectorTests.bytes(Self.vector)
        let file = try GroupFile(bytes)
        #expect(file.rootKey == (try TestKeys.identity(0).publicKey))
        #expect(file.member == member)
        #expect(file.records.map(\.key.kind) == [.admin, .member])
        #expect(file.document.refused == 0)
        #expect(GroupState(file.document.held).admins == [try TestKeys.identity(1).publicKey])
        #expect(file.encoded == bytes)
    }

    @Test func anEpochsName() throws {
        let secret = try #require(VeilSecret(Array(0..<32)))
        #expect(EpochSecret(number: 7, secret: secret).fileName == "epoch-7-28e65c53ada52588.key")
        #expect(EpochSecret.number(inFileName: "epoch-7-28e65c53ada52588.key") == 7)
        for name in ["epoch-7.key", "epoch-x-28e65c53ada52588.key", "epoch-7-28e65c53ada52588.key.new-1", "root.key"] {
            #expect(EpochSecret.number(inFileName: name) == nil)
        }
    }

    private static let vector = """
        44584753010121026d021febc39cb1472e14b7cedd1c2f1638387a8b2c9137b0bf01384800a6550902106f7071727374
        75767778797a7b7c7d7e0340a80101002102fcd89af656ca13967b2973f909771c5b876c4506002127f4569b7ae2d89f
        d1af0000000000000001026d021febc39cb1472e14b7cedd1c2f1638387a8b2c9137b0bf01384800a655091902106f70
        7172737475767778797a7b7c7d7e0305616c6963650274444e111a6c9173644025150cb04f6a5e9725f1895d3dc4d5e4
        92709fb1464f51e496f2201b7c452089ed1f3d825cd223e525d83f0431a5cd94e8cb959cf60340c3010200106f707172
        737475767778797a7b7c7d7e000000000000000202fcd89af656ca13967b2973f909771c5b876c4506002127f4569b7a
        e2d89fd1af40440106656467652d31022102aa10b93f0e0faaf2fa0db24d9c6ce32c94132eb001b929da3c9ead75d060
        11dd03010104086b696e643d706c63040a736974653d6e6f727468c00b9f8dc429603f98a0083012f0fa94d7cd43218e
        053c13c01ae1c32f304d7a6e10ca0896dcf14e2383d5e8e178352bc2f18e1575531a1db85485121c46344c01f9a27cd9
        b89b719b9c3e72e2f91d8a5e4c5d9e7a52085815ff20204b68b22d
        """
}
