/// Writes frames into a packet under construction (`docs/wire-format.md` §6).
///
/// The caller asks for room first; `…ByteCount` functions tell how much a frame takes. Writing past the capacity traps.
extension OutputRawSpan {
    /// PING, §6.2.
    @_lifetime(self: copy self)
    public mutating func writePing() { write(FrameType.ping) }

    /// PADDING, §6.1: `count` bytes.
    @_lifetime(self: copy self)
    public mutating func writePadding(_ count: Int) { writeZeros(count) }

    /// The head of an ACK, §6.3, up to and with the first range. `rangeCount - 1` calls of `writeAckRange` follow, then,
    /// when `hasECN`, one of `writeAckECN`.
    ///
    /// - Parameters:
    ///   - firstRangeLength: the size of the range that ends with `largest`, minus 1.
    ///   - delay: written in microseconds; negative is written as 0.
    @_lifetime(self: copy self)
    public mutating func writeAckHead(
        pathID: PathID, largest: UInt64, delay: Interval, rangeCount: Int, firstRangeLength: UInt64, hasECN: Bool
    ) {
        write(hasECN ? FrameType.ackECN : FrameType.ack)
        writeVarInt(pathID.rawValue)
        writeVarInt(largest)
        writeVarInt(UInt64(Swift.max(0, delay.microseconds)))
        writeVarInt(UInt64(rangeCount))
        writeVarInt(firstRangeLength)
    }

    /// A further range of an ACK: `gap` unreceived numbers minus 1 below the range before, then `length` + 1 received.
    @_lifetime(self: copy self)
    public mutating func writeAckRange(gap: UInt64, length: UInt64) {
        writeVarInt(gap)
        writeVarInt(length)
    }

    /// The end of an ACK with ECN counts.
    @_lifetime(self: copy self)
    public mutating func writeAckECN(_ counts: ECNCounts) {
        writeVarInt(counts.ect0)
        writeVarInt(counts.ect1)
        writeVarInt(counts.ce)
    }

    /// RESET, §6.4.
    @_lifetime(self: copy self)
    public mutating func write(_ frame: ResetFrame) {
        write(FrameType.reset)
        writeVarInt(frame.id.rawValue)
        writeVarInt(frame.code.rawValue)
        writeVarInt(frame.finalSize)
    }

    /// STOP, §6.5.
    @_lifetime(self: copy self)
    public mutating func write(_ frame: StopFrame) {
        write(FrameType.stop)
        writeVarInt(frame.id.rawValue)
        writeVarInt(frame.code.rawValue)
    }

    /// The head of a CONTROL, §6.6; `count` bytes of data follow.
    @_lifetime(self: copy self)
    public mutating func writeControlHead(offset: UInt64, count: Int) {
        write(FrameType.control)
        writeVarInt(offset)
        writeVarInt(UInt64(count))
    }

    /// MAX_DATA, §6.7.
    @_lifetime(self: copy self)
    public mutating func writeMaxData(_ maximum: UInt64) {
        write(FrameType.maxData)
        writeVarInt(maximum)
    }

    /// MAX_STREAM_DATA, §6.8.
    @_lifetime(self: copy self)
    public mutating func write(_ frame: MaxStreamDataFrame) {
        write(FrameType.maxStreamData)
        writeVarInt(frame.id.rawValue)
        writeVarInt(frame.maximum)
    }

    /// MAX_STREAMS, §6.9.
    @_lifetime(self: copy self)
    public mutating func writeMaxStreams(_ count: UInt64) {
        write(FrameType.maxStreams)
        writeVarInt(count)
    }

    /// OPEN, §6.10.
    @_lifetime(self: copy self)
    public mutating func write(_ frame: OpenFrame) {
        write(FrameType.open)
        writeVarInt(frame.id.rawValue)
        write(frame.internalPort)
        write(frame.streamClass.rawValue)
        writeVarInt(UInt64(frame.share))
        writeVarInt(frame.flags)
    }

    /// PATH_CHALLENGE, §6.11.
    @_lifetime(self: copy self)
    public mutating func writePathChallenge(_ data: UInt64) {
        write(FrameType.pathChallenge)
        write(data)
    }

    /// PATH_RESPONSE, §6.12.
    @_lifetime(self: copy self)
    public mutating func writePathResponse(_ data: UInt64) {
        write(FrameType.pathResponse)
        write(data)
    }

    /// The head of a DATAGRAM, §6.13; `count` bytes of data follow.
    @_lifetime(self: copy self)
    public mutating func writeDatagramHead(flow: UInt64, count: Int) {
        write(FrameType.datagram)
        writeVarInt(flow)
        writeVarInt(UInt64(count))
    }

    /// CLOSE, §6.14. Of `reason` at most the first 128 bytes are written, cut at a character.
    @_lifetime(self: copy self)
    public mutating func writeClose(_ code: CloseCode, reason: String) {
        var text = reason
        while text.utf8.count > CloseFrame.maximumReasonByteCount { text.removeLast() }
        write(FrameType.close)
        writeVarInt(code.rawValue)
        writeVarInt(UInt64(text.utf8.count))
        for byte in text.utf8 { append(byte) }
    }

    /// RETIRE_PATH, §6.15.
    @_lifetime(self: copy self)
    public mutating func writeRetirePath(_ id: PathID) {
        write(FrameType.retirePath)
        writeVarInt(id.rawValue)
    }

    /// PATH_STATUS, §6.17.
    @_lifetime(self: copy self)
    public mutating func write(_ frame: PathStatusFrame) {
        writeVarInt(FrameType.pathStatus)
        let count = VarInt.byteCount(frame.id.rawValue) &+ VarInt.byteCount(frame.sequence) &+ 1
        writeVarInt(UInt64(count))
        writeVarInt(frame.id.rawValue)
        writeVarInt(frame.sequence)
        writeVarInt(UInt64(frame.preference.rawValue))
    }

    /// The head of a STREAM, §6.16; `count` bytes of data follow.
    ///
    /// - Parameter hasLength: false when the data reaches to the end of the packet.
    @_lifetime(self: copy self)
    public mutating func writeStreamHead(id: StreamID, offset: UInt64, count: Int, isFin: Bool, hasLength: Bool) {
        var type = FrameType.stream
        if isFin { type |= FrameType.streamFin }
        if hasLength { type |= FrameType.streamLength }
        if offset != 0 { type |= FrameType.streamOffset }
        write(type)
        writeVarInt(id.rawValue)
        if offset != 0 { writeVarInt(offset) }
        if hasLength { writeVarInt(UInt64(count)) }
    }
}

/// Sizes of frames on the wire, for asking for room before writing.
public enum FrameSize {
    /// OPEN at its largest.
    public static let openMaximum = 1 + 8 + 4 + 1 + 2 + 8
    /// RESET at its largest.
    public static let resetMaximum = 1 + 8 + 8 + 8
    /// STOP at its largest.
    public static let stopMaximum = 1 + 8 + 8
    /// MAX_STREAM_DATA at its largest.
    public static let maxStreamDataMaximum = 1 + 8 + 8
    /// MAX_DATA, MAX_STREAMS or RETIRE_PATH at their largest.
    public static let limitMaximum = 1 + 8
    /// PATH_STATUS at its largest.
    public static let pathStatusMaximum = 2 + 1 + 8 + 8 + 1
    /// PATH_CHALLENGE or PATH_RESPONSE.
    public static let path = 1 + 8
    /// The head of a CONTROL at its largest.
    public static let controlHeadMaximum = 1 + 8 + 4
    /// The head of a STREAM at its largest.
    public static let streamHeadMaximum = 1 + 8 + 8 + 4
    /// The head of a DATAGRAM at its largest.
    public static let datagramHeadMaximum = 1 + 8 + 4
    /// The head of an ACK at its largest, with ECN counts and without further ranges.
    public static let ackHeadMaximum = 1 + 8 + 8 + 8 + 2 + 8 + 24
    /// A further range of an ACK at its largest.
    public static let ackRangeMaximum = 16
    /// CLOSE at its largest.
    public static let closeMaximum = 1 + 8 + 2 + CloseFrame.maximumReasonByteCount
}
