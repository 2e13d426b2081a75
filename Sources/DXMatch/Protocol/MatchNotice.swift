public import DXWire

/// The body of a NOTICE (`docs/matchmaking.md` §4.2): somebody was told of the receiver and will send checks.
public struct MatchNotice: Equatable, Sendable, BitwiseCopyable {
    /// The member that asked.
    public var memberTag: MemberTag
    /// The address at which it is listed.
    public var address: Endpoint
    /// The name of the introduction: acted upon once.
    public var nonce: UInt64
    /// Its revision.
    public var revision: UInt64
    /// Where its blob lies in the body.
    public var blob: PacketSlice

    /// The first byte: the one kind of notice that there is.
    public static let kind: UInt8 = 1
    /// The largest body, in bytes.
    public static let maximumByteCount =
        1 + MemberTag.byteCount + Endpoint.v6MatchByteCount + 8 + 8 + 2 + MatchConstants.maximumBlob

    /// A notice with these fields, whose blob lies at `blob` in the body that is read or written.
    public init(
        memberTag: MemberTag, address: Endpoint, nonce: UInt64, revision: UInt64,
        blob: PacketSlice = PacketSlice(offset: 0, count: 0)
    ) {
        self.memberTag = memberTag
        self.address = address
        self.nonce = nonce
        self.revision = revision
        self.blob = blob
    }

    /// Reads a whole body. Bytes after the fields are ignored.
    ///
    /// - Parameter mask: that of the notice's number.
    public init(reading body: RawSpan, mask: AddressMask) throws(MatchDecodeError) {
        var reader = ByteReader(body)
        guard let kind = try? reader.readUInt8() else { throw .malformed }
        guard kind == Self.kind else { throw .unknownType }
        do {
            memberTag = try MemberTag(reading: &reader)
            address = try Endpoint(reading: &reader, mask: mask)
            nonce = try reader.readUInt64()
            revision = try reader.readUInt64()
            blob = try reader.readCounted(maximum: MatchConstants.maximumBlob)
        } catch { throw .malformed }
    }

    /// Appends the whole body with these blob bytes. More than `maximumBlob` is a programming error and traps.
    @_lifetime(output: copy output)
    public func write(blob: RawSpan, mask: AddressMask, to output: inout OutputRawSpan) {
        precondition(blob.byteCount <= MatchConstants.maximumBlob, "a blob has its limit")
        output.write(Self.kind)
        memberTag.write(to: &output)
        address.write(to: &output, mask: mask)
        output.write(nonce)
        output.write(revision)
        output.write(UInt16(blob.byteCount))
        output.write(blob)
    }
}
