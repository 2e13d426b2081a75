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
    ///   - tellsKey: whether the identity's public key follows, for those who do not know it: where a gateway joins.
    static func seal(
        _ content: BlobContent, by identity: Identity, memberTag: MemberTag, secret: VeilSecret, tellsKey: Bool = false
    ) throws(SecureError) -> [UInt8] {
        var signed = content
        let text = signedText(content, memberTag)
        signed.signature = MatchSignature(unsafe try identity.sign(text.span.bytes))
        let capacity = BlobContent.maximumByteCount + PublicKey.byteCount
        let bytes = TunnelMessageWriter.bytes(capacity: capacity) {
            signed.write(to: &$0)
            if tellsKey { identity.publicKey.write(to: &$0) }
        }
        return unsafe try secret.sealBlob(bytes.span.bytes, memberTag: memberTag.bytes)
    }

    /// What a blob says and by whose key it is signed; nil when it was not sealed with this secret for this tag, cannot be read, or is
    /// not signed by that key.
    ///
    /// - Parameter publicKey: of the gateway with that id, of which the blob may tell the key; nil when it is nobody's.
    static func open(
        _ blob: [UInt8], memberTag: MemberTag, secret: VeilSecret, publicKey: (GatewayID, PublicKey?) -> PublicKey?
    ) -> (content: BlobContent, key: PublicKey)? {
        guard let bytes = unsafe secret.openBlob(blob.span.bytes, memberTag: memberTag.bytes),
            let content = unsafe try? BlobContent(reading: bytes.span.bytes)
        else { return nil }
        let rest = bytes.dropFirst(content.signedByteCount + Signature.byteCount)
        guard let key = publicKey(content.gatewayID, try? PublicKey(field: Array(rest))) else { return nil }
        let text = signedText(content, memberTag)
        let isSigned = unsafe key.isValid(Signature(content.signature), for: text.span.bytes)
        return isSigned ? (content, key) : nil
    }

    private static func signedText(_ content: BlobContent, _ memberTag: MemberTag) -> [UInt8] {
        let capacity = BlobContent.label.utf8CodeUnitCount + MemberTag.byteCount + content.signedByteCount
        return TunnelMessageWriter.bytes(capacity: capacity) {
            content.writeSigned(memberTag: memberTag, to: &$0)
        }
    }
}
