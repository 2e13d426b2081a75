public import DXWire

/// The body of a REQUEST (`docs/matchmaking.md` §4), decoded. Trivial: a blob stays where it lies and is named by its place.
public enum MatchRequest: Equatable, Sendable, BitwiseCopyable {
    /// Asks for the address that the matchmaker sees.
    case observe
    /// Asks to be listed.
    case register(RegisterRequest)
    /// Asks to be listed no more.
    case leave(Handle)
    /// Asks who else is listed.
    case roster(RosterRequest)
    /// Asks to be introduced to a member.
    case introduce(IntroduceRequest)
    /// Asks that holders of another match key are served for a while.
    case admit(AdmitRequest)

    /// The first byte of a request's body and of its answer's.
    public enum Kind: UInt8, CaseIterable, Sendable, BitwiseCopyable {
        /// OBSERVE.
        case observe = 1
        /// REGISTER.
        case register = 2
        /// LEAVE.
        case leave = 3
        /// ROSTER.
        case roster = 4
        /// INTRODUCE.
        case introduce = 5
        /// ADMIT.
        case admit = 6
    }

    /// Which request it is.
    public var kind: Kind {
        switch self {
        case .observe: .observe
        case .register: .register
        case .leave: .leave
        case .roster: .roster
        case .introduce: .introduce
        case .admit: .admit
        }
    }

    /// Reads a whole body. Total: any bytes give a request or a `MatchDecodeError`. Bytes after its fields are ignored: a
    /// request is padded to the size of the answer that its sender is ready to hear.
    public init(reading body: RawSpan) throws(MatchDecodeError) {
        var reader = ByteReader(body)
        guard let first = try? reader.readUInt8() else { throw .malformed }
        guard let kind = Kind(rawValue: first) else { throw .unknownType }
        do {
            switch kind {
            case .observe: self = .observe
            case .register: self = .register(try RegisterRequest(reading: &reader))
            case .leave: self = .leave(try Handle(reading: &reader))
            case .roster: self = .roster(try RosterRequest(reading: &reader))
            case .introduce: self = .introduce(try IntroduceRequest(reading: &reader))
            case .admit: self = .admit(try AdmitRequest(reading: &reader))
            }
        } catch { throw .malformed }
    }

    /// Appends the body of an OBSERVE.
    @_lifetime(output: copy output)
    public static func writeObserve(to output: inout OutputRawSpan) { output.write(Kind.observe.rawValue) }

    /// Appends the body of a LEAVE.
    @_lifetime(output: copy output)
    public static func writeLeave(_ handle: Handle, to output: inout OutputRawSpan) {
        output.write(Kind.leave.rawValue)
        output.write(handle.rawValue)
    }
}

/// REGISTER (`docs/matchmaking.md` §4.1).
public struct RegisterRequest: Equatable, Sendable, BitwiseCopyable {
    /// The group.
    public var groupTag: GroupTag
    /// The sender's key, whose hash is its member tag.
    public var memberKey: PublicPoint
    /// The sender's count of registrations that differ, rising.
    public var revision: UInt64
    /// The lifetime wanted, in seconds; brought into its range by the matchmaker.
    public var lifetime: UInt16
    /// No flag is defined yet.
    public var flags: UInt8
    /// Where the blob lies in the body.
    public var blob: PacketSlice
    /// By the member key, over `signedText`.
    public var signature: MatchSignature
    /// From the answer to a first REGISTER; zero in that.
    public var proof: AddressProof

    /// The size of the body without the blob, in bytes.
    public static let fixedByteCount =
        1 + GroupTag.byteCount + PublicPoint.byteCount + 8 + 2 + 1 + 2 + MatchSignature.byteCount
        + AddressProof.byteCount
    /// What the signed text begins with.
    public static let label: StaticString = "dx match register 1"
    /// The size of the signed text, in bytes.
    public static let signedByteCount =
        label.utf8CodeUnitCount + GatewayID.byteCount + GroupTag.byteCount + 8 + 2 + 1 + Block32.byteCount

    /// A request with these fields, whose blob lies at `blob` in the body that is read or written.
    public init(
        groupTag: GroupTag, memberKey: PublicPoint, revision: UInt64, lifetime: UInt16, flags: UInt8 = 0,
        blob: PacketSlice = PacketSlice(offset: 0, count: 0), signature: MatchSignature = .zero,
        proof: AddressProof = .zero
    ) {
        self.groupTag = groupTag
        self.memberKey = memberKey
        self.revision = revision
        self.lifetime = lifetime
        self.flags = flags
        self.blob = blob
        self.signature = signature
        self.proof = proof
    }

    /// Reads the fields behind the kind.
    init(reading reader: inout ByteReader) throws(DecodeError) {
        groupTag = try GroupTag(reading: &reader)
        memberKey = try PublicPoint(reading: &reader)
        revision = try reader.readUInt64()
        lifetime = try reader.readUInt16()
        flags = try reader.readUInt8()
        blob = try reader.readCounted(maximum: MatchConstants.maximumBlob)
        signature = try MatchSignature(reading: &reader)
        proof = try AddressProof(reading: &reader)
    }

    /// Appends the body with these blob bytes: `fixedByteCount` and as many as they are. More than `maximumBlob` is a
    /// programming error and traps.
    @_lifetime(output: copy output)
    public func write(blob: RawSpan, to output: inout OutputRawSpan) {
        precondition(blob.byteCount <= MatchConstants.maximumBlob, "a blob has its limit")
        output.write(MatchRequest.Kind.register.rawValue)
        groupTag.write(to: &output)
        memberKey.write(to: &output)
        output.write(revision)
        output.write(lifetime)
        output.write(flags)
        output.write(UInt16(blob.byteCount))
        output.write(blob)
        signature.write(to: &output)
        proof.write(to: &output)
    }

    /// Appends what the signature covers: `signedByteCount` bytes.
    ///
    /// - Parameters:
    ///   - pin: the matchmaker's, so that one matchmaker cannot use at another what it was sent.
    ///   - blobHash: the SHA-256 of the blob.
    @_lifetime(output: copy output)
    public func writeSigned(pin: GatewayID, blobHash: Block32, to output: inout OutputRawSpan) {
        output.write(label: Self.label)
        output.write(pin)
        groupTag.write(to: &output)
        output.write(revision)
        output.write(lifetime)
        output.write(flags)
        blobHash.write(to: &output)
    }
}

/// ROSTER (`docs/matchmaking.md` §4).
public struct RosterRequest: Equatable, Sendable, BitwiseCopyable {
    /// The sender's registration.
    public var handle: Handle
    /// The last member tag of the page before; zero to begin.
    public var cursor: MemberTag

    /// The size of the body without padding, in bytes.
    public static let byteCount = 1 + Handle.byteCount + MemberTag.byteCount

    /// A request with these fields.
    public init(handle: Handle, cursor: MemberTag = .zero) {
        self.handle = handle
        self.cursor = cursor
    }

    /// Reads the fields behind the kind.
    init(reading reader: inout ByteReader) throws(DecodeError) {
        handle = try Handle(reading: &reader)
        cursor = try MemberTag(reading: &reader)
    }

    /// Appends the body, without padding.
    @_lifetime(output: copy output)
    public func write(to output: inout OutputRawSpan) {
        output.write(MatchRequest.Kind.roster.rawValue)
        output.write(handle.rawValue)
        cursor.write(to: &output)
    }
}

/// INTRODUCE (`docs/matchmaking.md` §4.2).
public struct IntroduceRequest: Equatable, Sendable, BitwiseCopyable {
    /// The sender's registration.
    public var handle: Handle
    /// The other member.
    public var memberTag: MemberTag
    /// Names this introduction: asked for again, it is not made again.
    public var nonce: UInt64
    /// Where the blob for the other lies in the body; empty for the registered one.
    public var blob: PacketSlice

    /// The size of the body without the blob and padding, in bytes.
    public static let fixedByteCount = 1 + Handle.byteCount + MemberTag.byteCount + 8 + 2

    /// A request with these fields, whose blob lies at `blob` in the body that is read or written.
    public init(
        handle: Handle, memberTag: MemberTag, nonce: UInt64, blob: PacketSlice = PacketSlice(offset: 0, count: 0)
    ) {
        self.handle = handle
        self.memberTag = memberTag
        self.nonce = nonce
        self.blob = blob
    }

    /// Reads the fields behind the kind.
    init(reading reader: inout ByteReader) throws(DecodeError) {
        handle = try Handle(reading: &reader)
        memberTag = try MemberTag(reading: &reader)
        nonce = try reader.readUInt64()
        blob = try reader.readCounted(maximum: MatchConstants.maximumBlob)
    }

    /// Appends the body with these blob bytes, without padding. More than `maximumBlob` is a programming error and traps.
    @_lifetime(output: copy output)
    public func write(blob: RawSpan, to output: inout OutputRawSpan) {
        precondition(blob.byteCount <= MatchConstants.maximumBlob, "a blob has its limit")
        output.write(MatchRequest.Kind.introduce.rawValue)
        output.write(handle.rawValue)
        memberTag.write(to: &output)
        output.write(nonce)
        output.write(UInt16(blob.byteCount))
        output.write(blob)
    }
}

extension OutputRawSpan {
    /// Appends the text that tells what is signed or derived, in UTF-8 and without an end.
    @_lifetime(self: copy self)
    mutating func write(label: StaticString) {
        // Static text lives as long as the program.
        unsafe write(
            RawSpan(_unsafeStart: UnsafeRawPointer(label.utf8Start), byteCount: label.utf8CodeUnitCount))
    }
}
