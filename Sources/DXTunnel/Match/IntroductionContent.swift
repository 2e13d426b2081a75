import DXMatch
import DXSecure
import DXWire

/// What a member tells another one through a third (`docs/matchmaking.md` §11): sealed from end to end, so that the third one learns
/// that they look for each other, and nothing else.
struct IntroductionContent: Equatable {
    /// A random number of the one that asked; the answer has the same.
    var number: UInt64
    /// Whether it answers.
    var isAnswer: Bool
    /// Where the sender may be reached. The seal says who made it: there is no signature.
    var blob: BlobContent

    private static let version: UInt8 = 1
    private static let answerFlag: UInt8 = 1
    /// The longest one, sealed, in bytes.
    static let longest = 1 + 8 + 1 + BlobContent.maximumByteCount + PairSecret.sealOverhead

    /// A content with these fields.
    init(number: UInt64, isAnswer: Bool, blob: BlobContent) {
        self.number = number
        self.isAnswer = isAnswer
        self.blob = blob
    }

    /// What the other one of the pair sealed; nil for anything else.
    init?(sealed: [UInt8], by sender: GatewayID, _ secret: PairSecret) {
        guard let bytes = unsafe secret.open(sealed.span.bytes) else { return nil }
        let content = unsafe bytes.span.bytes
        var reader = ByteReader(content)
        guard let version = try? reader.readUInt8(), version == Self.version, let number = try? reader.readUInt64(),
            let flags = try? reader.readUInt8(),
            let blob = try? BlobContent(reading: content.extracting(reader.position...)), blob.gatewayID == sender
        else { return nil }
        self.init(number: number, isAnswer: flags & Self.answerFlag != 0, blob: blob)
    }

    /// The content, sealed. Throws `cryptography` when OpenSSL fails.
    func sealed(_ secret: PairSecret) throws(SecureError) -> [UInt8] {
        let bytes = TunnelMessageWriter.bytes(capacity: Self.longest) { output in
            output.write(Self.version)
            output.write(number)
            output.write(isAnswer ? Self.answerFlag : UInt8(0))
            blob.write(to: &output)
        }
        return unsafe try secret.seal(bytes.span.bytes)
    }
}
