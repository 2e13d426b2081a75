import DXMatch
import DXWire
import NIOCore

/// What an origin says at the beginning of a stream, before all that the application sends, where the destination asked for it
/// (`docs/wire-format.md` §7.2).
struct StreamHead: Hashable, Sendable {
    /// Who opened the connection.
    enum Client: Hashable, Sendable {
        /// A program that embeds the origin's gateway, or `dxgateway nc`.
        case program
        /// An application at a unix socket.
        case unixSocket
        /// An application at this address, which came to that one.
        case tcp(Endpoint, entrance: Endpoint)
    }

    /// The client as an audit record names it; nil where the origin has not told.
    var clientText: String? {
        switch client {
        case .program: nil
        case .unixSocket: "a unix socket"
        case .tcp(let client, _): "\(client)"
        }
    }

    /// At which of the origin's ports it came in, from 0.
    var port: UInt64 = 0
    var client: Client = .program

    /// Behind its length, at most so many bytes: the fields below take 60, and newer versions may say more.
    static let maximumByteCount = 255

    private enum Field {
        static let port: UInt64 = 1
        static let client: UInt64 = 2
        static let entrance: UInt64 = 3
    }

    init(port: UInt64 = 0, client: Client = .program) {
        self.port = port
        self.client = client
    }

    /// Reads a head without its length: fields, each an identifier, a length and a value, to the end; unknown ones are skipped.
    init(reading reader: inout ByteReader) throws(DecodeError) {
        var isClientKnown = false
        var addresses: (client: Endpoint?, entrance: Endpoint?)
        while reader.remaining > 0 {
            let id = try reader.readVarInt()
            var value = ByteReader(try reader.readBytes(try reader.readLength()))
            switch id {
            case Field.port: port = try value.readVarInt()
            case Field.client:
                isClientKnown = true
                addresses.client = try Self.address(&value)
            case Field.entrance: addresses.entrance = try Self.address(&value)
            default: continue
            }
            guard value.remaining == 0 else { throw .invalidValue }
        }
        guard isClientKnown else { return }
        guard let client = addresses.client else {
            self.client = .unixSocket
            return
        }
        // Without the other one there is nothing to tell; a program at a target would be told half.
        guard let entrance = addresses.entrance else { throw .invalidValue }
        self.client = .tcp(client, entrance: entrance)
    }

    /// The head with its length before it.
    var encoded: [UInt8] {
        let body = TunnelMessageWriter.bytes(capacity: Self.maximumByteCount) { output in
            if port != 0 {
                output.writeVarInt(Field.port)
                output.writeVarInt(UInt64(VarInt.byteCount(port)))
                output.writeVarInt(port)
            }
            switch client {
            case .program: break
            case .unixSocket:
                output.writeVarInt(Field.client)
                output.writeVarInt(1)
                output.write(UInt8(0))
            case .tcp(let client, let entrance):
                Self.write(client, as: Field.client, to: &output)
                Self.write(entrance, as: Field.entrance, to: &output)
            }
        }
        let length = TunnelMessageWriter.bytes(capacity: 8) { $0.writeVarInt(UInt64(body.count)) }
        return length + body
    }

    /// Reads an address (`docs/matchmaking.md` §4, plain); nil for a unix socket's.
    private static func address(_ reader: inout ByteReader) throws(DecodeError) -> Endpoint? {
        guard try reader.peekUInt8() != 0 else {
            _ = try reader.readUInt8()
            return nil
        }
        return try Endpoint(reading: &reader, mask: .none)
    }

    @_lifetime(output: copy output)
    private static func write(_ address: Endpoint, as field: UInt64, to output: inout OutputRawSpan) {
        output.writeVarInt(field)
        output.writeVarInt(UInt64(address.matchByteCount))
        address.write(to: &output, mask: .none)
    }
}

/// Cuts the head off a stream. After an error the stream cannot be read on. Holds at most one read of the stream beside a head that is
/// not whole.
struct StreamHeadReader: Sendable {
    /// What has arrived; once the head was there what follows it.
    private(set) var bytes = ByteBuffer()

    /// Adds bytes that arrived.
    mutating func append(_ new: ByteBuffer) {
        if bytes.readableBytes == 0 { bytes = new } else { bytes.writeImmutableBuffer(new) }
    }

    /// The head; nil when more bytes are needed.
    mutating func next() throws(DecodeError) -> StreamHead? {
        guard let (head, used) = try Self.read(bytes) else { return nil }
        bytes.moveReaderIndex(forwardBy: used)
        return head
    }

    private static func read(_ bytes: ByteBuffer) throws(DecodeError) -> (head: StreamHead, byteCount: Int)? {
        var reader = ByteReader(bytes.readableBytesSpan)
        // Not even the length may be whole.
        guard let length = try? reader.readVarInt() else { return nil }
        guard length <= UInt64(StreamHead.maximumByteCount) else { throw .invalidValue }
        guard let body = try? reader.readBytes(Int(length)) else { return nil }
        var inner = ByteReader(body)
        return (try StreamHead(reading: &inner), reader.position)
    }
}
