import DXMatch
import DXSecure
import DXWire

/// The form of a `ReachBook` on the disk (`docs/state-directory.md` §6). What cannot be read is no book, which costs little.
enum ReachFile {
    /// 128 KiB: 1,024 places of 79 bytes at most, 32 tickets of 281.
    static let mostBytes = 128 << 10

    private static let magic = Array("DXRE".utf8)
    private static let version: UInt8 = 1

    // MARK: Writing

    /// The file's content.
    static func bytes(_ book: ReachBook) -> SecretBytes {
        let places = book.places.sorted { $0.key.text < $1.key.text }
        let tickets = book.tickets.sorted {
            ($0.key.pin.text, $0.value.writtenAt) < ($1.key.pin.text, $1.value.writtenAt)
        }
        return unsafe SecretBytes(capacity: mostBytes) { memory in
            var output = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
            for byte in magic { output.write(byte) }
            output.write(version)
            output.write(book.port)
            output.write(UInt16(places.count))
            for (member, place) in places { write(member, place, to: &output) }
            output.write(UInt16(tickets.count))
            for (name, ticket) in tickets { write(name, ticket, to: &output) }
            let count = output.byteCount
            let content = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: memory[..<count]))
            let hash = Bytes32(sha256: content)
            hash.write(to: &output)
            return output.byteCount
        }
    }

    @_lifetime(output: copy output)
    private static func write(_ member: GatewayID, _ place: ReachBook.Place, to output: inout OutputRawSpan) {
        output.write(member)
        output.write(UInt64(clamping: place.heardAt))
        place.remote.write(to: &output, mask: .none)
        if let base = place.base { base.write(to: &output, mask: .none) } else { output.write(UInt8(0)) }
    }

    @_lifetime(output: copy output)
    private static func write(_ name: ReachBook.TicketName, _ ticket: ReachBook.Ticket, to output: inout OutputRawSpan)
    {
        output.write(name.pin)
        name.matchKey.write(to: &output)
        output.write(UInt64(clamping: ticket.writtenAt))
        ticket.bytes.withBytes { output.write($0) }
    }

    // MARK: Reading

    /// What a file holds; nil unless it is whole and of this version.
    static func book(_ bytes: SecretBytes) -> ReachBook? { bytes.withBytes { try? book($0) } }

    private static func book(_ bytes: RawSpan) throws(DecodeError) -> ReachBook {
        let end = bytes.byteCount - Bytes32.byteCount
        guard end > 0 else { throw .truncated }
        var trailer = ByteReader(bytes.extracting(end...))
        guard try Bytes32(reading: &trailer) == Bytes32(sha256: bytes.extracting(..<end)) else { throw .invalidValue }
        var reader = ByteReader(bytes.extracting(..<end))
        for byte in magic where try reader.readUInt8() != byte { throw .invalidValue }
        guard try reader.readUInt8() == version else { throw .invalidValue }
        var book = ReachBook()
        book.port = try reader.readUInt16()
        let placeCount = Int(try reader.readUInt16())
        guard placeCount <= ReachBook.mostPlaces else { throw .invalidValue }
        for _ in 0..<placeCount {
            let (member, place) = try readPlace(&reader)
            book.places[member] = ReachBook.isWorthKeeping(place.remote) ? place : nil
        }
        let ticketCount = Int(try reader.readUInt16())
        guard ticketCount <= ReachBook.mostTickets else { throw .invalidValue }
        for _ in 0..<ticketCount {
            let name = ReachBook.TicketName(
                pin: try GatewayID(reading: &reader), matchKey: try PublicKey(reading: &reader))
            let writtenAt = Int64(clamping: try reader.readUInt64())
            guard reader.remaining >= MatchTicket.byteCount else { throw .truncated }
            let ticket = bytes.extracting(reader.position..<reader.position + MatchTicket.byteCount)
            try reader.skip(MatchTicket.byteCount)
            book.tickets[name] = ReachBook.Ticket(bytes: SecretBytes(ticket), writtenAt: writtenAt)
        }
        guard reader.remaining == 0 else { throw .invalidValue }
        return book
    }

    private static func readPlace(
        _ reader: inout ByteReader
    ) throws(DecodeError) -> (GatewayID, ReachBook.Place) {
        let member = try GatewayID(reading: &reader)
        let heardAt = Int64(clamping: try reader.readUInt64())
        let remote = try Endpoint(reading: &reader, mask: .none)
        var base: Endpoint?
        if try reader.peekUInt8() == 0 {
            try reader.skip(1)
        } else {
            base = try Endpoint(reading: &reader, mask: .none)
        }
        return (member, ReachBook.Place(remote: remote, base: base, heardAt: heardAt))
    }
}
