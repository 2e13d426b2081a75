import DXWire

/// HELLO (`docs/wire-format.md` §3.1): asks a gateway for a challenge.
public struct Hello: Equatable, Sendable, BitwiseCopyable {
    /// The initiator's key; its hash is the initiator's gateway id.
    public var key: PublicKey
    /// The attempt.
    public var attempt: Attempt
    /// Over `signedBytes`.
    public var signature: Signature

    static let type: UInt8 = 1
    /// The whole message.
    static let byteCount = 2 + PublicKey.byteCount + Attempt.byteCount + Signature.byteCount

    /// A message with these fields.
    public init(key: PublicKey, attempt: Attempt, signature: Signature) {
        self.key = key
        self.attempt = attempt
        self.signature = signature
    }

    init(reading reader: inout ByteReader) throws(DecodeError) {
        key = try PublicKey(reading: &reader)
        attempt = try Attempt(reading: &reader)
        signature = try Signature(reading: &reader)
    }

    /// Appends the message.
    @_lifetime(output: copy output)
    public func write(to output: inout OutputRawSpan) {
        output.write(Self.type)
        output.write(VeiledMessage.version)
        key.write(to: &output)
        attempt.write(to: &output)
        signature.write(to: &output)
    }

    /// What the signature is over.
    static func signedBytes(receiver: GatewayID, nonce: VeilNonce, attempt: Attempt) -> [UInt8] {
        [UInt8](capacity: 144) { output in
            for character in "dx hello 1".utf8 { output.write(character) }
            output.write(receiver)
            nonce.write(to: &output)
            attempt.write(to: &output)
        }
    }
}
