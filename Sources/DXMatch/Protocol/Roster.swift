public import DXWire

/// The answer to ROSTER (`docs/matchmaking.md` §4): a page of a group's members, in the order of their tags.
public struct RosterAnswer: Equatable, Sendable, BitwiseCopyable {
    /// The number of entries.
    public var count: UInt8
    /// Where the entries lie in the body.
    public var entries: PacketSlice
    /// The cursor of the next page; zero at the end.
    public var next: MemberTag

    /// The size of an answer without entries, in bytes.
    public static let fixedByteCount = 2 + 1 + MemberTag.byteCount

    /// Reads an answer behind kind and status; each of its entries is read to its end.
    init(reading reader: inout ByteReader, mask: AddressMask) throws(DecodeError) {
        count = try reader.readUInt8()
        let start = reader.position
        for _ in 0..<count { _ = try RosterEntry(reading: &reader, mask: mask) }
        entries = PacketSlice(offset: start, count: reader.position - start)
        next = try MemberTag(reading: &reader)
    }
}

/// A member in a roster (`docs/matchmaking.md` §4).
public struct RosterEntry: Equatable, Sendable, BitwiseCopyable {
    /// The member.
    public var memberTag: MemberTag
    /// The address at which it is listed.
    public var address: Endpoint
    /// Its revision.
    public var revision: UInt64
    /// Where its blob lies in the body.
    public var blob: PacketSlice

    /// The size of an entry but for its blob, with that address, in bytes.
    public static func fixedByteCount(_ address: Endpoint) -> Int {
        MemberTag.byteCount + address.matchByteCount + 8 + 2
    }

    /// An entry with these fields, whose blob lies at `blob` in the body that is read or written.
    public init(
        memberTag: MemberTag, address: Endpoint, revision: UInt64, blob: PacketSlice = PacketSlice(offset: 0, count: 0)
    ) {
        self.memberTag = memberTag
        self.address = address
        self.revision = revision
        self.blob = blob
    }

    /// Reads one entry.
    init(reading reader: inout ByteReader, mask: AddressMask) throws(DecodeError) {
        memberTag = try MemberTag(reading: &reader)
        address = try Endpoint(reading: &reader, mask: mask)
        revision = try reader.readUInt64()
        blob = try reader.readCounted(maximum: MatchConstants.maximumBlob)
    }

    /// Appends the entry but for its blob's bytes, of which there are `blobByteCount`.
    @_lifetime(output: copy output)
    public func writeFixed(blobByteCount: Int, mask: AddressMask, to output: inout OutputRawSpan) {
        memberTag.write(to: &output)
        address.write(to: &output, mask: mask)
        output.write(revision)
        output.write(UInt16(truncatingIfNeeded: blobByteCount))
    }
}

/// Goes through the entries of a `RosterAnswer`.
public struct RosterEntryReader: ~Escapable {
    private var reader: ByteReader
    private var remaining: UInt8
    private let mask: AddressMask

    /// Begins with the first entry of `answer`, which was read from `body`.
    @_lifetime(copy body)
    public init(_ answer: RosterAnswer, in body: RawSpan, mask: AddressMask) {
        reader = ByteReader(body, at: answer.entries.offset)
        remaining = answer.count
        self.mask = mask
    }

    /// The next entry, or nil after the last.
    public mutating func next() -> RosterEntry? {
        guard remaining > 0 else { return nil }
        remaining &-= 1
        // Each was read when the answer was.
        return try? RosterEntry(reading: &reader, mask: mask)
    }
}
