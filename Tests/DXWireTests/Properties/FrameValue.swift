import DXWire

/// A decoded frame together with its data, copied out of the packet, so that frames of different packets compare.
struct FrameValue: Equatable {
    /// The frame, its slices moved to offset 0; the ranges of an ACK are an empty slice (`ranges` has them).
    let frame: Frame
    /// The data of a STREAM, CONTROL or DATAGRAM, the reason of a CLOSE.
    let data: [UInt8]
    /// The ranges of an ACK, as on the wire: largest first.
    let ranges: [ClosedRange<UInt64>]

    /// A frame without data.
    init(_ frame: Frame) {
        self.frame = frame
        data = []
        ranges = []
    }

    /// An ACK of these ranges, largest first.
    init(ack path: PathID, delay: Interval, ranges: [ClosedRange<UInt64>], ecn: ECNCounts? = nil) {
        frame = .ack(
            AckFrame(
                pathID: path, largest: ranges[0].upperBound, delay: delay, rangeCount: ranges.count,
                ranges: PacketSlice(offset: 0, count: 0), ecn: ecn))
        data = []
        self.ranges = ranges
    }

    /// A STREAM with this data.
    init(stream id: StreamID, offset: UInt64, isFin: Bool, data: [UInt8]) {
        let slice = PacketSlice(offset: 0, count: data.count)
        frame = .stream(StreamFrame(id: id, offset: offset, isFin: isFin, data: slice))
        self.data = data
        ranges = []
    }

    /// A CONTROL with this data.
    init(control offset: UInt64, data: [UInt8]) {
        frame = .control(ControlFrame(offset: offset, data: PacketSlice(offset: 0, count: data.count)))
        self.data = data
        ranges = []
    }

    /// A DATAGRAM with this data.
    init(datagram flow: UInt64, data: [UInt8]) {
        frame = .datagram(DatagramFrame(flow: flow, data: PacketSlice(offset: 0, count: data.count)))
        self.data = data
        ranges = []
    }

    /// A CLOSE with this reason.
    init(close code: CloseCode, reason: [UInt8]) {
        frame = .close(CloseFrame(code: code, reason: PacketSlice(offset: 0, count: reason.count)))
        data = reason
        ranges = []
    }

    /// Copies what `frame`, read from `packet`, points at. Throws only what `AckRangeReader` throws: nothing, if
    /// `FrameReader` keeps its word.
    init(_ frame: Frame, in packet: RawSpan) throws(DecodeError) {
        func copy(_ slice: PacketSlice) -> [UInt8] {
            [UInt8](copying: packet.extracting(slice.offset..<(slice.offset + slice.count)))
        }
        switch frame {
        case .ack(let ack):
            var ranges: [ClosedRange<UInt64>] = []
            var reader = AckRangeReader(ack, in: packet)
            while let range = try reader.next() { ranges.append(range) }
            self.init(ack: ack.pathID, delay: ack.delay, ranges: ranges, ecn: ack.ecn)
        case .stream(let stream):
            self.init(stream: stream.id, offset: stream.offset, isFin: stream.isFin, data: copy(stream.data))
        case .control(let control): self.init(control: control.offset, data: copy(control.data))
        case .datagram(let datagram): self.init(datagram: datagram.flow, data: copy(datagram.data))
        case .close(let close): self.init(close: close.code, reason: copy(close.reason))
        case .padding, .ping, .reset, .stop, .maxData, .maxStreamData, .maxStreams, .open, .pathChallenge,
            .pathResponse, .retirePath, .pathStatus, .unknownExtension:
            self.init(frame)
        }
    }

    /// Writes the frame with the writers of DXWire; a STREAM with its length, an extension as an empty one of type 65.
    @_lifetime(output: copy output)
    func write(to output: inout OutputRawSpan) {
        switch frame {
        case .padding: output.writePadding(1)
        case .ping: output.writePing()
        case .ack(let ack): write(ack, to: &output)
        case .reset(let reset): output.write(reset)
        case .stop(let stop): output.write(stop)
        case .control(let control):
            output.writeControlHead(offset: control.offset, count: data.count)
            output.write(data.rawBytes)
        case .maxData(let maximum): output.writeMaxData(maximum)
        case .maxStreamData(let limit): output.write(limit)
        case .maxStreams(let count): output.writeMaxStreams(count)
        case .open(let open): output.write(open)
        case .pathChallenge(let token): output.writePathChallenge(token)
        case .pathResponse(let token): output.writePathResponse(token)
        case .datagram(let datagram):
            output.writeDatagramHead(flow: datagram.flow, count: data.count)
            output.write(data.rawBytes)
        case .close(let close): write(close, to: &output)
        case .retirePath(let path): output.writeRetirePath(path)
        case .stream(let stream):
            output.writeStreamHead(
                id: stream.id, offset: stream.offset, count: data.count, isFin: stream.isFin, hasLength: true)
            output.write(data.rawBytes)
        case .pathStatus(let status): output.write(status)
        case .unknownExtension:
            output.writeVarInt(FrameType.firstExtension + 1)
            output.writeVarInt(0)
        }
    }

    @_lifetime(output: copy output)
    private func write(_ ack: AckFrame, to output: inout OutputRawSpan) {
        output.writeAckHead(
            pathID: ack.pathID, largest: ack.largest, delay: ack.delay, rangeCount: ranges.count,
            firstRangeLength: ranges[0].upperBound - ranges[0].lowerBound, hasECN: ack.ecn != nil)
        for index in 1..<max(1, ranges.count) {
            output.writeAckRange(
                gap: ranges[index - 1].lowerBound - ranges[index].upperBound - 2,
                length: ranges[index].upperBound - ranges[index].lowerBound)
        }
        if let counts = ack.ecn { output.writeAckECN(counts) }
    }

    /// `writeClose` takes text; a reason that is not UTF-8 cannot come out of it and is written byte by byte.
    @_lifetime(output: copy output)
    private func write(_ close: CloseFrame, to output: inout OutputRawSpan) {
        let text = String(decoding: data, as: UTF8.self)
        if Array(text.utf8) == data {
            output.writeClose(close.code, reason: text)
        } else {
            output.write(FrameType.close)
            output.writeVarInt(close.code.rawValue)
            output.writeVarInt(UInt64(data.count))
            output.write(data.rawBytes)
        }
    }
}
