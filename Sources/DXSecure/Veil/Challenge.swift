import DXWire

/// CHALLENGE (`docs/wire-format.md` §3.2): to be sent back in a CONNECT, which proves the initiator's address.
public struct Challenge: Equatable, Sendable, BitwiseCopyable {
    /// From the HELLO.
    public var attempt: Attempt
    /// What only the responder can make and check.
    public var proof: Bytes32

    static let type: UInt8 = 2
    /// The whole message.
    static let byteCount = 2 + Attempt.byteCount + Bytes32.byteCount

    /// A message with these fields.
    public init(attempt: Attempt, proof: Bytes32) {
        self.attempt = attempt
        self.proof = proof
    }

    init(reading reader: inout ByteReader) throws(DecodeError) {
        attempt = try Attempt(reading: &reader)
        proof = try Bytes32(reading: &reader)
    }

    /// Appends the message.
    @_lifetime(output: copy output)
    public func write(to output: inout OutputRawSpan) {
        output.write(Self.type)
        output.write(VeiledMessage.version)
        attempt.write(to: &output)
        proof.write(to: &output)
    }
}
