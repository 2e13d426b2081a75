public import DXWire

/// CONNECT (`docs/wire-format.md` §3.3): the challenge comes back, and DTLS begins.
public struct Connect: Equatable, Sendable, BitwiseCopyable {
    /// The initiator's key.
    public var key: PublicKey
    /// The attempt.
    public var attempt: Attempt
    /// From the CHALLENGE.
    public var proof: Bytes32
    /// By which the initiator wants to receive.
    public var connectionID: ConnectionID
    /// Over `signedBytes`.
    public var signature: Signature
    /// Where in the message the DTLS datagram lies; when writing, ignored.
    public var datagram: PacketSlice

    static let type: UInt8 = 3
    /// The bytes before the DTLS datagram.
    static let headByteCount =
        2 + PublicKey.byteCount + Attempt.byteCount + Bytes32.byteCount + ConnectionID.byteCount + Signature.byteCount

    /// A message with these fields.
    public init(
        key: PublicKey, attempt: Attempt, proof: Bytes32, connectionID: ConnectionID, signature: Signature,
        datagram: PacketSlice
    ) {
        self.key = key
        self.attempt = attempt
        self.proof = proof
        self.connectionID = connectionID
        self.signature = signature
        self.datagram = datagram
    }

    init(reading reader: inout ByteReader) throws(DecodeError) {
        key = try PublicKey(reading: &reader)
        attempt = try Attempt(reading: &reader)
        proof = try Bytes32(reading: &reader)
        connectionID = ConnectionID(rawValue: try reader.readUInt64())
        signature = try Signature(reading: &reader)
        datagram = PacketSlice(offset: reader.position, count: reader.remaining)
    }

    /// Appends the message; `datagram` is the DTLS datagram.
    @_lifetime(output: copy output)
    public func write(_ datagram: RawSpan, to output: inout OutputRawSpan) {
        output.write(Self.type)
        output.write(VeiledMessage.version)
        key.write(to: &output)
        attempt.write(to: &output)
        proof.write(to: &output)
        output.write(connectionID.rawValue)
        signature.write(to: &output)
        output.write(datagram)
    }

    /// What the signature is over.
    static func signedBytes(
        receiver: GatewayID, nonce: VeilNonce, attempt: Attempt, proof: Bytes32, connectionID: ConnectionID
    ) -> [UInt8] {
        [UInt8](capacity: 144) { output in
            for character in "dx connect 1".utf8 { output.write(character) }
            output.write(receiver)
            nonce.write(to: &output)
            attempt.write(to: &output)
            proof.write(to: &output)
            output.write(connectionID.rawValue)
        }
    }
}
