import DXWire
import NIOCore

/// Cuts the control stream into messages (`docs/wire-format.md` §7).
///
/// After an error the stream cannot be read on: the channel is closed. Limit: a message of at most
/// `Constants.maximumControlMessage` bytes is kept until it is whole.
struct TunnelMessageReader: Sendable {
    private(set) var buffer = ByteBuffer()

    /// Adds bytes that arrived.
    mutating func append(_ bytes: ByteBuffer) {
        buffer.discardReadBytes()
        buffer.writeImmutableBuffer(bytes)
    }

    /// The next whole message; nil when more bytes are needed.
    mutating func next() throws(DecodeError) -> TunnelMessage? {
        let available = buffer.readableBytes
        guard available > 0 else { return nil }
        var (message, used): (TunnelMessage?, Int) = (nil, 0)
        do throws(DecodeError) {
            var reader = ByteReader(buffer.readableBytesSpan)
            let length = try reader.readVarInt()
            guard length <= UInt64(Constants.maximumControlMessage) else { throw .invalidValue }
            guard reader.remaining >= Int(length) else { return nil }
            let start = reader.position
            var body = ByteReader(buffer.readableBytesSpan.extracting(start..<(start + Int(length))))
            message = try TunnelMessage(reading: &body)
            used = start + Int(length)
        } catch {
            // Less than a whole length field: wait for the rest.
            if error == .truncated && available < 8 && message == nil && isLengthIncomplete { return nil }
            throw error
        }
        buffer.moveReaderIndex(forwardBy: used)
        return message
    }

    /// Whether the length of the next message has not arrived whole.
    private var isLengthIncomplete: Bool {
        var reader = ByteReader(buffer.readableBytesSpan)
        return (try? reader.readVarInt()) == nil
    }
}
