import DXSecure
import DXWire
import Testing

@testable import DXTunnel

/// Messages between neighbours, and the index that they are about.
@Suite struct GroupMessageTests {
    private let group: GroupID
    private let admin: Identity

    init() throws {
        group = GroupID(rootKey: try TestKeys.identity(0).publicKey)
        admin = try TestKeys.identity(1)
    }

    private func messages() throws -> [GroupMessage] {
        let hashes = try (0..<5).map { try record($0).hash }
        let fingerprint = GroupIndex.Fingerprint(bytes: Array(1...16))
        return [
            .summary(fingerprint), .branches(GroupIndex.Prefix(), Array(repeating: fingerprint, count: 16)),
            .branches(GroupIndex.Prefix(digits: [0, 15, 7]), Array(repeating: .empty, count: 16)),
            .list(GroupIndex.Prefix(digits: [1]), hashes), .list(GroupIndex.Prefix(), []), .have(hashes),
            .want(hashes), .records(try (0..<3).map(record)), .records([]), .request(.max, [1, 2, 3]),
            .answer(1, []),
        ]
    }

    private func record(_ number: Int) throws -> GroupRecord {
        try GroupRecord(.tunnel, id: [UInt8(number)], revision: 1, body: [1], signedBy: admin, group: group)
    }

    private func read(_ bytes: [UInt8]) throws -> GroupMessage {
        var reader = unsafe ByteReader(bytes.span.bytes)
        return try GroupMessage(reading: &reader, group: group)
    }

    @Test func messagesAreReadAsTheyWereWritten() throws {
        for message in try messages() { #expect(try read(message.encoded) == message) }
        #expect(try read([63, 1, 2]) == .unknown)
    }

    @Test(arguments: 1...10 as ClosedRange<UInt64>) func randomBytesAreReadOrRefused(seed: UInt64) throws {
        var random = RandomSource(seed: seed)
        let all = try messages()
        for _ in 0..<500 {
            var bytes = all[Int(random.below(UInt64(all.count)))].encoded
            for _ in 0...random.below(3) {
                bytes[Int(random.below(UInt64(bytes.count)))] = UInt8(truncatingIfNeeded: random.next())
            }
            if random.chance(0.3) { bytes.removeLast(Int(random.below(UInt64(bytes.count)))) }
            guard let message = try? read(bytes), message != .unknown else { continue }
            #expect(try read(message.encoded) == message)
        }
    }

    @Test func tooManyHashesAreMalformed() throws {
        let hash = try record(1).hash
        let most = GroupMessage.have(Array(repeating: hash, count: GroupMessage.mostHashes))
        #expect(try read(most.encoded) == most)
        #expect(throws: DecodeError.invalidValue) { try read(most.encoded + hash.bytes) }
    }

    /// The branches below one hold what it holds, each hash once, in order.
    @Test func branchesPartWhatTheyHold() throws {
        var replicas = try GroupReplicas(seed: 5)
        for _ in 0..<200 { try replicas.step() }
        replicas.meetAll()
        let index = GroupIndex(replicas.documents[0])
        #expect(Array(index.hashes(in: GroupIndex.Prefix())) == index.hashes && !index.hashes.isEmpty)
        for first in 0..<16 as Range<UInt8> {
            let prefix = GroupIndex.Prefix(digits: [first])
            let own = Array(index.hashes(in: prefix))
            #expect(own == index.hashes.filter(prefix.contains))
            #expect(own == (0..<16).flatMap { Array(index.hashes(in: prefix.child($0))) })
            #expect((index.fingerprint(of: prefix) == .empty) == own.isEmpty)
        }
    }
}
