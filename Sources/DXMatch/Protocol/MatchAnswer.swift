public import DXWire

/// The body of an ANSWER (`docs/matchmaking.md` §4), decoded. Trivial: blobs and entries stay where they lie and are named by
/// their place.
public enum MatchAnswer: Equatable, Sendable, BitwiseCopyable {
    /// Nothing but a status: of every failure, and of LEAVE.
    case status(MatchRequest.Kind, MatchStatus)
    /// OBSERVE, done.
    case observed(Endpoint)
    /// REGISTER, not yet: to be sent again with this proof. The address is the one that the matchmaker sees.
    case proveAddress(AddressProof, observed: Endpoint)
    /// REGISTER, done.
    case registered(RegisteredAnswer)
    /// ROSTER, done.
    case roster(RosterAnswer)
    /// INTRODUCE, done.
    case introduced(IntroducedAnswer)
    /// ADMIT, done: for so many seconds.
    case admitted(lifetime: UInt16)

    /// The size of kind and status, in bytes: the least of any answer.
    public static let headByteCount = 2

    /// Reads a whole body. Total: any bytes give an answer or a `MatchDecodeError`. Bytes after the fields are ignored.
    ///
    /// - Parameter mask: that of the request's sequence.
    public init(reading body: RawSpan, mask: AddressMask) throws(MatchDecodeError) {
        var reader = ByteReader(body)
        guard let first = try? reader.readUInt8(), let code = try? reader.readUInt8() else { throw .malformed }
        guard let kind = MatchRequest.Kind(rawValue: first) else { throw .unknownType }
        let status = MatchStatus(rawValue: code)
        do {
            switch (kind, status) {
            case (.observe, .done): self = .observed(try Endpoint(reading: &reader, mask: mask))
            case (.register, .done): self = .registered(try RegisteredAnswer(reading: &reader, mask: mask))
            case (.register, .proveAddress):
                let proof = try AddressProof(reading: &reader)
                self = .proveAddress(proof, observed: try Endpoint(reading: &reader, mask: mask))
            case (.roster, .done): self = .roster(try RosterAnswer(reading: &reader, mask: mask))
            case (.introduce, .done): self = .introduced(try IntroducedAnswer(reading: &reader, mask: mask))
            case (.admit, .done): self = .admitted(lifetime: try reader.readUInt16())
            default: self = .status(kind, status)
            }
        } catch { throw .malformed }
    }

    /// Appends an answer's kind and status, which is all of most failures.
    @_lifetime(output: copy output)
    public static func writeHead(_ kind: UInt8, _ status: MatchStatus, to output: inout OutputRawSpan) {
        output.write(kind)
        output.write(status.rawValue)
    }
}

/// What became of a request (`docs/matchmaking.md` §4). A struct: a newer matchmaker may give others.
public struct MatchStatus: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The number on the wire.
    public let rawValue: UInt8
    /// The status with this number.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Done.
    public static let done = MatchStatus(rawValue: 0)
    /// The address is not proved: ask again with the proof.
    public static let proveAddress = MatchStatus(rawValue: 1)
    /// The asker has no such registration, or asked with an old sequence.
    public static let notRegistered = MatchStatus(rawValue: 2)
    /// There is no such member in the asker's group.
    public static let unknownMember = MatchStatus(rawValue: 3)
    /// Too often: ask later.
    public static let tooOften = MatchStatus(rawValue: 4)
    /// There is no room.
    public static let full = MatchStatus(rawValue: 5)
    /// The signature is not the member key's.
    public static let wrongSignature = MatchStatus(rawValue: 6)
    /// A higher revision is held.
    public static let stale = MatchStatus(rawValue: 7)
    /// The body cannot be read.
    public static let malformed = MatchStatus(rawValue: 8)
    /// The ticket is not one for this request.
    public static let notServed = MatchStatus(rawValue: 9)
    /// The request is too small for its answer: pad it.
    public static let tooSmall = MatchStatus(rawValue: 10)
    /// This instance is going away and takes nobody new.
    public static let leaving = MatchStatus(rawValue: 11)
}

/// The answer to REGISTER (`docs/matchmaking.md` §4.1).
public struct RegisteredAnswer: Equatable, Sendable, BitwiseCopyable {
    /// The address that is listed.
    public var observed: Endpoint
    /// The name of the registration from now on.
    public var handle: Handle
    /// The lifetime granted, in seconds.
    public var lifetime: UInt16
    /// The members of the group that are registered, the asker among them; 65,535 for more.
    public var memberCount: UInt16
    /// Opaque; while it is the same, so is the roster.
    public var rosterDigest: UInt64

    /// The largest body, in bytes.
    public static let maximumByteCount = 2 + Endpoint.v6MatchByteCount + Handle.byteCount + 2 + 2 + 8

    /// An answer with these fields.
    public init(observed: Endpoint, handle: Handle, lifetime: UInt16, memberCount: UInt16, rosterDigest: UInt64) {
        self.observed = observed
        self.handle = handle
        self.lifetime = lifetime
        self.memberCount = memberCount
        self.rosterDigest = rosterDigest
    }

    /// Reads the fields behind kind and status.
    init(reading reader: inout ByteReader, mask: AddressMask) throws(DecodeError) {
        observed = try Endpoint(reading: &reader, mask: mask)
        handle = try Handle(reading: &reader)
        lifetime = try reader.readUInt16()
        memberCount = try reader.readUInt16()
        rosterDigest = try reader.readUInt64()
    }

    /// Appends the whole body.
    @_lifetime(output: copy output)
    public func write(mask: AddressMask, to output: inout OutputRawSpan) {
        MatchAnswer.writeHead(MatchRequest.Kind.register.rawValue, .done, to: &output)
        observed.write(to: &output, mask: mask)
        output.write(handle.rawValue)
        output.write(lifetime)
        output.write(memberCount)
        output.write(rosterDigest)
    }
}

/// The answer to INTRODUCE (`docs/matchmaking.md` §4.2).
public struct IntroducedAnswer: Equatable, Sendable, BitwiseCopyable {
    /// The address at which the other is listed.
    public var address: Endpoint
    /// The other's revision.
    public var revision: UInt64
    /// Where the other's blob lies in the body.
    public var blob: PacketSlice

    /// The size of the body but for its blob, with that address, in bytes.
    public static func fixedByteCount(_ address: Endpoint) -> Int { 2 + address.matchByteCount + 8 + 2 }

    /// An answer with these fields, whose blob lies at `blob` in the body that is read or written.
    public init(address: Endpoint, revision: UInt64, blob: PacketSlice = PacketSlice(offset: 0, count: 0)) {
        self.address = address
        self.revision = revision
        self.blob = blob
    }

    /// Reads the fields behind kind and status.
    init(reading reader: inout ByteReader, mask: AddressMask) throws(DecodeError) {
        address = try Endpoint(reading: &reader, mask: mask)
        revision = try reader.readUInt64()
        blob = try reader.readCounted(maximum: MatchConstants.maximumBlob)
    }

    /// Appends the whole body with these blob bytes. More than `maximumBlob` is a programming error and traps.
    @_lifetime(output: copy output)
    public func write(blob: RawSpan, mask: AddressMask, to output: inout OutputRawSpan) {
        precondition(blob.byteCount <= MatchConstants.maximumBlob, "a blob has its limit")
        MatchAnswer.writeHead(MatchRequest.Kind.introduce.rawValue, .done, to: &output)
        address.write(to: &output, mask: mask)
        output.write(revision)
        output.write(UInt16(blob.byteCount))
        output.write(blob)
    }
}
