import DXMatch
import DXSecure
import DXWire
import Testing

@testable import DXMatchServer

@Suite struct MirrorMessageTests {
    private let key = Bytes32(sha256: [1].raw)
    private let place = Array("dxmatch1:x:all".utf8)

    static let registrationKey = RegistrationKey(
        matchKey: MatchKeyHash(high: 1, low: 2), groupTag: GroupTag(high: 3, low: 4),
        memberTag: MemberTag(high: 5, low: 6))

    static func messages(blob: [UInt8]) -> [MirrorMessage] {
        let (v4, v6) = (Endpoint(v4: 0xc000_020b, port: 7_700), Endpoint(v6High: 1 << 61, low: 9, port: 1))
        return [v4, v6].flatMap { address -> [MirrorMessage] in
            [
                .registered(
                    MirroredRegistration(
                        key: registrationKey, instance: 7, handle: Handle(rawValue: 8),
                        handleKey: HandleKey(high: 9, low: 10), address: address, revision: 11, lifetime: 600,
                        blob: blob)),
                .introduction(
                    MirroredIntroduction(
                        target: Handle(rawValue: 8), memberTag: registrationKey.memberTag, address: address, nonce: 12,
                        revision: 13, blob: blob)),
            ]
        } + [
            .refreshed(registrationKey, instance: 7, lifetime: 60), .removed(registrationKey, instance: 7),
            .ended(instance: .max),
            .admitted(
                MirroredAdmission(
                    owner: registrationKey.matchKey, guest: MatchKeyHash(high: 14, low: 15), lifetime: 3_600)),
        ]
    }

    @Test(arguments: [0, 1, 600])
    func comesOutAsItWentIn(_ blobByteCount: Int) throws {
        for message in Self.messages(blob: [UInt8](repeating: 7, count: blobByteCount)) {
            let sealed = try #require(message.sealed(for: place, key: key))
            #expect(MirrorMessage(sealed: sealed, for: place, key: key) == message)
            // Nothing under another name, another key, or with a bit changed.
            #expect(MirrorMessage(sealed: sealed, for: place + [1], key: key) == nil)
            #expect(MirrorMessage(sealed: sealed, for: place, key: Bytes32(sha256: [2].raw)) == nil)
            var damaged = sealed
            damaged[damaged.count - 1] ^= 1
            #expect(MirrorMessage(sealed: damaged, for: place, key: key) == nil)
        }
    }

    /// Sealed by an instance of another version: what it says may be cut or anything.
    @Test func noiseThatOpens() throws {
        var random = RandomSource(seed: 3)
        for kind in UInt8.min ... .max {
            for count in [0, 1, 40, 90, 200] {
                let noise = [kind, 1] + (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                let sealed = try NoticeSeal.seal(noise.raw, data: place.raw, key: key)
                let message = MirrorMessage(sealed: sealed, for: place, key: key)
                #expect(message == nil || (1...6).contains(kind))
            }
        }
    }
}
