import CDXOpenSSL
import DXWire
import Testing

@testable import DXSecure

/// What a group and its members are called at a matchmaker, and what hides their candidates. Expected values were made by another
/// implementation (python's hmac and cryptography).
@Suite struct MatchDerivationTests {
    private let secret = VeilSecret((0..<32).map { UInt8($0) })!
    private let pin = GatewayID((0x40..<0x60).map { UInt8($0) })!
    private let memberTag = (0xa0..<0xb0).map { UInt8($0) }
    /// The scalar is 0x20, 0x21 … 0x3f.
    private let one = Identity(
        pem: """
            -----BEGIN PRIVATE KEY-----
            MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgICEiIyQlJicoKSor
            LC0uLzAxMjM0NTY3ODk6Ozw9Pj+hRANCAATGVZ1BbftWr3FPFG2RfCSr+Biy+xIW
            BBKWSYSCMKLSWLKm2C3GxnNM8JL/qp/AEvEPcAjTlSoI1Xl+hf6rpdl3
            -----END PRIVATE KEY-----
            """)!
    /// The scalar is 0x60, 0x61 … 0x7f.
    private let other = Identity(
        pem: """
            -----BEGIN PRIVATE KEY-----
            MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgYGFiY2RlZmdoaWpr
            bG1ub3BxcnN0dXZ3eHl6e3x9fn+hRANCAAS/l9DuGGaqxvgIJuutxC89geG2uPKY
            9dPr51QrfLSDp96PFN3emqLnZbLmDs5gz6GwlWg6j29ir4us7n9N+hjq
            -----END PRIVATE KEY-----
            """)!

    @Test func groupTags() {
        #expect(secret.groupTag(pin: pin) == hex("c53065c8821d339f0b96536c117a86b5"))
        #expect(secret.groupTag(pin: one.gatewayID) != secret.groupTag(pin: pin))
        #expect(VeilSecret.generate().groupTag(pin: pin) != secret.groupTag(pin: pin))
    }

    @Test func memberKeys() throws {
        let tag = secret.groupTag(pin: pin)
        let key = try one.memberKey(pin: pin, groupTag: tag)
        #expect(
            key.publicKey.bytes == hex("02f8e66bc60ddaea6e6756b320d69d7a354d874d07bcd9de29bb37b60c4a04dcdc"))
        // The same each time; another for another epoch, matchmaker or gateway.
        #expect(try one.memberKey(pin: pin, groupTag: tag).publicKey == key.publicKey)
        let others = [
            try one.memberKey(pin: pin, groupTag: memberTag), try one.memberKey(pin: one.gatewayID, groupTag: tag),
            try other.memberKey(pin: pin, groupTag: tag), one,
        ]
        for stranger in others { #expect(stranger.publicKey != key.publicKey) }
        // It signs.
        let message: [UInt8] = [1, 2, 3]
        let signature = unsafe try key.sign(message.span.bytes)
        let isValid = unsafe key.publicKey.isValid(signature, for: message.span.bytes)
        #expect(isValid)
    }

    /// The ends of the range, which no derivation will ever hit: 1 has the base point, n-1 its opposite, n-1 wraps to 1.
    @Test(
        arguments: [
            ("0000000000000000000000000000000000000000000000000000000000000000", 3),
            ("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc63254f", 2),
            ("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550", 3),
        ] as [(String, UInt8)])
    func theEndsOfTheReduction(number: String, parity: UInt8) throws {
        let wide = [UInt8](repeating: 0, count: 16) + hex(number)
        let key = try unsafe dx_key_from_wide(wide, wide.count).flatMap { unsafe Identity(adopting: $0) }
            .orFail("no key")
        let base = hex("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296")
        #expect(key.publicKey.bytes == [parity] + base)
    }

    @Test func rendezvous() throws {
        let rendezvous = try Rendezvous(joinSeed: (0x80..<0x90).map { UInt8($0) }).orFail("no rendezvous")
        #expect(rendezvous.tag(pin: pin) == hex("99035edf48abd7dddf0db42e62b92fde"))
        let key = try rendezvous.matchKey(pin: pin)
        #expect(
            key.publicKey.bytes == hex("03d7f5f83474e908c6b934fe389865bc903ae7b9e8a4b78e3f9f5a409761409a0b"))
        #expect(Rendezvous(joinSeed: [1]) == nil)
    }

    @Test func bothEndsOfAPairAgree() throws {
        let ours = try PairSecret(one, other.publicKey).orFail("no secret")
        let theirs = try PairSecret(other, one.publicKey).orFail("no secret")
        let text = Array("a check".utf8)
        for pair in [ours, theirs] {
            #expect(pair.returnTag(pin: pin) == hex("353eb4358990816fc9607bf5a321376a"))
            #expect(
                try pair.returnKey(pin: pin).publicKey.bytes
                    == hex("036190842915fcff20059480194c10d1106babf9679d8dd0eeb43aff023e282b3a"))
            let secret = hex("f5bc5c0069e9b286c9d27343825175f093b7708863940234b7bf126486d77265")
            #expect(pair.returnSecret.secretBytes == secret)
            let code = unsafe pair.checkCode(over: text.span.bytes)
            #expect(code == hex("fcaaec49aec5606156db80f92a3513c2"))
        }
        let stranger = try PairSecret(Identity.generate(), one.publicKey).orFail("no secret")
        #expect(stranger.returnTag(pin: pin) != ours.returnTag(pin: pin))
    }

    /// What one seals the other opens; nobody else does, and not the one who sealed it.
    @Test func whatAThirdOnePassesOn() throws {
        let ours = try PairSecret(one, other.publicKey).orFail("no secret")
        let theirs = try PairSecret(other, one.publicKey).orFail("no secret")
        let content = Array("candidates".utf8)
        let sealed = unsafe try ours.seal(content.span.bytes)
        #expect(sealed.count == content.count + PairSecret.sealOverhead)
        #expect(unsafe theirs.open(sealed.span.bytes) == content)
        #expect(unsafe ours.open(sealed.span.bytes) == nil)
        // Made by another implementation, from the first to the second.
        let made = hex("000102030405060708090a0bb4098bb4bd8777030a5bd692cb03f83eddef34ec23f27efb403d")
        #expect(unsafe theirs.open(made.span.bytes) == content)
        let third = try PairSecret(Identity.generate(), one.publicKey).orFail("no secret")
        #expect(unsafe third.open(sealed.span.bytes) == nil)
        for index in sealed.indices {
            var damaged = sealed
            damaged[index] ^= 1
            #expect(unsafe theirs.open(damaged.span.bytes) == nil)
        }
    }

    /// The seal of a network's announcements.
    @Test func announcements() throws {
        let seal = LANSeal(secret)
        let message = [UInt8](repeating: 7, count: 120)
        let datagram = unsafe try seal.seal(message.span.bytes)
        #expect(datagram.count == 148)
        #expect(unsafe seal.open(datagram.span.bytes) == message)
        // Made by another implementation: that of the docs.
        let made = hex(
            "000102030405060708090a0bd6d6407324d6875e64eb2290f81abf614d20bc2bf1d1dde7d5f86e518f297bb89bb0087f0893c21b828c796fdd8b9c81"
                + "48ffca7851a0e6aca609415bd18b43cd5eba721726e20b808660300835564a6124b3a5371fc3b2efd8196867ec4ecd8f6976140466dfce2602958e43709d9b1a08ddde12e133ddb454fee58e2aab54f3f89581fdf56d62b7"
        )
        let opened = unsafe seal.open(made.span.bytes)
        #expect(opened?.prefix(2) == [1, 1] && opened?.count == 120)
        #expect(unsafe try seal.seal(message.span.bytes) != datagram)
        #expect(unsafe LANSeal(VeilSecret.generate()).open(datagram.span.bytes) == nil)
        // Nothing of another purpose opens.
        #expect(unsafe secret.openBlob(datagram.span.bytes, memberTag: memberTag) == nil)
    }

    @Test func aPointOffTheCurveHasNoSecret() throws {
        let bytes = [2] + [UInt8](repeating: 0xff, count: 32)
        var reader = unsafe ByteReader(bytes.span.bytes)
        #expect(PairSecret(one, try PublicKey(reading: &reader)) == nil)
    }

    @Test func blobs() throws {
        let content = Array("candidates".utf8)
        let made = hex("000102030405060708090a0b40795b174f1063977b2c737ae6e35df6ec873653321bd763f33a")
        #expect(unsafe secret.openBlob(made.span.bytes, memberTag: memberTag) == content)
        let blob = unsafe try secret.sealBlob(content.span.bytes, memberTag: memberTag)
        #expect(blob.count == content.count + VeilSecret.blobOverhead)
        #expect(unsafe secret.openBlob(blob.span.bytes, memberTag: memberTag) == content)
        #expect(unsafe try secret.sealBlob(content.span.bytes, memberTag: memberTag) != blob)
        // Not another epoch's, not another member's.
        #expect(unsafe VeilSecret.generate().openBlob(blob.span.bytes, memberTag: memberTag) == nil)
        let otherTag = [UInt8](repeating: 1, count: 16)
        #expect(unsafe secret.openBlob(blob.span.bytes, memberTag: otherTag) == nil)
        for index in blob.indices {
            var damaged = blob
            damaged[index] ^= 1
            #expect(unsafe secret.openBlob(damaged.span.bytes, memberTag: memberTag) == nil)
        }
        for count in 0..<blob.count {
            let part = Array(blob.prefix(count))
            #expect(unsafe secret.openBlob(part.span.bytes, memberTag: memberTag) == nil)
        }
        let nothing: [UInt8] = []
        #expect(throws: SecureError.packetSize) {
            unsafe try secret.sealBlob(nothing.span.bytes, memberTag: memberTag)
        }
    }

    @Test func ticketKeysOverARestart() throws {
        let bytes = (0..<64).map { UInt8($0) }
        let keys = try MatchKeys(bytes).orFail("no keys")
        #expect(keys.secretBytes == bytes && MatchKeys(Array(bytes.dropLast())) == nil)
        let (body, data): ([UInt8], [UInt8]) = ([1, 2, 3], [4])
        let sealed = unsafe try keys.seal(body.span.bytes, data: data.span.bytes, .toMatchmaker)
        let again = try MatchKeys(keys.secretBytes).orFail("no keys")
        #expect(unsafe again.open(sealed.span.bytes, data: data.span.bytes, .toMatchmaker) == body)
    }
}
