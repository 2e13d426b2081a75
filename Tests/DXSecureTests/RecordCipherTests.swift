import DXWire
import Testing

@testable import DXSecure

/// That the keys are those of the handshake, and the records those of DTLS 1.2, is shown by `InteropTests`.
@Suite struct RecordCipherTests {
    private let packet = (0..<5_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }

    /// An end after its handshake: its cipher, and the records that OpenSSL wrote with the same key.
    private struct End {
        var cipher: RecordCipher
        var handshake: [(number: UInt64, body: ArraySlice<UInt8>)]

        init(_ connection: DTLSConnection, _ flights: [[UInt8]]) throws {
            cipher = try connection.takeRecordCipher().orFail("no keys")
            handshake = []
            for flight in flights {
                var rest = flight[...]
                while rest.count >= 13 {
                    let head = Array(rest.prefix(13))
                    let size = 13 + Int(head[11]) << 8 + Int(head[12])
                    if head[4] == 1 {
                        handshake.append(
                            (head[5..<11].reduce(0) { $0 << 8 | UInt64($1) }, rest.prefix(size).dropFirst(13)))
                    }
                    rest = rest.dropFirst(size)
                }
            }
        }
    }

    /// Two ends, of which the server's flights came three times each.
    private func ends(prefersChaCha: Bool) throws -> (End, End) {
        let identities = [try Identity.generate(), try Identity.generate()]
        let client = try DTLSConnection(
            DTLSContext(identities[0], prefersChaCha: prefersChaCha), isInitiator: true, peer: identities[1].gatewayID)
        let server = try DTLSConnection(
            DTLSContext(identities[1], prefersChaCha: prefersChaCha), isInitiator: false,
            peer: identities[0].gatewayID)
        var (sent, answered): ([[UInt8]], [[UInt8]]) = ([], [])
        _ = client.start()
        for _ in 0..<3 {
            let up = client.takeFlight()
            sent += up
            for datagram in up { _ = server.receive(datagram) }
            let down = server.takeFlight()
            answered += down
            for datagram in down + down + down { _ = client.receive(datagram) }
        }
        return (try End(client, sent), try End(server, answered))
    }

    private func pair(prefersChaCha: Bool) throws -> (client: RecordCipher, server: RecordCipher) {
        let (client, server) = try ends(prefersChaCha: prefersChaCha)
        return (client.cipher, server.cipher)
    }

    @Test(arguments: [(false, 24), (true, 16)]) func bothWays(prefersChaCha: Bool, overhead: Int) throws {
        let (client, server) = try pair(prefersChaCha: prefersChaCha)
        #expect(client.overhead == overhead && server.overhead == overhead)
        for (one, other) in [(client, server), (server, client)] {
            for size in [1, 15, 16, 17, 1_350, 5_000] {
                let number = one.firstNumber + UInt64(size)
                let body = one.body(Array(packet.prefix(size)), number: number)
                #expect(body.count == size + overhead)
                #expect(other.plaintext(ofBody: body, number: number) == Array(packet.prefix(size)))
                // Not by who sealed it, not under another number.
                #expect(one.plaintext(ofBody: body, number: number) == nil)
                #expect(other.plaintext(ofBody: body, number: number + 1) == nil)
            }
        }
    }

    /// In whatever pieces it lies, a record is the same, and the gaps are left alone.
    @Test(arguments: [false, true]) func pieces(prefersChaCha: Bool) throws {
        let (client, server) = try pair(prefersChaCha: prefersChaCha)
        for (slice, gap) in [(1, 1), (7, 3), (16, 16), (512, 16), (1_456, 16), (4_999, 1), (6_000, 16)] {
            let number = UInt64(slice) + 100
            let whole = client.body(packet, number: number)
            let inPieces = client.body(packet, number: number, slice: slice, gap: gap)
            var expected: [UInt8] = []
            for (index, byte) in whole.enumerated() {
                if index > 0, index % slice == 0 { expected += [UInt8](repeating: 0, count: gap) }
                expected.append(byte)
            }
            #expect(inPieces == expected)
            #expect(server.plaintext(ofBody: inPieces, number: number, slice: slice, gap: gap) == packet)
            var damaged = inPieces
            damaged[damaged.count / 2 / (slice + gap) * (slice + gap)] ^= 1
            #expect(server.plaintext(ofBody: damaged, number: number, slice: slice, gap: gap) == nil)
        }
    }

    @Test(arguments: [false, true]) func everyFlippedBitAndEveryTruncation(prefersChaCha: Bool) throws {
        let (client, server) = try pair(prefersChaCha: prefersChaCha)
        let body = client.body(Array(packet.prefix(40)), number: 7)
        for bit in 0..<(body.count * 8) {
            var flipped = body
            flipped[bit / 8] ^= 1 << (bit % 8)
            #expect(server.plaintext(ofBody: flipped, number: 7) == nil)
        }
        for count in 0..<body.count where count > 0 {
            #expect(server.plaintext(ofBody: Array(body.prefix(count)), number: 7) == nil)
        }
        #expect(server.plaintext(ofBody: body, number: 7) == Array(packet.prefix(40)))
    }

    /// No number, and with AES-GCM no nonce, is used both by OpenSSL and by us under one key.
    @Test(arguments: [false, true]) func numbersAndNoncesAreApart(prefersChaCha: Bool) throws {
        let (client, server) = try ends(prefersChaCha: prefersChaCha)
        #expect(!client.handshake.isEmpty && !server.handshake.isEmpty)
        for end in [client, server] {
            #expect(end.cipher.firstNumber == end.handshake.map(\.number).max()! + 1)
            guard !prefersChaCha else { continue }
            // OpenSSL counts from where it began, so the highest bit parts its nonces from ours.
            let ours = end.cipher.body(packet, number: end.cipher.firstNumber)
            for (_, body) in end.handshake { #expect((body.first! ^ ours[0]) & 0x80 != 0) }
        }
    }
}
