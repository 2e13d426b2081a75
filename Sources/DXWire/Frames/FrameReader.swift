/// Reads the frames of one packet (`docs/wire-format.md` §6). Total: any bytes give frames or a `DecodeError`.
///
/// After an error the reader must not be used again; the packet came out of an authenticated session, so the peer broke
/// the protocol and the channel is closed with FRAME_FORMAT.
public struct FrameReader: ~Escapable {
    private var reader: ByteReader

    /// Reads the frames of `packet` from `offset` (after the header) to its end.
    @_lifetime(copy packet)
    public init(_ packet: RawSpan, from offset: Int) { reader = ByteReader(packet, at: offset) }

    /// The next frame, or nil at the end of the packet.
    public mutating func next() throws(DecodeError) -> Frame? {
        guard reader.remaining > 0 else { return nil }
        let first = try reader.peekUInt8()
        if first >= 0x40 { return try readExtension() }
        try reader.skip(1)
        switch first {
        case FrameType.padding: return readPadding()
        case FrameType.ping: return .ping
        case FrameType.ack: return .ack(try readAck(hasECN: false))
        case FrameType.ackECN: return .ack(try readAck(hasECN: true))
        case FrameType.reset:
            let id = try readStreamID()
            let code = StreamCode(rawValue: try reader.readVarInt())
            return .reset(ResetFrame(id: id, code: code, finalSize: try reader.readVarInt()))
        case FrameType.stop:
            return .stop(StopFrame(id: try readStreamID(), code: StreamCode(rawValue: try reader.readVarInt())))
        case FrameType.control: return .control(try readControl())
        case FrameType.maxData: return .maxData(try reader.readVarInt())
        case FrameType.maxStreamData:
            return .maxStreamData(MaxStreamDataFrame(id: try readStreamID(), maximum: try reader.readVarInt()))
        case FrameType.maxStreams: return .maxStreams(try reader.readVarInt())
        case FrameType.open: return .open(try readOpen())
        case FrameType.pathChallenge: return .pathChallenge(try reader.readUInt64())
        case FrameType.pathResponse: return .pathResponse(try reader.readUInt64())
        case FrameType.datagram:
            return .datagram(DatagramFrame(flow: try reader.readVarInt(), data: try readCountedSlice()))
        case FrameType.close: return .close(try readClose())
        case FrameType.retirePath: return .retirePath(try readPathID())
        case FrameType.stream...(FrameType.stream | 7): return .stream(try readStream(flags: first & 7))
        default: throw .unknownFrame
        }
    }

    private mutating func readPadding() -> Frame {
        while let byte = try? reader.peekUInt8(), byte == 0 { try? reader.skip(1) }
        return .padding
    }

    private mutating func readExtension() throws(DecodeError) -> Frame {
        // A type below 64 in a longer form than needed is not an extension.
        let type = try reader.readVarInt()
        guard type >= FrameType.firstExtension else { throw .unknownFrame }
        let count = try reader.readLength()
        guard type == FrameType.pathStatus else {
            try reader.skip(count)
            return .unknownExtension
        }
        let end = reader.position &+ count
        let id = try readPathID()
        let sequence = try reader.readVarInt()
        // A later version's wish is taken as the least glad of those that are known.
        let preference = PathPreference(rawValue: UInt8(min(try reader.readVarInt(), 2))) ?? .metered
        guard reader.position <= end else { throw .invalidValue }
        try reader.skip(end &- reader.position)
        return .pathStatus(PathStatusFrame(id: id, sequence: sequence, preference: preference))
    }

    private mutating func readStreamID() throws(DecodeError) -> StreamID {
        StreamID(rawValue: try reader.readVarInt())
    }

    private mutating func readPathID() throws(DecodeError) -> PathID {
        let id = PathID(rawValue: try reader.readVarInt())
        guard id <= .maximum else { throw .invalidValue }
        return id
    }

    private mutating func readCountedSlice() throws(DecodeError) -> PacketSlice {
        let count = try reader.readLength()
        return try readSlice(count)
    }

    private mutating func readSlice(_ count: Int) throws(DecodeError) -> PacketSlice {
        let slice = PacketSlice(offset: reader.position, count: count)
        try reader.skip(count)
        return slice
    }

    private mutating func readAck(hasECN: Bool) throws(DecodeError) -> AckFrame {
        let path = try readPathID()
        let largest = try reader.readVarInt()
        let delay = try reader.readVarInt()
        let count = try reader.readVarInt()
        guard count >= 1, count <= UInt64(AckFrame.maximumRangeCount) else { throw .invalidValue }
        let start = reader.position
        var walk = AckRangeReader(
            largest: largest, count: Int(count), in: reader.bytes.extracting(start..<reader.bytes.byteCount))
        while try walk.next() != nil {}
        try reader.skip(walk.byteCount)
        var ecn: ECNCounts?
        if hasECN {
            let ect0 = try reader.readVarInt()
            let ect1 = try reader.readVarInt()
            ecn = ECNCounts(ect0: ect0, ect1: ect1, ce: try reader.readVarInt())
        }
        // More than 292 years is cut to whole microseconds, so that it is the same when written again.
        let longest = UInt64(Interval.max.microseconds)
        return AckFrame(
            pathID: path, largest: largest, delay: .microseconds(Int64(min(delay, longest))), rangeCount: Int(count),
            ranges: PacketSlice(offset: start, count: walk.byteCount), ecn: ecn)
    }

    private mutating func readControl() throws(DecodeError) -> ControlFrame {
        let offset = try reader.readVarInt()
        let data = try readCountedSlice()
        guard offset &+ UInt64(data.count) <= VarInt.maximum else { throw .invalidValue }
        return ControlFrame(offset: offset, data: data)
    }

    private mutating func readOpen() throws(DecodeError) -> OpenFrame {
        let id = try readStreamID()
        let port = try reader.readUInt32()
        let streamClass = StreamClass(rawValue: try reader.readUInt8()) ?? .bulk
        let share = try reader.readVarInt()
        return OpenFrame(
            id: id, internalPort: port, streamClass: streamClass, share: UInt16(min(share, 256)),
            flags: try reader.readVarInt())
    }

    private mutating func readClose() throws(DecodeError) -> CloseFrame {
        let code = CloseCode(rawValue: try reader.readVarInt())
        let reason = try readCountedSlice()
        guard reason.count <= CloseFrame.maximumReasonByteCount else { throw .invalidValue }
        return CloseFrame(code: code, reason: reason)
    }

    private mutating func readStream(flags: UInt8) throws(DecodeError) -> StreamFrame {
        let id = try readStreamID()
        let offset = flags & FrameType.streamOffset != 0 ? try reader.readVarInt() : 0
        let count = flags & FrameType.streamLength != 0 ? try reader.readLength() : reader.remaining
        let data = try readSlice(count)
        guard offset &+ UInt64(count) <= VarInt.maximum else { throw .invalidValue }
        return StreamFrame(id: id, offset: offset, isFin: flags & FrameType.streamFin != 0, data: data)
    }
}
