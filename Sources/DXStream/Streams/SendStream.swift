internal import DXWire
internal import NIOCore

/// The sending half of a stream: what was written, what is on the way, what was lost, what is done.
///
/// Offsets, from low to high: `buffer.baseOffset` (all below is acknowledged), `nextOffset` (all below was sent at least
/// once), `buffer.endOffset` (all that was written). Lost ranges lie between the first two and are sent before new data.
struct SendStream: Sendable {
    /// Where the half is in its life (RFC 9000 §3.1, with "ready" and "send" as one).
    enum Phase: UInt8, Sendable {
        /// Data or FIN may still be written or sent.
        case sending
        /// A RESET waits to be sent, or to be sent again.
        case resetPending
        /// A RESET is on the way.
        case resetSent
        /// Everything, or the RESET, is acknowledged.
        case done
    }

    /// Where the FIN is.
    private enum Fin: UInt8 { case none, pending, sent, acknowledged }

    /// What one STREAM frame carries.
    struct Chunk: Equatable {
        /// The place of its first byte.
        var offset: UInt64
        /// The number of bytes.
        var count: Int
        /// Whether it ends the stream.
        var isFin: Bool
        /// Whether its bytes were never sent before, so that they count against the channel's flow control.
        var isNew: Bool
    }

    private(set) var phase: Phase = .sending
    private(set) var buffer = SendBuffer()
    /// The first byte that was never sent.
    private(set) var nextOffset: UInt64 = 0
    /// The offset that data must not pass: the peer's MAX_STREAM_DATA.
    private(set) var peerMaximum: UInt64
    /// Why the half was reset.
    private(set) var resetCode: StreamCode = .aborted
    private var acknowledged = RangeSet()
    private var lost = RangeSet()
    private var fin: Fin = .none

    /// A half on which `peerMaximum` bytes may be sent before the peer allows more.
    init(peerMaximum: UInt64) { self.peerMaximum = peerMaximum }

    /// Whether more may be written.
    var acceptsWrites: Bool { phase == .sending && fin == .none }
    /// Bytes written and not yet acknowledged.
    var bufferedByteCount: Int { buffer.byteCount }
    /// Where the next chunk begins.
    var nextChunkOffset: UInt64 { lost.firstRange?.lowerBound ?? nextOffset }
    /// Bytes written and never sent.
    var unsentByteCount: Int { Int(buffer.endOffset &- nextOffset) }
    /// Whether lost bytes wait to be sent again.
    var hasLostData: Bool { !lost.isEmpty }

    /// Whether a STREAM frame could be sent now, given what the channel's flow control still allows.
    func canSend(channelCredit: UInt64) -> Bool {
        guard phase == .sending else { return false }
        if !lost.isEmpty { return true }
        if nextOffset < buffer.endOffset { return nextOffset < peerMaximum && channelCredit > 0 }
        return fin == .pending
    }

    /// Appends bytes; the caller has checked `acceptsWrites`.
    mutating func write(_ bytes: ByteBuffer) { buffer.append(bytes) }

    /// Ends the stream after what was written.
    mutating func finish() { if fin == .none { fin = .pending } }

    /// Raises the peer's limit; a lower one is ignored (RFC 9000 §4.1). True when it rose.
    mutating func raiseMaximum(_ maximum: UInt64) -> Bool {
        guard maximum > peerMaximum else { return false }
        peerMaximum = maximum
        return true
    }

    /// Takes the next bytes to send, at most `maximum`; nil when there is nothing.
    mutating func takeChunk(maximum: Int, channelCredit: UInt64) -> Chunk? {
        guard phase == .sending else { return nil }
        if let range = lost.firstRange {
            let count = min(UInt64(maximum), range.upperBound &- range.lowerBound)
            guard count > 0 else { return nil }
            lost.remove(range.lowerBound..<(range.lowerBound &+ count))
            return chunk(offset: range.lowerBound, count: Int(count), isNew: false)
        }
        let allowed = min(buffer.endOffset, peerMaximum)
        if nextOffset < allowed {
            let count = min(UInt64(maximum), allowed &- nextOffset, channelCredit)
            guard count > 0 else { return nil }
            defer { nextOffset &+= count }
            return chunk(offset: nextOffset, count: Int(count), isNew: true)
        }
        guard fin == .pending, nextOffset == buffer.endOffset else { return nil }
        return chunk(offset: nextOffset, count: 0, isNew: false)
    }

    private mutating func chunk(offset: UInt64, count: Int, isNew: Bool) -> Chunk {
        let isFin = fin != .none && offset &+ UInt64(count) == buffer.endOffset
        if isFin && fin == .pending { fin = .sent }
        return Chunk(offset: offset, count: count, isFin: isFin, isNew: isNew)
    }

    /// Whether all bytes of a chunk may still have to be sent.
    func holds(_ chunk: Chunk) -> Bool {
        phase == .sending && chunk.offset >= buffer.baseOffset
            && chunk.offset &+ UInt64(chunk.count) <= buffer.endOffset
    }

    /// Copies the bytes of a chunk into a packet.
    @_lifetime(output: copy output)
    mutating func copy(_ chunk: Chunk, to output: inout OutputRawSpan) {
        buffer.copy(from: chunk.offset, count: chunk.count, to: &output)
    }

    /// A packet with these bytes was acknowledged; returns by how many bytes the buffer shrank.
    mutating func onAcknowledged(offset: UInt64, count: Int, isFin: Bool) -> Int {
        guard phase == .sending else { return 0 }
        if isFin { fin = .acknowledged }
        let before = buffer.byteCount
        if count > 0 {
            let range = offset..<(offset &+ UInt64(count))
            if !lost.isEmpty { lost.remove(range) }
            if range.lowerBound <= buffer.baseOffset && acknowledged.isEmpty {
                buffer.discard(below: range.upperBound)
            } else if range.upperBound > buffer.baseOffset {
                acknowledged.insert(max(range.lowerBound, buffer.baseOffset)..<range.upperBound)
                if let first = acknowledged.firstRange, first.lowerBound <= buffer.baseOffset {
                    buffer.discard(below: first.upperBound)
                    acknowledged.removeAll(below: first.upperBound)
                }
            }
        }
        if fin == .acknowledged && buffer.byteCount == 0 { phase = .done }
        return before &- buffer.byteCount
    }

    /// A packet with these bytes was lost: what was not acknowledged otherwise is sent again.
    mutating func onLost(offset: UInt64, count: Int, isFin: Bool) {
        guard phase == .sending else { return }
        if isFin && fin == .sent { fin = .pending }
        let end = offset &+ UInt64(count)
        var position = max(offset, buffer.baseOffset)
        while position < end, let gap = acknowledged.firstGap(in: offset..<end, from: position) {
            lost.insert(gap)
            position = gap.upperBound
        }
    }

    /// Gives up the rest of the stream. Does nothing when it is reset or done already.
    mutating func reset(code: StreamCode) {
        guard phase == .sending else { return }
        phase = .resetPending
        resetCode = code
        lost.removeAll()
        acknowledged.removeAll()
        buffer.discardAll()
    }

    /// The size that a RESET reports: how far data was ever sent.
    var finalSize: UInt64 { nextOffset }

    /// The RESET was put into a packet.
    mutating func onResetSent() { if phase == .resetPending { phase = .resetSent } }
    /// The packet with the RESET was acknowledged.
    mutating func onResetAcknowledged() { if phase == .resetSent || phase == .resetPending { phase = .done } }
    /// The packet with the RESET was lost.
    mutating func onResetLost() { if phase == .resetSent { phase = .resetPending } }
}
