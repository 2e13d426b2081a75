import DXWire
import Testing

@testable import DXSecure

@Suite struct DTLSSessionTests {
    private let packet = (0..<100).map { UInt8($0) }

    @Test(arguments: [(false, "ECDHE-ECDSA-AES128-GCM-SHA256", 38), (true, "ECDHE-ECDSA-CHACHA20-POLY1305", 30)])
    func layout(prefersChaCha: Bool, cipher: String, overhead: Int) throws {
        var configuration = SecureConfiguration()
        configuration.prefersChaCha = prefersChaCha
        let (a, b) = try Pair(configuration).establish()
        #expect(a.cipherName == cipher && b.cipherName == cipher)
        #expect(a.sealOverhead == overhead && b.sealOverhead == overhead)
        #expect(a.isInitiator && !b.isInitiator)
        #expect(a.receiveID.shard == 1 && b.receiveID.shard == 2)
        for number: UInt8 in 1...3 {
            let datagram = try a.sealed(packet)
            #expect(datagram.count == packet.count + overhead)
            #expect(Array(datagram.prefix(8)) == [UInt8](capacity: 8) { $0.write(b.receiveID.rawValue) })
            // Record 0 of the epoch was the handshake's last message.
            #expect(Array(datagram[8..<14]) == [0, 0, 0, 0, 0, number])
            #expect(b.opened(datagram) == (.opened, packet))
        }
        #expect(a.opened(try b.sealed(packet)) == (.opened, packet))
        #expect(a.statistics.sealed == 3 && b.statistics.opened == 3 && b.statistics.rejected == 0)
    }

    /// Both ends go on to ids of their own session's, and the old ones end one change later.
    @Test func freshConnectionIDs() throws {
        let (a, b) = try Pair().establish()
        let old = try a.sealed(packet)
        let older = try a.sealed(packet)
        func head(_ datagram: [UInt8]) -> [UInt8] { Array(datagram.prefix(8)) }
        for round in 0..<3 {
            let before = (head(try a.sealed(packet)), head(try b.sealed(packet)))
            let changes = b.idChanges
            a.changeSendID()
            // As long as the peer has not followed, nothing more happens.
            a.changeSendID()
            let fresh = try a.sealed(packet)
            #expect(head(fresh) != before.0 && fresh[0] == 2)
            #expect(b.acceptedIDs.contains { bytes($0) == head(fresh) })
            #expect(b.opened(fresh) == (.opened, packet))
            #expect(b.idChanges == changes + 1)
            // Overtaken, and still good, until the next change.
            if round == 0 { #expect(b.opened(old) == (.opened, packet)) }
            let answer = try b.sealed(packet)
            #expect(head(answer) != before.1 && answer[0] == 1)
            #expect(a.opened(answer) == (.opened, packet))
        }
        #expect(b.opened(older) == (.rejected, []))
        #expect(b.acceptedIDs.count == 4 && Set(b.acceptedIDs).count == 4)
        // A forged one moves nothing.
        a.changeSendID()
        var forged = try a.sealed(packet)
        let changes = b.idChanges
        forged[forged.count - 1] ^= 1
        #expect(b.opened(forged) == (.rejected, []) && b.idChanges == changes)
    }

    private func bytes(_ id: ConnectionID) -> [UInt8] { [UInt8](capacity: 8) { $0.write(id.rawValue) } }

    @Test func oneEndWithoutAESMakesBothUseChaCha() throws {
        for initiatorPrefers in [true, false] {
            let identities = [try Identity.generate(), try Identity.generate()]
            let contexts = [
                try DTLSContext(identities[0], prefersChaCha: initiatorPrefers),
                try DTLSContext(identities[1], prefersChaCha: !initiatorPrefers),
            ]
            let client = try DTLSConnection(contexts[0], isInitiator: true, peer: identities[1].gatewayID)
            let server = try DTLSConnection(contexts[1], isInitiator: false, peer: identities[0].gatewayID)
            #expect(ConnectionRun.handshake(client, server) == (.complete, .complete))
            #expect(client.cipherName == "ECDHE-ECDSA-CHACHA20-POLY1305")
        }
    }

    @Test func sizes() throws {
        let (a, b) = try Pair().establish()
        for size in [1, 2, 1350, 8_900, 16_384] {
            let packet = [UInt8](repeating: 7, count: size)
            #expect(b.opened(try a.sealed(packet)) == (.opened, packet))
        }
        #expect(throws: SecureError.packetSize) { try a.sealed([]) }
        #expect(throws: SecureError.packetSize) { try a.sealed([UInt8](repeating: 7, count: 16_385)) }
        var failure: SecureError?
        let short = [UInt8](capacity: packet.count + 37) { output in
            do throws(SecureError) { unsafe try a.seal(packet.span.bytes, into: &output) } catch { failure = error }
        }
        #expect(short.isEmpty && failure == .packetSize)
        #expect(b.opened(try a.sealed(packet)) == (.opened, packet))
    }

    /// What is before the datagram in the caller's memory, and after it, stays.
    @Test func writesOnlyItsOwnBytes() throws {
        let (a, b) = try Pair().establish()
        let both = [UInt8](capacity: 500) { output in
            output.write(0xabcd as UInt16)
            unsafe try! a.seal(packet.span.bytes, into: &output)
            output.write(0xef01 as UInt16)
        }
        #expect(both.prefix(2) == [0xab, 0xcd] && both.suffix(2) == [0xef, 0x01])
        #expect(b.opened(Array(both.dropFirst(2).dropLast(2))) == (.opened, packet))
    }

    @Test func tooLittleRoomForThePlaintext() throws {
        let (a, b) = try Pair().establish()
        let datagram = try a.sealed(packet)
        #expect(b.opened(datagram, room: packet.count - 1) == (.rejected, []))
        #expect(b.opened(datagram, room: packet.count) == (.opened, packet))
    }

    @Test func beforeAndAfter() throws {
        let pair = try Pair()
        let session = try pair.connect()
        #expect(!session.isEstablished)
        #expect(throws: SecureError.notEstablished) { try session.sealed(packet) }
        #expect(session.opened([UInt8](repeating: 0, count: 100)) == (.notEstablished, []))
        #expect(pair.run { pair.a.established.count == 1 })
        #expect(session.isEstablished && session === pair.a.established[0])
        let datagram = try session.sealed(packet)
        session.close()
        session.close()
        #expect(!session.isEstablished)
        #expect(throws: SecureError.closed) { try session.sealed(packet) }
        #expect(session.opened(datagram) == (.closed, []))
    }

    @Test func repeatedAndOldRecords() throws {
        let (a, b) = try Pair().establish()
        let datagrams = try (0..<130).map { _ in try a.sealed(packet) }
        #expect(b.opened(datagrams[64]) == (.opened, packet))
        #expect(b.opened(datagrams[64]) == (.replayed, []))
        // Newest less 63 opens, newest less 64 does not.
        #expect(b.opened(datagrams[0]) == (.replayed, []))
        #expect(b.opened(datagrams[1]) == (.opened, packet))
        #expect(b.statistics.replayed == 2 && b.statistics.opened == 2 && b.statistics.rejected == 0)
        for index in stride(from: 129, through: 66, by: -1) { #expect(b.opened(datagrams[index]) == (.opened, packet)) }
        for index in 66..<130 { #expect(b.opened(datagrams[index]) == (.replayed, [])) }
        #expect(b.opened(try a.sealed(packet)) == (.opened, packet))
    }

    @Test func everyTruncation() throws {
        let (a, b) = try Pair().establish()
        let datagram = try a.sealed(packet)
        for count in 0..<datagram.count { #expect(b.opened(Array(datagram.prefix(count))) == (.rejected, [])) }
        #expect(b.opened(datagram + [0]) == (.rejected, []))
        #expect(b.statistics.rejected == UInt64(datagram.count + 1))
        #expect(b.opened(datagram) == (.opened, packet))
        #expect(b.opened(try a.sealed(packet)) == (.opened, packet))
    }

    @Test func everyFlippedBit() throws {
        let (a, b) = try Pair().establish()
        _ = try a.sealed(packet)
        let datagram = try a.sealed(packet)
        for bit in 0..<(datagram.count * 8) {
            var flipped = datagram
            flipped[bit / 8] ^= 1 << (bit % 8)
            let (outcome, plaintext) = b.opened(flipped)
            #expect(outcome == .rejected || outcome == .replayed)
            #expect(plaintext.isEmpty)
        }
        #expect(b.statistics.rejected + b.statistics.replayed == UInt64(datagram.count * 8))
        #expect(b.opened(datagram) == (.opened, packet))
        #expect(a.opened(try b.sealed(packet)) == (.opened, packet))
    }

    @Test func validConnectionIDWithNoise() throws {
        let (a, b) = try Pair().establish()
        var random = RandomSource(seed: 4)
        let id = [UInt8](capacity: 8) { $0.write(b.receiveID.rawValue) }
        for _ in 0..<3_000 {
            let noise = (0..<Int(random.below(1_500))).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            #expect(b.opened(id + noise).0 == .rejected)
        }
        #expect(b.statistics.rejected == 3_000)
        #expect(b.opened(try a.sealed(packet)) == (.opened, packet))
    }

    @Test func reflected() throws {
        let (a, b) = try Pair().establish()
        var datagram = try a.sealed(packet)
        #expect(a.opened(datagram) == (.rejected, []))
        datagram.replaceSubrange(0..<8, with: [UInt8](capacity: 8) { $0.write(a.receiveID.rawValue) })
        #expect(a.opened(datagram) == (.rejected, []))
        #expect(b.opened(try a.sealed(packet)) == (.opened, packet))
    }

    @Test func recordOfAnotherSession() throws {
        let pair = try Pair()
        let (a1, b1) = try pair.establish()
        let (a2, b2) = try pair.establish()
        #expect(a1.receiveID != a2.receiveID && b1.receiveID != b2.receiveID)
        var datagram = try a1.sealed(packet)
        datagram.replaceSubrange(0..<8, with: [UInt8](capacity: 8) { $0.write(b2.receiveID.rawValue) })
        #expect(b2.opened(datagram) == (.rejected, []))
        // Both live side by side, which is how a session is replaced.
        for (a, b) in [(a1, b1), (a2, b2)] {
            #expect(b.opened(try a.sealed(packet)) == (.opened, packet))
            #expect(a.opened(try b.sealed(packet)) == (.opened, packet))
        }
        a1.close()
        b1.close()
        #expect(b2.opened(try a2.sealed(packet)) == (.opened, packet))
    }

    @Test func wantsToBeReplaced() throws {
        var configuration = SecureConfiguration()
        configuration.rekeyRecords = 10
        let pair = try Pair(configuration)
        let (a, b) = try pair.establish()
        #expect(!a.needsRekey(now: pair.now) && !b.needsRekey(now: pair.now))
        #expect(!a.needsRekey(now: pair.now + .seconds(3_599)))
        #expect(a.needsRekey(now: pair.now + .seconds(3_600)))
        for _ in 0..<9 { _ = try a.sealed(packet) }
        #expect(!a.needsRekey(now: pair.now))
        _ = try a.sealed(packet)
        #expect(a.needsRekey(now: pair.now) && a.recordCount == 10)
        // Failed opens count, too.
        for _ in 0..<9 { _ = b.opened([UInt8](repeating: 1, count: 100)) }
        #expect(!b.needsRekey(now: pair.now))
        #expect(b.opened(try a.sealed(packet)) == (.opened, packet))
        #expect(b.needsRekey(now: pair.now) && b.recordCount == 10)
    }

    @Test func refusesToSealWithoutEnd() throws {
        var configuration = SecureConfiguration()
        configuration.rekeyRecords = 2
        let (a, b) = try Pair(configuration).establish()
        for _ in 0..<32 { #expect(b.opened(try a.sealed(packet)) == (.opened, packet)) }
        #expect(throws: SecureError.recordsExhausted) { try a.sealed(packet) }
    }
}
