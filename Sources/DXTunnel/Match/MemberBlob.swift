import DXMatch
import DXSecure
import DXWire

/// A member's candidates as they lie at a matchmaker (`docs/matchmaking.md` §6): signed by its identity, sealed with the epoch's
/// secret.
enum MemberBlob {
    /// What follows the signature, where the blob is no group's.
    enum Addition: Equatable {
        /// Nothing.
        case none
        /// The identity's public key, for those who do not know it: where a gateway joins.
        case key
        /// The number of the newest epoch that the sender has: under a return tag.
        case epoch(UInt64)
    }

    /// An opened blob.
    struct Opened {
        var content: BlobContent
        /// By which it was signed.
        var key: PublicKey
        /// What its sender says of its newest epoch, under a return tag.
        var epoch: UInt64?
    }

    /// The blob of these candidates. At most `MatchConstants.maximumBlob` bytes. Throws `cryptography` when OpenSSL fails.
    ///
    /// - Parameters:
    ///   - content: with `identity`'s gateway id; its signature is not looked at.
    ///   - memberTag: under which it is registered.
    ///   - addition: what follows it.
    static func seal(
        _ content: BlobContent, by identity: Identity, memberTag: MemberTag, secret: VeilSecret,
        _ addition: Addition = .none
    ) throws(SecureError) -> [UInt8] {
        var signed = content
        let text = signedText(content, memberTag)
        signed.signature = MatchSignature(unsafe try identity.sign(text.span.bytes))
        let capacity = BlobContent.maximumByteCount + PublicKey.byteCount
        let bytes = TunnelMessageWriter.bytes(capacity: capacity) {
            signed.write(to: &$0)
            switch addition {
            case .none: break
            case .key: identity.publicKey.write(to: &$0)
            case .epoch(let number): $0.write(number)
            }
        }
        return unsafe try secret.sealBlob(bytes.span.bytes, memberTag: memberTag.bytes)
    }

    /// What a blob says; nil when it was not sealed with this secret for this tag, cannot be read, or is
    /// not signed by that key.
    ///
    /// - Parameter publicKey: of the gateway with that id, of which the blob may tell the key; nil when it is nobody's.
    static func open(
        _ blob: [UInt8], memberTag: MemberTag, secret: VeilSecret, publicKey: (GatewayID, PublicKey?) -> PublicKey?
    ) -> Opened? {
        guard let bytes = unsafe secret.openBlob(blob.span.bytes, memberTag: memberTag.bytes),
            let content = unsafe try? BlobContent(reading: bytes.span.bytes)
        else { return nil }
        let rest = Array(bytes.dropFirst(content.signedByteCount + Signature.byteCount))
        guard let key = publicKey(content.gatewayID, try? PublicKey(field: rest)) else { return nil }
        let text = signedText(content, memberTag)
        let isSigned = unsafe key.isValid(Signature(content.signature), for: text.span.bytes)
        guard isSigned else { return nil }
        return Opened(content: content, key: key, epoch: epoch(rest))
    }

    private static func epoch(_ addition: [UInt8]) -> UInt64? {
        guard addition.count == 8 else { return nil }
        return addition.reduce(0) { $0 &<< 8 | UInt64($1) }
    }

    private static func signedText(_ content: BlobContent, _ memberTag: MemberTag) -> [UInt8] {
        let capacity = BlobContent.label.utf8CodeUnitCount + MemberTag.byteCount + content.signedByteCount
        return TunnelMessageWriter.bytes(capacity: capacity) {
            content.writeSigned(memberTag: memberTag, to: &$0)
        }
    }
}
