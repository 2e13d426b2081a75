internal import DXWire
internal import NIOCore

/// The ordered bytes of control messages, one stream each way, outside flow control (`docs/wire-format.md` §6.6).
///
/// Limits: at most `Constants.controlWindow` bytes beyond what is acknowledged are on the way; at most
/// `maximumBufferedByteCount` wait to be sent; what the owner does not read is bounded by the same figure.
struct ControlStream: Sendable {
    private(set) var send = SendStream(peerMaximum: Constants.controlWindow)
    private(set) var reassembler = Reassembler()
    var isReadableQueued = false

    /// 1 MiB: a burst of configuration; an owner that queues more is told so.
    static let maximumBufferedByteCount = 1 << 20

    /// Whether there is something to send.
    var canSend: Bool { send.canSend(channelCredit: .max) }
    /// Whether this many bytes may be queued.
    func accepts(_ count: Int) -> Bool { send.bufferedByteCount &+ count <= Self.maximumBufferedByteCount }

    /// Queues bytes.
    mutating func write(_ bytes: ByteBuffer) { send.write(bytes) }
    /// Takes the next bytes to send.
    mutating func takeChunk(maximum: Int) -> SendStream.Chunk? {
        send.takeChunk(maximum: maximum, channelCredit: .max)
    }
    /// Copies a chunk into a packet.
    @_lifetime(output: copy output)
    mutating func copy(_ chunk: SendStream.Chunk, to output: inout OutputRawSpan) { send.copy(chunk, to: &output) }

    /// A packet with these bytes was acknowledged: as many more may go.
    mutating func onAcknowledged(offset: UInt64, count: Int) {
        _ = send.onAcknowledged(offset: offset, count: count, isFin: false)
        _ = send.raiseMaximum(send.buffer.baseOffset &+ Constants.controlWindow)
    }
    /// A packet with these bytes was lost.
    mutating func onLost(offset: UInt64, count: Int) { send.onLost(offset: offset, count: count, isFin: false) }

    /// What became of a CONTROL frame.
    enum Received { case accepted, refused, violation }

    /// Takes a CONTROL frame.
    mutating func receive(_ bytes: RawSpan, at offset: UInt64, store: inout ChunkStore) -> Received {
        let end = offset &+ UInt64(bytes.byteCount)
        guard end <= reassembler.contiguousOffset &+ Constants.controlWindow,
            reassembler.readyByteCount <= Self.maximumBufferedByteCount
        else { return .violation }
        return reassembler.insert(bytes, at: offset, store: &store) ? .accepted : .refused
    }

    /// The next bytes in order.
    mutating func read(store: inout ChunkStore) -> ByteBuffer? { reassembler.read(store: &store) }
}
