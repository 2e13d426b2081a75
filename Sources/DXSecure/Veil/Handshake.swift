public import DXWire

/// HANDSHAKE (`docs/wire-format.md` §3.5): one DTLS datagram of a session's handshake.
public struct Handshake: Equatable, Sendable, BitwiseCopyable {
    /// The receiver's connection id.
    public var destination: ConnectionID
    /// By which the sender wants to receive.
    public var source: ConnectionID
    /// Where in the message the DTLS datagram lies; when writing, ignored.
    public var datagram: PacketSlice

    static let type: UInt8 = 16
    /// The bytes before the DTLS datagram.
    static let headByteCount = 2 + 2 * ConnectionID.byteCount

    /// A message with these fields.
    public init(destination: ConnectionID, source: ConnectionID, datagram: PacketSlice) {
        self.destination = destination
        self.source = source
        self.datagram = datagram
    }

    init(reading reader: inout ByteReader) throws(DecodeError) {
        destination = ConnectionID(rawValue: try reader.readUInt64())
        source = ConnectionID(rawValue: try reader.readUInt64())
        datagram = PacketSlice(offset: reader.position, count: reader.remaining)
    }

    /// Appends the message; `datagram` is the DTLS datagram.
    @_lifetime(output: copy output)
    public func write(_ datagram: RawSpan, to output: inout OutputRawSpan) {
        output.write(Self.type)
        output.write(VeiledMessage.version)
        output.write(destination.rawValue)
        output.write(source.rawValue)
        output.write(datagram)
    }
}
