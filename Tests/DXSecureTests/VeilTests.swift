import DXWire
import Testing

@testable import DXSecure

@Suite struct VeilTests {
    /// Secret 00 01 ... 1f, receiver 64 65 ... 83: computed with Python's hmac and cryptography modules.
    private static let receiver = GatewayID(Array(100..<132))!
    private static let sealed = hex(
        """
        c8c9cacbcccdcecfd0d1d2d3 93b4d48c8b2ec611218ff3f7e8cb2b01ee109ecc86f45b1fe757037a8ccb348f8eaeff4f808230bd09fb
        f0e96fc8df2c7ea0f05ee3b21ef1dfd93bbff85938bf53d3
        """)
    private static let message = hex(
        """
        0201 000102030405060708090a0b0c0d0e0f 404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f
        """)
    private static let nonce = VeilNonce(high: 0xc8c9_cacb_cccd_cecf, low: 0xd0d1_d2d3)

    private func known() -> VeilSecret {
        let bytes = [UInt8](0..<32)
        return unsafe VeilSecret(SecretBytes(bytes.span.bytes))
    }

    private func open(_ veil: inout Veil, _ datagram: [UInt8]) -> (Veil.Opened, [UInt8]) {
        var opened = Veil.Opened.notVeiled
        let message = [UInt8](capacity: SecureConstants.maximumVeiled) { output in
            opened = unsafe veil.open(datagram.span.bytes, into: &output)
        }
        return (opened, message)
    }

    private func seal(
        _ veil: inout Veil, _ message: [UInt8], nonce: VeilNonce = .random(), to receiver: GatewayID,
        with number: Int = 0
    ) -> [UInt8] {
        [UInt8](capacity: message.count + SecureConstants.veilOverhead) { output in
            unsafe try! veil.seal(message.span.bytes, nonce: nonce, to: receiver, veil: number, into: &output)
        }
    }

    @Test func knownVector() throws {
        let key = try #require(VeilCipher.key(known(), receiver: Self.receiver))
        #expect(
            key.withBytes { unsafe $0.withUnsafeBytes { unsafe Array($0) } } == hex("5bceb8129f0039d7f58ac49751acbf0c"))
        var veil = try Veil([known()], receiver: Self.receiver)
        #expect(seal(&veil, Self.message, nonce: Self.nonce, to: Self.receiver) == Self.sealed)
        #expect(open(&veil, Self.sealed) == (.opened(veil: 0, nonce: Self.nonce), Self.message))
    }

    @Test func opensOnceOnly() throws {
        var veil = try Veil([known()], receiver: Self.receiver)
        #expect(open(&veil, Self.sealed).0 == .opened(veil: 0, nonce: Self.nonce))
        #expect(open(&veil, Self.sealed) == (.repeatedNonce, []))
    }

    @Test func opensAtTheReceiverAlone() throws {
        let sender = GatewayID(Array(0..<32))!
        var veil = try Veil([known()], receiver: sender)
        let datagram = seal(&veil, Self.message, to: Self.receiver)
        #expect(open(&veil, datagram) == (.notVeiled, []))
    }

    @Test func anySecretOfTwo() throws {
        let (first, second) = (VeilSecret.generate(), VeilSecret.generate())
        var both = try Veil([first, second], receiver: Self.receiver)
        for number in 0..<2 {
            let datagram = seal(&both, Self.message, to: Self.receiver, with: number)
            guard case (.opened(veil: number, _), Self.message) = open(&both, datagram) else {
                Issue.record("veil \(number)")
                continue
            }
        }
        var other = try Veil([VeilSecret.generate()], receiver: Self.receiver)
        #expect(open(&other, seal(&both, Self.message, to: Self.receiver)) == (.notVeiled, []))
    }

    @Test func takesOneOrTwoSecrets() throws {
        #expect(throws: SecureError.veilCount) { try Veil([], receiver: Self.receiver) }
        #expect(throws: SecureError.veilCount) {
            try Veil([VeilSecret.generate(), VeilSecret.generate(), VeilSecret.generate()], receiver: Self.receiver)
        }
    }

    @Test func everyTruncationAndEveryFlippedBitFails() throws {
        var veil = try Veil([known()], receiver: Self.receiver)
        for count in 0..<Self.sealed.count {
            #expect(open(&veil, Array(Self.sealed.prefix(count))) == (.notVeiled, []))
        }
        for bit in 0..<(Self.sealed.count * 8) {
            var flipped = Self.sealed
            flipped[bit / 8] ^= 1 << (bit % 8)
            #expect(open(&veil, flipped) == (.notVeiled, []))
        }
        #expect(open(&veil, Self.sealed + [0]) == (.notVeiled, []))
        // None of them was remembered.
        #expect(open(&veil, Self.sealed).0 == .opened(veil: 0, nonce: Self.nonce))
    }

    @Test func largestAndTooLarge() throws {
        var veil = try Veil([known()], receiver: Self.receiver)
        let largest = [UInt8](repeating: 1, count: SecureConstants.maximumVeiled - SecureConstants.veilOverhead)
        #expect(open(&veil, seal(&veil, largest, to: Self.receiver)).1 == largest)
        #expect(open(&veil, seal(&veil, largest + [1], to: Self.receiver)) == (.notVeiled, []))
        #expect(open(&veil, seal(&veil, [1], to: Self.receiver)) == (.notVeiled, []))
    }

    @Test func manyReceivers() throws {
        var veil = try Veil([known()], receiver: Self.receiver)
        for number in 0..<1_100 {
            let id = GatewayID((0..<32).map { UInt8(truncatingIfNeeded: number >> ($0 % 2 * 8)) })!
            _ = seal(&veil, Self.message, to: id)
        }
        #expect(open(&veil, seal(&veil, Self.message, to: Self.receiver)).1 == Self.message)
    }
}
