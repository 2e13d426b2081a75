import DXSecure
import DXWire
import Testing

@testable import DXTunnel

@Suite struct JoinMessageTests {
    private func request() throws -> JoinRequest {
        JoinRequest(
            key: try TestKeys.identity(2).publicKey, token: 0x0123_4567_89ab_cdef,
            proof: unsafe Bytes32(sha256: [1].span.bytes),
            name: "edge-1")
    }

    @Test func requestsComeBack() throws {
        #expect(try JoinRequest(request().encoded) == request())
        var nameless = try request()
        nameless.name = nil
        #expect(try JoinRequest(nameless.encoded) == nameless)
    }

    /// One datagram at the smallest size carries both, whatever the names.
    @Test func bothFitOneDatagram() throws {
        var long = try request()
        long.name = String(repeating: "n", count: 63)
        let record = try GroupRecord(
            .admin, id: TestKeys.identity(1).publicKey.bytes, revision: 1,
            body: AdminRecord(id: .random(), name: String(repeating: "n", count: 63)).body,
            signedBy: TestKeys.identity(0),
            group: GroupID(rootKey: TestKeys.identity(0).publicKey))
        let grant = try JoinGrant(
            rootKey: TestKeys.identity(0).publicKey, member: .random(),
            epoch: EpochSecret(number: 1 << 40, secret: .generate()), records: [record])
        let answer = JoinAnswer.accepted(grant).encoded
        #expect(long.encoded.count < 1_000 && answer.count < 1_000)
        guard case .accepted(let read) = try JoinAnswer(answer) else {
            Issue.record("it was accepted")
            return
        }
        #expect(read.rootKey == grant.rootKey && read.member == grant.member && read.records == [record])
        #expect(read.epoch.number == 1 << 40 && read.epoch.secret.name == grant.epoch.secret.name)
        guard case .refused(.used) = try JoinAnswer(JoinAnswer.refused(.used).encoded) else {
            Issue.record("it was refused")
            return
        }
    }

    /// Parts of messages, and such with changed bytes, are read or refused, never anything else.
    @Test func noBytesTrap() throws {
        var random = RandomSource(seed: 9)
        for whole in [try request().encoded, JoinAnswer.refused(.used).encoded] {
            for count in whole.indices { _ = try? JoinRequest(Array(whole[..<count])) }
            for _ in 0..<2_000 {
                var bytes = whole
                bytes[Int(random.below(UInt64(bytes.count)))] = UInt8(truncatingIfNeeded: random.next())
                _ = try? JoinRequest(bytes)
                _ = try? JoinAnswer(bytes)
            }
        }
    }
}
