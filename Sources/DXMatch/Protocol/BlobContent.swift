public import DXWire

/// What is in a blob (`docs/matchmaking.md` §6) when its seal is off: a gateway's candidates, signed by its identity.
public struct BlobContent: Equatable, Sendable {
    /// The gateway.
    public var gatewayID: GatewayID
    /// That of the registration.
    public var revision: UInt64
    /// What the NAT before it does with IPv4: both ends must know both ends' to judge what can work.
    public var behaviourV4: NATBehaviour
    /// The same for IPv6.
    public var behaviourV6: NATBehaviour
    /// At most `MatchConstants.maximumCandidates`.
    public var candidates: [Candidate]
    /// By the gateway's identity.
    public var signature: MatchSignature

    /// What the signed text begins with; the member tag and the content before the signature follow.
    public static let label: StaticString = "dx match blob 1"
    /// What the seal adds: nonce and tag.
    public static let sealByteCount = 12 + 16
    /// The largest size, in bytes.
    public static let maximumByteCount =
        headByteCount + MatchConstants.maximumCandidates * Candidate.maximumByteCount
        + MatchSignature.byteCount

    /// Gateway id, revision, two NATs, count of candidates.
    private static let headByteCount = GatewayID.byteCount + 8 + 2 + 2 + 1

    /// A content with these fields.
    public init(
        gatewayID: GatewayID, revision: UInt64, behaviourV4: NATBehaviour, behaviourV6: NATBehaviour,
        candidates: [Candidate], signature: MatchSignature = .zero
    ) {
        self.gatewayID = gatewayID
        self.revision = revision
        self.behaviourV4 = behaviourV4
        self.behaviourV6 = behaviourV6
        self.candidates = candidates
        self.signature = signature
    }

    /// Reads a whole content. Bytes after the signature are ignored. The signature is not checked: it is over `label`, the
    /// member tag and the first `signedByteCount` bytes of `content`.
    public init(reading content: RawSpan) throws(MatchDecodeError) {
        var reader = ByteReader(content)
        do {
            gatewayID = try GatewayID(reading: &reader)
            revision = try reader.readUInt64()
            behaviourV4 = NATBehaviour(bits: try reader.readUInt16())
            behaviourV6 = NATBehaviour(bits: try reader.readUInt16())
            let count = Int(try reader.readUInt8())
            guard count <= MatchConstants.maximumCandidates else { throw DecodeError.invalidValue }
            candidates = []
            candidates.reserveCapacity(count)
            for _ in 0..<count { candidates.append(try Candidate(reading: &reader)) }
            signature = try MatchSignature(reading: &reader)
        } catch { throw .malformed }
    }

    /// The number of bytes before the signature.
    public var signedByteCount: Int {
        var count = Self.headByteCount
        for candidate in candidates { count += 1 + 4 + candidate.endpoint.matchByteCount }
        return count
    }

    /// Appends what is signed, behind its label: the member tag and the content before the signature.
    @_lifetime(output: copy output)
    public func writeSigned(memberTag: MemberTag, to output: inout OutputRawSpan) {
        output.write(label: Self.label)
        memberTag.write(to: &output)
        writeUnsigned(to: &output)
    }

    /// Appends the whole content; more candidates than allowed are a programming error and trap.
    @_lifetime(output: copy output)
    public func write(to output: inout OutputRawSpan) {
        writeUnsigned(to: &output)
        signature.write(to: &output)
    }

    @_lifetime(output: copy output)
    private func writeUnsigned(to output: inout OutputRawSpan) {
        precondition(candidates.count <= MatchConstants.maximumCandidates, "a blob has its limit of candidates")
        output.write(gatewayID)
        output.write(revision)
        output.write(behaviourV4.bits)
        output.write(behaviourV6.bits)
        output.write(UInt8(candidates.count))
        for candidate in candidates { candidate.write(to: &output) }
    }
}
