import DXWire
import Testing

@testable import DXSecure

/// Records that are sealed straight into fragments and opened out of them.
@Suite struct DTLSSessionFragmentsTests {
    private func packet(_ size: Int) -> [UInt8] { (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 / 8) } }

    @Test(arguments: [false, true], [528, 1_200, 1_472, 8_972])
    func thereAndBack(prefersChaCha: Bool, size: Int) throws {
        var configuration = SecureConfiguration()
        configuration.prefersChaCha = prefersChaCha
        let (a, b) = try Pair(configuration).establish()
        for count in [size, 9_500, 16_000, 16_384] where count >= size {
            let packet = packet(count)
            let fragments = try a.sealedInFragments(packet, of: size)
            let number = (count + a.sealOverhead - 14 + size - 17) / (size - 16)
            #expect(fragments.count == count + a.sealOverhead - 14 + number * 16)
            let opened = try #require(b.opened(fragments: fragments, of: size))
            #expect(opened == (.opened, packet))
            // Once is enough.
            #expect(try #require(b.opened(fragments: fragments, of: size)) == (.replayed, []))
        }
    }

    /// What one end seals in fragments the other may put together, and the other way round.
    @Test func sameAsInOnePiece() throws {
        let (a, b) = try Pair().establish()
        let packet = packet(10_000)
        let fragments = try a.sealedInFragments(packet, of: 1_472)
        var assembler = FragmentAssembler()
        var whole: [UInt8] = []
        for start in stride(from: 0, to: fragments.count, by: 1_472) {
            let datagram = Array(fragments[start..<min(start + 1_472, fragments.count)])
            if case .complete(let place) = unsafe assembler.receive(datagram.span.bytes, ecn: .notECT) {
                whole = assembler.withRecord(at: place) { record in
                    [UInt8](capacity: record.byteCount) { $0.write(record.bytes) }
                }
            }
        }
        #expect(b.opened(whole) == (.opened, packet))

        let record = try b.sealed(packet)
        let cut = [UInt8](capacity: 12_000) { output in
            var cutter = unsafe FragmentCutter(record.span.bytes, datagramByteCount: 1_472)
            while !cutter.isDone { cutter.writeNext(to: &output) }
        }
        #expect(try #require(a.opened(fragments: cut, of: 1_472)) == (.opened, packet))
    }

    @Test func everyFragmentIsAuthenticated() throws {
        let (a, b) = try Pair().establish()
        let packet = packet(5_000)
        for index in stride(from: 16, to: 5_000, by: 97) where index % 1_472 >= 16 {
            var fragments = try a.sealedInFragments(packet, of: 1_472)
            fragments[index] ^= 0x10
            #expect(try #require(b.opened(fragments: fragments, of: 1_472)) == (.rejected, []), "byte \(index)")
        }
        // Another number in all headers: the nonce and what is authenticated are others.
        var fragments = try a.sealedInFragments(packet, of: 1_472)
        for start in stride(from: 0, to: fragments.count, by: 1_472) { fragments[start + 13] ^= 1 }
        #expect(try #require(b.opened(fragments: fragments, of: 1_472)) == (.rejected, []))
        #expect(b.opened(try a.sealed(packet)) == (.opened, packet))
    }

    @Test func sizes() throws {
        let (a, b) = try Pair().establish()
        #expect(throws: SecureError.packetSize) { try a.sealedInFragments(packet(16_385), of: 1_472) }
        // One datagram is enough, or no datagram of that size carries a fragment.
        #expect(throws: SecureError.packetSize) { try a.sealedInFragments(packet(1_000), of: 1_472) }
        #expect(throws: SecureError.packetSize) { try a.sealedInFragments(packet(1_000), of: 527) }
        #expect(throws: SecureError.packetSize) { try a.sealedInFragments([], of: 1_472) }
        let small = packet(3_000)
        let fragments = try a.sealedInFragments(small, of: 1_472)
        #expect(throws: SecureError.packetSize) {
            try a.sealedInFragments(small, of: 1_472, room: fragments.count - 1)
        }
        #expect(try #require(b.opened(fragments: fragments, of: 1_472, room: 2_999)) == (.rejected, []))
        #expect(try #require(b.opened(fragments: fragments, of: 1_472, room: 3_000)) == (.opened, small))
        a.close()
        #expect(throws: SecureError.closed) { try a.sealedInFragments(small, of: 1_472) }
    }
}
