import DXMatch
import DXSecure
import DXTestFiles
import DXWire
import Testing

@testable import DXTunnel

/// The file of where members were reached (`docs/state-directory.md` §6).
@Suite struct ReachFileTests {
    private static let calendar: Int64 = 1_800_000_000

    private func member(_ first: UInt8) throws -> GatewayID {
        let bytes = [UInt8](first..<first + 32)
        var reader = unsafe ByteReader(bytes.span.bytes)
        return try GatewayID(reading: &reader)
    }

    private func ticket() throws -> MatchTicket {
        var bytes: [UInt8] = [1] + (0..<120).map { UInt8($0) } + (0..<64).map { UInt8($0) }
        bytes += [0, 0, 0, 1, 0, 0, 0, 0] + [0, 1, 0x51, 0x80] + [0x0d, 0x97] + [0, 0, 0, 0]
        return try #require(MatchTicket(bytes: bytes))
    }

    private func name() throws -> ReachBook.TicketName {
        ReachBook.TicketName(pin: try member(0x60), matchKey: try TestKeys.identity(0).publicKey)
    }

    private func book() throws -> ReachBook {
        var book = ReachBook()
        book.port = 4_242
        let first = ReachBook.Place(
            remote: Endpoint(v4: 0xc633_6407, port: 7_700), base: Endpoint(v4: 0x0a00_0005, port: 4_242),
            heardAt: Self.calendar)
        _ = book.note(try member(0x20), first)
        let second = ReachBook.Place(
            remote: Endpoint(v6High: 0x2001_0db8_0000_0000, low: 9, port: 9), heardAt: Self.calendar + 60)
        _ = book.note(try member(0x40), second)
        book.keep(try ticket(), for: try name(), calendar: Self.calendar)
        return book
    }

    private func plain(_ secret: SecretBytes) -> [UInt8] {
        secret.withBytes { bytes in unsafe bytes.withUnsafeBytes { unsafe [UInt8]($0) } }
    }

    private func read(_ bytes: [UInt8]) -> ReachBook? {
        var copy = bytes
        return ReachFile.book(SecretBytes(moving: &copy))
    }

    /// The bytes of `docs/state-directory.md` §6, which another implementation made.
    @Test func itIsWrittenAsSpecified() throws {
        let bytes = plain(ReachFile.bytes(try book()))
        let text = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        #expect(text == Self.vector.filter { $0 != "\n" })
    }

    @Test func whatIsWrittenIsReadAgain() throws {
        let book = try book()
        let read = ReachFile.book(ReachFile.bytes(book))
        var again = try #require(read)
        #expect(again.port == book.port && again.places == book.places && again.tickets.count == 1)
        // A day's ticket, a minute later.
        let taken = again.takeTicket(try name(), calendar: Self.calendar + 60)
        #expect(taken?.expiresIn == .seconds(86_400 - 60))
        // Its numbers are used once.
        let twice = again.takeTicket(try name(), calendar: Self.calendar + 60)
        #expect(twice == nil)
    }

    @Test func damageIsNoticed() throws {
        let bytes = plain(ReachFile.bytes(try book()))
        for count in bytes.indices { #expect(read(Array(bytes[..<count])) == nil, "\(count) bytes") }
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 1 << UInt8(index % 8)
            #expect(read(changed) == nil, "byte \(index)")
        }
    }

    /// With a good checksum, too: counts that promise more than there is, families that are none.
    @Test func nonsenseIsRefused() throws {
        let content = Array(plain(ReachFile.bytes(try book())).dropLast(32))
        var refused = 0
        for index in content.indices {
            var changed = content
            changed[index] ^= 0xff
            let sum = unsafe Bytes32(sha256: changed.span.bytes).bytes
            if read(changed + sum) == nil { refused += 1 }
        }
        // Magic, version, both counts and three families; addresses, times and tickets may be anything.
        #expect(refused >= 5 + 2 + 2 + 3)
    }

    @Test func aFullBookIsReadAgain() throws {
        var book = ReachBook()
        for number in 0..<ReachBook.mostPlaces + 10 {
            let hash = unsafe Bytes32(sha256: [UInt8(number & 0xff), UInt8(number >> 8)].span.bytes)
            let bytes = hash.bytes
            var reader = unsafe ByteReader(bytes.span.bytes)
            let place = ReachBook.Place(
                remote: Endpoint(v6High: 1 << 61, low: UInt64(number), port: 1),
                base: Endpoint(v6High: 1 << 61, low: 1, port: 2), heardAt: Int64(number))
            _ = book.note(try GatewayID(reading: &reader), place)
        }
        for number in 0..<UInt8(ReachBook.mostTickets + 2) {
            let name = ReachBook.TicketName(pin: try member(number), matchKey: try TestKeys.identity(1).publicKey)
            book.keep(try ticket(), for: name, calendar: 0)
        }
        #expect(book.places.count == ReachBook.mostPlaces && book.tickets.count == ReachBook.mostTickets)
        // Those that were heard longest ago had to go.
        #expect(book.places.values.map(\.heardAt).min() == 10)
        let again = try #require(ReachFile.book(ReachFile.bytes(book)))
        #expect(again.places == book.places && Set(again.tickets.keys) == Set(book.tickets.keys))
    }

    @Test func whatIsOldIsForgotten() throws {
        var book = try book()
        // A calendar that is behind makes nothing old.
        book.expire(calendar: 0)
        #expect(book.places.count == 2)
        book.expire(calendar: Self.calendar + ReachBook.placeTime + 1)
        #expect(book.places.keys.map(\.self) == [try member(0x40)])
        let ticket = book.takeTicket(try name(), calendar: Self.calendar + 86_400)
        #expect(ticket == nil)
    }

    @Test func linkLocalAddressesAreNotKept() throws {
        var book = ReachBook()
        let place = ReachBook.Place(
            remote: Endpoint(v6High: 0xfe80_0000_0000_0000, low: 1, scope: 2, port: 7_700), heardAt: 0)
        let isNews = book.note(try member(1), place)
        #expect(!isNews && book.places.isEmpty)
    }

    @Test func aDirectoryWithABadFileHasNone() throws {
        let directory = TemporaryDirectory()
        let path = directory.file("state")
        let state = try StateDirectory(locking: path)
        #expect(!state.reach().isRefused)
        try state.save(reach: ReachFile.bytes(try book()))
        #expect(TemporaryDirectory.mode(of: path + "/reach.state") == 0o600)
        let saved = state.reach()
        #expect(!saved.isRefused && saved.book.places.count == 2)
        directory.write("half", to: "state/reach.state")
        let damaged = state.reach()
        #expect(damaged.isRefused && damaged.book.places.isEmpty)
    }

    private static let vector = """
        445852450110920002202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f000000006b49d2
        0004c63364071e14040a0000051092404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f00
        0000006b49d23c0620010db80000000000000000000000090009000001606162636465666768696a6b6c6d6e6f707172
        737475767778797a7b7c7d7e7f026d021febc39cb1472e14b7cedd1c2f1638387a8b2c9137b0bf01384800a655090000
        00006b49d20001000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728
        292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758
        595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f7071727374757677000102030405060708090a0b0c0d0e0f10
        1112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f00
        00000100000000000151800d9700000000d6becdd3d5fa64fe55ab7b8fd17c90bba0b36beb138fc6e007f244c3d30add
        cf
        """
}
