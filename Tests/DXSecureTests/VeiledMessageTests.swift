import DXWire
import Testing

@testable import DXSecure

/// The layouts of `docs/wire-format.md` §3, written out by hand.
@Suite struct VeiledMessageTests {
    private static let key = "02 67b0f96a49c4d9c161c1c012fafb5d6865a897e58f1bde6cbbb4878cc4e24631"
    private static let attempt = "101112131415161718191a1b1c1d1e1f"
    private static let proof = "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
    private static let signature = """
        404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f
        606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f
        """
    private static let connectionID = "8081828384858687"
    private static let datagram = "16fefd0000000000000001"

    private static let hello = hex("01 01" + key + attempt + signature)
    private static let challenge = hex("02 01" + attempt + proof)
    private static let connect = hex("03 01" + key + attempt + proof + connectionID + signature + datagram)
    private static let handshake = hex("10 01" + connectionID + "9091929394959697" + datagram)

    private func read<Value>(
        _ text: String, _ body: (inout ByteReader) throws(DecodeError) -> Value
    ) throws(DecodeError) -> Value {
        let bytes = hex(text)
        var reader = unsafe ByteReader(bytes.span.bytes)
        return try body(&reader)
    }

    private func decode(_ bytes: [UInt8]) throws(VeilDrop) -> VeiledMessage {
        try unsafe VeiledMessage(reading: bytes.span.bytes)
    }

    private func messages() throws -> [(VeiledMessage, [UInt8])] {
        let key = try read(Self.key) { (reader) throws(DecodeError) in try PublicKey(reading: &reader) }
        let signature = try read(Self.signature) { (reader) throws(DecodeError) in try Signature(reading: &reader) }
        let proof = try read(Self.proof) { (reader) throws(DecodeError) in try Bytes32(reading: &reader) }
        let attempt = Attempt(high: 0x1011_1213_1415_1617, low: 0x1819_1a1b_1c1d_1e1f)
        let id = ConnectionID(rawValue: 0x8081_8283_8485_8687)
        return [
            (.hello(Hello(key: key, attempt: attempt, signature: signature)), Self.hello),
            (.challenge(Challenge(attempt: attempt, proof: proof)), Self.challenge),
            (
                .connect(
                    Connect(
                        key: key, attempt: attempt, proof: proof, connectionID: id, signature: signature,
                        datagram: PacketSlice(offset: 155, count: 11))), Self.connect
            ),
            (
                .handshake(
                    Handshake(
                        destination: id, source: ConnectionID(rawValue: 0x9091_9293_9495_9697),
                        datagram: PacketSlice(offset: 18, count: 11))), Self.handshake
            ),
        ]
    }

    @Test func vectorsBothWays() throws {
        for (message, bytes) in try messages() {
            #expect(try decode(bytes) == message)
            let datagram = hex(Self.datagram)
            let written = [UInt8](capacity: 300) { output in
                switch message {
                case .hello(let hello): hello.write(to: &output)
                case .challenge(let challenge): challenge.write(to: &output)
                case .connect(let connect): unsafe connect.write(datagram.span.bytes, to: &output)
                case .handshake(let handshake): unsafe handshake.write(datagram.span.bytes, to: &output)
                case .check: break
                }
            }
            #expect(written == bytes)
        }
    }

    @Test func sizes() {
        #expect(Self.hello.count == Hello.byteCount && Hello.byteCount + SecureConstants.veilOverhead == 143)
        #expect(Self.challenge.count == Challenge.byteCount && Challenge.byteCount + SecureConstants.veilOverhead == 78)
        #expect(Connect.headByteCount == 155)
        #expect(Handshake.headByteCount == 18)
        #expect(SecureConstants.handshakeDatagram == 1017)
    }

    @Test func bytesAfterTheFieldsAreIgnored() throws {
        for (message, bytes) in try messages().prefix(2) { #expect(try decode(bytes + [0, 0, 9]) == message) }
    }

    @Test func everyTruncationIsMalformed() throws {
        for (bytes, fixed) in [(Self.hello, 115), (Self.challenge, 50), (Self.connect, 155), (Self.handshake, 18)] {
            for count in 0..<fixed {
                #expect(throws: VeilDrop.malformed) { try decode(Array(bytes.prefix(count))) }
            }
            #expect(throws: Never.self) { try decode(Array(bytes.prefix(fixed))) }
        }
    }

    @Test func otherTypesAndVersions() {
        for type: UInt8 in 0...255 where ![1, 2, 3, 4, 5, 16].contains(type) {
            #expect(throws: VeilDrop.unknownType) { try decode([type, 1]) }
        }
        for bytes in [Self.hello, Self.challenge, Self.connect, Self.handshake] {
            for version: UInt8 in [0, 2, 255] {
                #expect(throws: VeilDrop.unknownVersion) { try decode([bytes[0], version] + bytes.dropFirst(2)) }
            }
        }
        var bad = Self.hello
        bad[2] = 4
        #expect(throws: VeilDrop.malformed) { try decode(bad) }
    }

    @Test func randomBytesNeverTrap() {
        var random = RandomSource(seed: 11)
        for _ in 0..<20_000 {
            var bytes = (0..<Int(random.below(220))).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            if bytes.count > 1 && random.chance(0.9) {
                bytes[0] = [1, 2, 3, 16][Int(random.below(4))]
                bytes[1] = 1
            }
            guard let message = try? decode(bytes) else { continue }
            switch message {
            case .connect(let connect): #expect(connect.datagram.offset + connect.datagram.count == bytes.count)
            case .handshake(let handshake): #expect(handshake.datagram.offset + handshake.datagram.count == bytes.count)
            case .hello, .challenge, .check: break
            }
        }
    }

    @Test func signedBytes() throws {
        let receiver = GatewayID(Array(0..<32))!
        let nonce = VeilNonce(high: 0xa0a1_a2a3_a4a5_a6a7, low: 0xa8a9_aaab)
        let attempt = Attempt(high: 0x1011_1213_1415_1617, low: 0x1819_1a1b_1c1d_1e1f)
        let proof = try read(Self.proof) { (reader) throws(DecodeError) in try Bytes32(reading: &reader) }
        let common = receiver.bytes + hex("a0a1a2a3a4a5a6a7a8a9aaab") + hex(Self.attempt)
        #expect(
            Hello.signedBytes(receiver: receiver, nonce: nonce, attempt: attempt) == Array("dx hello 1".utf8) + common)
        #expect(
            Connect.signedBytes(
                receiver: receiver, nonce: nonce, attempt: attempt, proof: proof,
                connectionID: ConnectionID(rawValue: 0x8081_8283_8485_8687))
                == Array("dx connect 1".utf8) + common + hex(Self.proof) + hex(Self.connectionID))
    }
}
