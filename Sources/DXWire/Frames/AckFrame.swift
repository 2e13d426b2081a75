/// ACK (`docs/wire-format.md` §6.3). The ranges stay in the packet; `AckRangeReader` walks them.
public struct AckFrame: Equatable, Sendable, BitwiseCopyable {
    /// The session whose packets it acknowledges.
    public var pathID: PathID
    /// The largest packet number received.
    public var largest: UInt64
    /// How long the receiver held it before acknowledging.
    public var delay: Interval
    /// How many ranges there are, at least 1.
    public var rangeCount: Int
    /// The first range and the gaps and lengths after it, as varints in the packet. Checked when the frame was read.
    public var ranges: PacketSlice
    /// Totals of this path, when the sender of the frame reports them.
    public var ecn: ECNCounts?

    /// The most ranges that are sent or accepted. 256 ranges are at most 4 KB; a sender with more sends the newest.
    public static let maximumRangeCount = 256

    /// A frame with these fields.
    public init(
        pathID: PathID, largest: UInt64, delay: Interval, rangeCount: Int, ranges: PacketSlice, ecn: ECNCounts?
    ) {
        self.pathID = pathID
        self.largest = largest
        self.delay = delay
        self.rangeCount = rangeCount
        self.ranges = ranges
        self.ecn = ecn
    }
}

/// How many packets arrived on a path with each ECN mark (RFC 9000 §19.3.2).
public struct ECNCounts: Equatable, Sendable, BitwiseCopyable {
    /// Marked ECT(0).
    public var ect0: UInt64
    /// Marked ECT(1).
    public var ect1: UInt64
    /// Marked "congestion experienced".
    public var ce: UInt64

    /// These counts.
    public init(ect0: UInt64 = 0, ect1: UInt64 = 0, ce: UInt64 = 0) {
        self.ect0 = ect0
        self.ect1 = ect1
        self.ce = ce
    }
}

/// Walks the ranges of an ACK frame, from the largest packet numbers down, without allocating.
public struct AckRangeReader: ~Escapable {
    private var reader: ByteReader
    private var remaining: Int
    private var upper: UInt64
    private var isFirst = true

    /// Walks the ranges of `frame`, which was read from `packet`.
    @_lifetime(copy packet)
    public init(_ frame: AckFrame, in packet: RawSpan) {
        let end = frame.ranges.offset &+ frame.ranges.count
        reader = ByteReader(packet.extracting(frame.ranges.offset..<end))
        remaining = frame.rangeCount
        upper = frame.largest
    }

    /// The next range of packet numbers, each below the one before; nil after the last.
    ///
    /// Throws `invalidValue` when it would reach below 0 (`docs/wire-format.md` §6.3). A frame that `FrameReader`
    /// returned has been walked once already and does not throw.
    public mutating func next() throws(DecodeError) -> ClosedRange<UInt64>? {
        guard remaining > 0 else { return nil }
        remaining &-= 1
        if isFirst {
            isFirst = false
        } else {
            let gap = try reader.readVarInt()
            guard upper >= gap &+ 2 else { throw .invalidValue }
            upper &-= gap &+ 2
        }
        let length = try reader.readVarInt()
        guard upper >= length else { throw .invalidValue }
        let range = (upper &- length)...upper
        upper &-= length
        return range
    }

    /// The number of bytes of the ranges read so far.
    var byteCount: Int { reader.position }

    /// Walks `count` ranges that start at the head of `bytes`, to find out where they end.
    @_lifetime(copy bytes)
    init(largest: UInt64, count: Int, in bytes: RawSpan) {
        reader = ByteReader(bytes)
        remaining = count
        upper = largest
    }
}
