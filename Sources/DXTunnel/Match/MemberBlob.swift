import DXMatch
import DXSecure
import DXWire

/// A member's candidates as they lie at a matchmaker (`docs/matchmaking.md` §6): signed by its identity, sealed with the epoch's
/// secret.
enum MemberBlob {
    /// The blob of these candidates. At most `MatchConstants.maximumBlob` bytes. Throws `cryptography` when OpenSSL fails.
    ///
    /// - Parameters:
    ///   - content: with `identity`'s gateway id; its signature is not looked at.
    ///   - memberTag: under which it is registered.
    static func seal(
        _ content: BlobContent, by identity: Identity, memberTag: DXMatch.MemberTag, secret: VeilSecret
    ) throws(SecureError) -> [UInt8] {
        var signed = content
        let text = signedText(content, memberTag)
        signed.signature = MatchSignature(unsafe try identity.sign(text.span.bytes))
        let bytes = TunnelMessageWriter.bytes(capacity: BlobContent.maximumByteCount) { signed.write(to: &$0) }
        return unsafe try secret.sealBlob(bytes.span.bytes, memberTag: memberTag.bytes)
    }

    /// What a blob says; nil when it was not sealed with this secret for this tag, cannot be read, or is not signed by a member.
    ///
    /// - Parameter publicKey: of the member with that gateway id; nil when there is none.
    static func open(
        _ blob: [UInt8], memberTag: DXMatch.MemberTag, secret: VeilSecret, publicKey: (GatewayID) -> PublicKey?
    ) -> BlobContent? {
        guard let bytes = unsafe secret.openBlob(blob.span.bytes, memberTag: memberTag.bytes),
            let content = unsafe try? BlobContent(reading: bytes.span.bytes), let key = publicKey(content.gatewayID)
        else { return nil }
        let text = signedText(content, memberTag)
        let isSigned = unsafe key.isValid(Signature(content.signature), for: text.span.bytes)
        return isSigned ? content : nil
    }

    private static func signedText(_ content: BlobContent, _ memberTag: DXMatch.MemberTag) -> [UInt8] {
        let capacity = BlobContent.label.utf8CodeUnitCount + DXMatch.MemberTag.byteCount + content.signedByteCount
        return TunnelMessageWriter.bytes(capacity: capacity) {
            content.writeSigned(memberTag: memberTag, to: &$0)
        }
    }
}
