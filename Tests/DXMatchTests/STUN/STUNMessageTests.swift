import DXWire
import Testing

@testable import DXMatch

/// The codec of STUN against the vectors of RFC 5769, its own, and bytes that nobody meant.
@Suite struct STUNMessageTests {
    /// RFC 5769 §2.1: a request with PRIORITY, which a server of Binding alone does not understand.
    static let sampleRequest = Hex.bytes(
        """
        00010058 2112a442 b7e7a701bc34d686fa87dfae
        80220010 5354554e207465737420636c69656e74
        00240004 6e0001ff
        80290008 932ff9b151263b36
        00060009 6576746a3a68367659202020
        00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2
        80280004 e57a3bcf
        """)
    /// RFC 5769 §2.2.
    static let sampleIPv4Response = Hex.bytes(
        """
        0101003c 2112a442 b7e7a701bc34d686fa87dfae
        8022000b 7465737420766563746f7220
        00200008 0001a147e112a643
        00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7
        80280004 c07d4c96
        """)
    /// RFC 5769 §2.3.
    static let sampleIPv6Response = Hex.bytes(
        """
        01010048 2112a442 b7e7a701bc34d686fa87dfae
        8022000b 7465737420766563746f7220
        00200014 0002a1470113a9faa5d3f179bc25f4b5bed2b9d9
        00080014 a382954e4be67bf11784c97c8292c275bfe3ed41
        80280004 c8fb0b4c
        """)
    static let transaction = TransactionID(high: 0xb7e7_a701_bc34_d686, low: 0xfa87_dfae)
    static let v4 = Endpoint(v4: 0xc000_0201, port: 32_853)
    static let v6 = Endpoint(v6High: 0x2001_0db8_1234_5678, low: 0x0011_2233_4455_6677, port: 32_853)

    private func read(_ bytes: [UInt8]) throws(DecodeError) -> STUNMessage { try STUNMessage(reading: bytes.raw) }

    private func written(_ message: STUNMessage, software: String = "") -> [UInt8] {
        let text = Array(software.utf8)
        let bytes = Written.bytes { message.write(software: text.raw, to: &$0) }
        #expect(bytes.count == message.byteCount(softwareByteCount: text.count))
        return bytes
    }

    @Test func theSampleRequestOfTheRFC() throws {
        let message = try read(Self.sampleRequest)
        #expect(message.kind == .request && message.transaction == Self.transaction && message.hasFingerprint)
        #expect(message.unknownAttributes.count == 1 && message.unknownAttributes[0] == 0x0024)
        let software = try #require(message.software)
        #expect(String(decoding: Self.sampleRequest[software], as: UTF8.self) == "STUN test client")
        var changed = Self.sampleRequest
        changed[30] ^= 1
        #expect(throws: DecodeError.notAPacket) { try read(changed) }
    }

    @Test func theSampleResponsesOfTheRFC() throws {
        for (bytes, address) in [(Self.sampleIPv4Response, Self.v4), (Self.sampleIPv6Response, Self.v6)] {
            let message = try read(bytes)
            #expect(message.kind == .success && message.observed == address && message.hasFingerprint)
            #expect(message.mappedAddress == nil && message.unknownAttributes.count == 0)
            // The same attribute, byte for byte.
            var own = STUNMessage(kind: .success, transaction: Self.transaction)
            own.xorMappedAddress = address
            let attribute = written(own).dropFirst(20)
            #expect(Hex.text(bytes).contains(Hex.text(Array(attribute))))
        }
    }

    @Test func theChecksumIsThatOfEthernet() {
        let bytes = Array("123456789".utf8)
        #expect(STUNFingerprint.crc32(bytes.raw) == 0xcbf4_3926)
    }

    static var all: [STUNMessage] {
        var full = STUNMessage(kind: .success, transaction: transaction)
        full.xorMappedAddress = v4
        full.mappedAddress = v4
        full.responseOrigin = v6
        full.otherAddress = v6
        full.hasFingerprint = true
        var request = STUNMessage(kind: .request, transaction: TransactionID(high: 1, low: 2))
        request.changeRequest = [.port, .address]
        var failure = STUNMessage(kind: .failure, transaction: transaction)
        failure.errorCode = 420
        failure.unknownAttributes.append(0x0024)
        failure.unknownAttributes.append(0x0003)
        failure.unknownAttributes.append(0x7fff)
        var late = failure
        late.errorCode = 699
        late.hasFingerprint = true
        return [STUNMessage(kind: .request, transaction: transaction), full, request, failure, late]
    }

    @Test(arguments: all.indices)
    func whatIsWrittenIsRead(index: Int) throws {
        let message = Self.all[index]
        #expect(try read(written(message)) == message)
        for count in 1...9 {
            let text = String("dxmatchd 1".prefix(count))
            let bytes = written(message, software: text)
            let software = try #require(try read(bytes).software)
            #expect(String(decoding: bytes[software], as: UTF8.self) == text)
        }
    }

    @Test func vectorsOfOurOwn() {
        var request = STUNMessage(kind: .request, transaction: Self.transaction)
        request.changeRequest = .address
        #expect(Hex.text(written(request)) == "000100082112a442b7e7a701bc34d686fa87dfae0003000400000004")
        var failure = STUNMessage(kind: .failure, transaction: Self.transaction)
        failure.errorCode = 420
        failure.unknownAttributes.append(0x0003)
        #expect(
            Hex.text(written(failure))
                == "011100102112a442b7e7a701bc34d686fa87dfae" + "0009000400000414" + "000a000200030000")
    }

    /// Old servers send nothing else; of two the first counts.
    @Test func changedAddressStandsForOtherAddress() throws {
        let head = "0101000c 2112a442 b7e7a701bc34d686fa87dfae"
        let message = try read(Hex.bytes("\(head) 00050008 00018055c0000201"))
        #expect(message.otherAddress == Self.v4)
        #expect(try read(Hex.bytes("\(head) 00010008 00018055c0000201")).observed == Self.v4)
    }

    @Test(arguments: [
        // Not the cookie; a length that is not the datagram's, or no multiple of four; another method; the two high bits.
        "00010000 2112a443 000000000000000000000000", "00010004 2112a442 000000000000000000000000",
        "00010002 2112a442 000000000000000000000000 0000", "00030000 2112a442 000000000000000000000000",
        "80010000 2112a442 000000000000000000000000", "00010000 2112a442 0000000000000000000000",
    ])
    func whatIsNotBindingIsRefused(text: String) {
        #expect(throws: DecodeError.notAPacket) { try read(Hex.bytes(text)) }
    }

    @Test(arguments: [
        // A value that ends early; one beyond the message; a family that there is not; an error code out of its range.
        ("00030000", DecodeError.truncated), ("00030008 00000000", .truncated), ("00200004 00010000", .truncated),
        ("00200008 0003 8055 c0000201", .invalidValue), ("00090004 00000214", .invalidValue),
        ("00090004 00000464", .invalidValue),
    ])
    func wrongAttributesAreRefused(text: String, error: DecodeError) {
        let attribute = Hex.bytes(text)
        let head = Hex.bytes("0111 00\(attribute.count < 16 ? "0" : "")\(String(attribute.count, radix: 16))")
        let rest = Hex.bytes("2112a442 000000000000000000000000")
        #expect(throws: error) { try read(head + rest + attribute) }
    }

    @Test func nothingFollowsAFingerprint() {
        var message = STUNMessage(kind: .request, transaction: Self.transaction)
        message.hasFingerprint = true
        var bytes = written(message) + Hex.bytes("80220000")
        bytes[3] += 4
        #expect(throws: DecodeError.self) { try read(bytes) }
    }

    @Test func moreUnknownAttributesThanFitAreLeftOut() throws {
        let attributes = (0..<20).flatMap { Hex.bytes("7f\(String($0 + 16, radix: 16))0000") }
        let message = try read(Hex.bytes("00010050 2112a442 000000000000000000000000") + attributes)
        #expect(message.unknownAttributes.count == 8 && message.unknownAttributes[7] == 0x7f17)
    }

    @Test func anyBytesAreAnswered() {
        var random = RandomSource(seed: 0x57)
        let seeds = Self.all.map { written($0, software: "x") } + [Self.sampleRequest, Self.sampleIPv6Response]
        for seed in seeds {
            for count in 0..<seed.count { #expect((try? read(Array(seed[..<count]))) == nil) }
        }
        var accepted = 0
        for _ in 0..<20_000 {
            var bytes = seeds[Int(random.below(UInt64(seeds.count)))]
            if random.chance(0.5) {
                // Without the fingerprint, which would hide what lies before it.
                bytes.removeLast(8)
                bytes[3] &-= 8
            }
            for _ in 0..<(1 + random.below(3)) {
                bytes[Int(random.below(UInt64(bytes.count)))] = UInt8(truncatingIfNeeded: random.next())
            }
            guard let message = try? read(bytes) else { continue }
            accepted += 1
            // What is read can be written, and is read as the same, but for what stays where it lies and what a request
            // cannot say.
            var plain = message
            plain.software = nil
            if message.kind != .failure { plain.unknownAttributes = STUNUnknownAttributes() }
            #expect((try? read(written(plain))) == plain)
        }
        #expect(accepted > 1_000, "\(accepted)")
    }
}
