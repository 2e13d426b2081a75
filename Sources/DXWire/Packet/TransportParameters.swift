/// What one end of a channel tells the other when the channel begins (`docs/wire-format.md` §4).
public struct TransportParameters: Equatable, Sendable, BitwiseCopyable {
    /// Stream data that the other end may send before the first MAX_DATA, in bytes.
    public var initialChannelWindow: UInt64 = 0
    /// Data that the other end may send on each stream before the first MAX_STREAM_DATA, in bytes.
    public var initialStreamWindow: UInt64 = 0
    /// Streams that the other end may open before the first MAX_STREAMS.
    public var initialStreamCount: UInt64 = 0
    /// How long the sender of these keeps a channel on which nothing arrives; nil is for ever. Written in milliseconds,
    /// less than one as one.
    public var idleTimeout: Interval?
    /// The largest UDP payload that the sender of these can receive, in bytes; at least 1200, less is written as that.
    public var largestDatagram = UInt64(Constants.minimumDatagram)
    /// The longest time for which the sender of these holds back an acknowledgement; below 2^14 ms (RFC 9000 §18.2),
    /// more is written as the longest that is allowed.
    public var maximumAckDelay: Interval = .milliseconds(25)
    /// The largest data of a DATAGRAM frame that the sender of these takes, in bytes; 0 is none.
    public var largestMessage: UInt64 = 0
    /// The largest packet that the sender of these takes in fragments (§2.2), in bytes; 0 is none.
    public var largestPacket: UInt64 = 0

    /// The largest encoding, in bytes: eight parameters of id, length and a value of up to 8 bytes.
    public static let maximumByteCount = 8 * (1 + 1 + 8)

    /// 2^14 ms, from which on an acknowledgement delay is invalid (RFC 9000 §18.2), in microseconds.
    private static let ackDelayBound: UInt64 = 1 << 14 * 1_000

    private enum Key {
        static let initialChannelWindow: UInt64 = 1
        static let initialStreamWindow: UInt64 = 2
        static let initialStreamCount: UInt64 = 3
        static let idleTimeout: UInt64 = 4
        static let largestDatagram: UInt64 = 5
        static let maximumAckDelay: UInt64 = 6
        static let largestMessage: UInt64 = 7
        static let largestPacket: UInt64 = 8
    }

    /// All at their defaults.
    public init() {}

    /// Reads parameters to the end of `reader`; unknown ones are skipped, of a repeated one the last counts.
    public init(reading reader: inout ByteReader) throws(DecodeError) {
        while reader.remaining > 0 {
            let key = try reader.readVarInt()
            let length = try reader.readLength()
            let end = reader.position + length
            switch key {
            case Key.initialChannelWindow: initialChannelWindow = try reader.readVarInt()
            case Key.initialStreamWindow: initialStreamWindow = try reader.readVarInt()
            case Key.initialStreamCount: initialStreamCount = try reader.readVarInt()
            case Key.idleTimeout:
                let milliseconds = try reader.readVarInt()
                // More than 292 years is cut to whole milliseconds, so that it is the same when written again.
                let longest = UInt64(Interval.max.milliseconds)
                idleTimeout = milliseconds == 0 ? nil : .milliseconds(Int64(min(milliseconds, longest)))
            case Key.largestDatagram:
                largestDatagram = try reader.readVarInt()
                guard largestDatagram >= UInt64(Constants.minimumDatagram) else { throw .invalidValue }
            case Key.maximumAckDelay:
                let microseconds = try reader.readVarInt()
                guard microseconds < Self.ackDelayBound else { throw .invalidValue }
                maximumAckDelay = .microseconds(Int64(microseconds))
            case Key.largestMessage: largestMessage = try reader.readVarInt()
            case Key.largestPacket: largestPacket = try reader.readVarInt()
            default: try reader.skip(length)
            }
            guard reader.position == end else { throw .invalidValue }
        }
    }

    /// Appends all parameters; at most `maximumByteCount` bytes. A number above 2^62-1 is written as that.
    @_lifetime(output: copy output)
    public func write(to output: inout OutputRawSpan) {
        Self.write(Key.initialChannelWindow, initialChannelWindow, to: &output)
        Self.write(Key.initialStreamWindow, initialStreamWindow, to: &output)
        Self.write(Key.initialStreamCount, initialStreamCount, to: &output)
        // 0 means none, so a timeout too short for the unit must not become it.
        Self.write(Key.idleTimeout, idleTimeout.map { UInt64(max(1, $0.milliseconds)) } ?? 0, to: &output)
        Self.write(Key.largestDatagram, max(UInt64(Constants.minimumDatagram), largestDatagram), to: &output)
        let ackDelay = min(UInt64(max(0, maximumAckDelay.microseconds)), Self.ackDelayBound - 1)
        Self.write(Key.maximumAckDelay, ackDelay, to: &output)
        Self.write(Key.largestMessage, largestMessage, to: &output)
        // Nothing is said where there is nothing to say: an end without fragments is as before.
        if largestPacket > 0 { Self.write(Key.largestPacket, largestPacket, to: &output) }
    }

    @_lifetime(output: copy output)
    private static func write(_ key: UInt64, _ number: UInt64, to output: inout OutputRawSpan) {
        let value = min(number, VarInt.maximum)
        output.writeVarInt(key)
        output.writeVarInt(UInt64(VarInt.byteCount(value)))
        output.writeVarInt(value)
    }
}
