/// One frame, decoded (`docs/wire-format.md` §6). Trivial: data stays in the packet, named by where it lies.
public enum Frame: Equatable, Sendable, BitwiseCopyable {
    /// §6.1: any number of padding bytes in a row, as one.
    case padding
    /// §6.2.
    case ping
    /// §6.3.
    case ack(AckFrame)
    /// §6.4.
    case reset(ResetFrame)
    /// §6.5.
    case stop(StopFrame)
    /// §6.6.
    case control(ControlFrame)
    /// §6.7: the sum of stream data that may be sent on the channel, in bytes.
    case maxData(UInt64)
    /// §6.8.
    case maxStreamData(MaxStreamDataFrame)
    /// §6.9: how many streams the receiver of the frame may open, in all.
    case maxStreams(UInt64)
    /// §6.10.
    case open(OpenFrame)
    /// §6.11: to be sent back in a PATH_RESPONSE.
    case pathChallenge(UInt64)
    /// §6.12.
    case pathResponse(UInt64)
    /// §6.13.
    case datagram(DatagramFrame)
    /// §6.14.
    case close(CloseFrame)
    /// §6.15.
    case retirePath(PathID)
    /// §6.16.
    case stream(StreamFrame)
    /// §6.17.
    case pathStatus(PathStatusFrame)
    /// A frame of a newer version, skipped.
    case unknownExtension

    /// Whether the receiver owes an acknowledgement (`docs/wire-format.md` §6).
    public var isAckEliciting: Bool {
        switch self {
        case .padding, .ack, .close: false
        case .ping, .reset, .stop, .control, .maxData, .maxStreamData, .maxStreams, .open, .pathChallenge,
            .pathResponse, .datagram, .retirePath, .stream, .pathStatus,
            .unknownExtension:
            true
        }
    }
}

/// Where the bytes of a frame lie in its packet.
public struct PacketSlice: Equatable, Sendable, BitwiseCopyable {
    /// The first byte, counted from the start of the packet.
    public var offset: Int
    /// The number of bytes.
    public var count: Int

    /// `count` bytes from `offset`.
    public init(offset: Int, count: Int) {
        self.offset = offset
        self.count = count
    }
}

/// STREAM (`docs/wire-format.md` §6.16).
public struct StreamFrame: Equatable, Sendable, BitwiseCopyable {
    /// The stream.
    public var id: StreamID
    /// The place of the first byte in the stream. Offset plus count is at most 2^62-1.
    public var offset: UInt64
    /// Whether the stream ends after these bytes.
    public var isFin: Bool
    /// The data.
    public var data: PacketSlice

    /// A frame with these fields.
    public init(id: StreamID, offset: UInt64, isFin: Bool, data: PacketSlice) {
        self.id = id
        self.offset = offset
        self.isFin = isFin
        self.data = data
    }

    /// The number of bytes before the data, when a length is written.
    public static func headerByteCount(id: StreamID, offset: UInt64, dataCount: Int) -> Int {
        1 &+ VarInt.byteCount(id.rawValue) &+ (offset == 0 ? 0 : VarInt.byteCount(offset))
            &+ VarInt.byteCount(UInt64(dataCount))
    }
}

/// CONTROL (`docs/wire-format.md` §6.6).
public struct ControlFrame: Equatable, Sendable, BitwiseCopyable {
    /// The place of the first byte in the control stream. Offset plus count is at most 2^62-1.
    public var offset: UInt64
    /// The data.
    public var data: PacketSlice

    /// A frame with these fields.
    public init(offset: UInt64, data: PacketSlice) {
        self.offset = offset
        self.data = data
    }
}

/// RESET (`docs/wire-format.md` §6.4).
public struct ResetFrame: Equatable, Sendable, BitwiseCopyable {
    /// The stream.
    public var id: StreamID
    /// Why.
    public var code: StreamCode
    /// How many bytes the sender sent in all, for flow control.
    public var finalSize: UInt64

    /// A frame with these fields.
    public init(id: StreamID, code: StreamCode, finalSize: UInt64) {
        self.id = id
        self.code = code
        self.finalSize = finalSize
    }
}

/// STOP (`docs/wire-format.md` §6.5).
public struct StopFrame: Equatable, Sendable, BitwiseCopyable {
    /// The stream.
    public var id: StreamID
    /// Why.
    public var code: StreamCode

    /// A frame with these fields.
    public init(id: StreamID, code: StreamCode) {
        self.id = id
        self.code = code
    }
}

/// MAX_STREAM_DATA (`docs/wire-format.md` §6.8).
public struct MaxStreamDataFrame: Equatable, Sendable, BitwiseCopyable {
    /// The stream.
    public var id: StreamID
    /// The offset that its data must not pass.
    public var maximum: UInt64

    /// A frame with these fields.
    public init(id: StreamID, maximum: UInt64) {
        self.id = id
        self.maximum = maximum
    }
}

/// How urgent a stream is (`docs/wire-format.md` §6.10).
public enum StreamClass: UInt8, Sendable, BitwiseCopyable {
    /// Shares what the interactive streams leave, by weight.
    case bulk = 0
    /// Goes first.
    case interactive = 1
}

/// OPEN (`docs/wire-format.md` §6.10).
public struct OpenFrame: Equatable, Sendable, BitwiseCopyable {
    /// The stream.
    public var id: StreamID
    /// The listener block at the destination.
    public var internalPort: UInt32
    /// How urgent it is.
    public var streamClass: StreamClass
    /// Its weight among bulk streams, 1 to 256.
    public var share: UInt16
    /// No flag is defined yet.
    public var flags: UInt64

    /// A frame with these fields; `share` is brought into 1 to 256.
    public init(id: StreamID, internalPort: UInt32, streamClass: StreamClass, share: UInt16, flags: UInt64 = 0) {
        self.id = id
        self.internalPort = internalPort
        self.streamClass = streamClass
        self.share = min(max(share, 1), 256)
        self.flags = flags
    }
}

/// DATAGRAM (`docs/wire-format.md` §6.13): unreliable, sent at most once.
public struct DatagramFrame: Equatable, Sendable, BitwiseCopyable {
    /// Which flow it belongs to.
    public var flow: UInt64
    /// The data.
    public var data: PacketSlice

    /// A frame with these fields.
    public init(flow: UInt64, data: PacketSlice) {
        self.flow = flow
        self.data = data
    }
}

/// CLOSE (`docs/wire-format.md` §6.14).
public struct CloseFrame: Equatable, Sendable, BitwiseCopyable {
    /// Why the channel ends.
    public var code: CloseCode
    /// Text for people, UTF-8, at most 128 bytes.
    public var reason: PacketSlice

    /// The longest reason, in bytes.
    public static let maximumReasonByteCount = 128

    /// A frame with these fields.
    public init(code: CloseCode, reason: PacketSlice) {
        self.code = code
        self.reason = reason
    }
}
