import DXWire

/// The seal of a member's candidates (`docs/matchmaking.md` §6): whoever has the epoch's secret can take it off, the matchmaker
/// cannot. Who made it is for the signature inside to say.
extension VeilSecret {
    /// What a blob has beside its content: nonce and tag.
    public static let blobOverhead = RandomNonceSeal.overhead

    /// The blob of a content, for the member with this tag (16 bytes). Throws `packetSize` when the content is empty,
    /// `cryptography` when OpenSSL fails.
    public func sealBlob(_ content: RawSpan, memberTag: [UInt8]) throws(SecureError) -> [UInt8] {
        try blobSeal(memberTag).seal(content)
    }

    /// The content of a blob; nil when it was not sealed with this secret for the member with this tag (16 bytes).
    public func openBlob(_ blob: RawSpan, memberTag: [UInt8]) -> [UInt8]? { blobSeal(memberTag).open(blob) }

    private func blobSeal(_ memberTag: [UInt8]) -> RandomNonceSeal {
        precondition(memberTag.count == 16, "a member tag has 16 bytes")
        return RandomNonceSeal(key: bytes.derived(salt: "dx match blob 1", info: memberTag, count: 16))
    }
}
