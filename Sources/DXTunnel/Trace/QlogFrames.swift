import DXStream
import DXWire
import NIOCore

/// Packets and frames in qlog's words. Frames that QUIC does not have are `unknown`, with their type and, as `dx_frame`, their name.
extension ByteBuffer {
    /// The members `header` and, where the size is known, `raw`.
    mutating func writeQlogHeader(_ number: UInt64, byteCount: Int? = nil) {
        // DX has one kind of packet; it is what QUIC calls 1RTT.
        writeStaticString("\"header\":{\"packet_type\":\"1RTT\",\"packet_number\":")
        writeJSON(number: number)
        writeStaticString("}")
        guard let byteCount else { return }
        writeStaticString(",\"raw\":{\"length\":")
        writeJSON(number: byteCount)
        writeStaticString("}")
    }

    /// The frames of a packet, with the ranges of their acknowledgements.
    ///
    /// - Parameter carrier: the path of the packet. An acknowledgement of another path's packets is no `ack` of this one's group.
    mutating func writeQlogFrames(_ parts: ArraySlice<TraceRecord>, carrier: PathID) {
        var index = parts.startIndex
        var isFirst = true
        while index < parts.endIndex {
            guard case .frame(let frame) = parts[index].event else {
                index += 1
                continue
            }
            index += 1
            if !isFirst { writeStaticString(",") }
            isFirst = false
            guard case .ack(let ack) = frame else {
                writeQlogFrame(frame)
                continue
            }
            var end = index
            while end < parts.endIndex, case .range = parts[end].event { end += 1 }
            writeQlogAck(ack, ranges: parts[index..<end], isOfCarrier: ack.pathID == carrier)
            index = end
        }
    }

    private mutating func writeQlogAck(_ ack: AckFrame, ranges: ArraySlice<TraceRecord>, isOfCarrier: Bool) {
        if isOfCarrier {
            writeStaticString("{\"frame_type\":\"ack\",\"ack_delay\":")
        } else {
            writeUnknown(UInt64(FrameType.ack), "ack")
            writeStaticString(",\"dx_path_id\":")
            writeJSON(number: ack.pathID.rawValue)
            writeStaticString(",\"ack_delay\":")
        }
        writeJSON(milliseconds: ack.delay)
        writeStaticString(",\"acked_ranges\":[")
        var isFirst = true
        for part in ranges {
            guard case .range(let lower, let upper) = part.event else { continue }
            writeStaticString(isFirst ? "[" : ",[")
            isFirst = false
            writeJSON(number: lower)
            writeStaticString(",")
            writeJSON(number: upper)
            writeStaticString("]")
        }
        writeStaticString("]")
        if let ecn = ack.ecn {
            writeMember("ect0", ecn.ect0)
            writeMember("ect1", ecn.ect1)
            writeMember("ce", ecn.ce)
        }
        writeStaticString("}")
    }

    private mutating func writeQlogFrame(_ frame: Frame) {
        switch frame {
        case .padding: writeStaticString("{\"frame_type\":\"padding\"")
        case .ping: writeStaticString("{\"frame_type\":\"ping\"")
        case .ack: writeStaticString("{\"frame_type\":\"ack\"")
        case .stream(let stream):
            writeStaticString("{\"frame_type\":\"stream\"")
            writeMember("stream_id", stream.id.rawValue)
            writeMember("offset", stream.offset)
            writeMember("length", UInt64(stream.data.count))
            if stream.isFin { writeStaticString(",\"fin\":true") }
        case .reset(let reset):
            writeStaticString("{\"frame_type\":\"reset_stream\"")
            writeMember("stream_id", reset.id.rawValue)
            writeMember("error_code", reset.code.rawValue)
            writeMember("final_size", reset.finalSize)
        case .stop(let stop):
            writeStaticString("{\"frame_type\":\"stop_sending\"")
            writeMember("stream_id", stop.id.rawValue)
            writeMember("error_code", stop.code.rawValue)
        case .maxData(let maximum):
            writeStaticString("{\"frame_type\":\"max_data\"")
            writeMember("maximum", maximum)
        case .maxStreamData(let frame):
            writeStaticString("{\"frame_type\":\"max_stream_data\"")
            writeMember("stream_id", frame.id.rawValue)
            writeMember("maximum", frame.maximum)
        case .maxStreams(let maximum):
            writeStaticString("{\"frame_type\":\"max_streams\",\"stream_type\":\"bidirectional\"")
            writeMember("maximum", maximum)
        // Their bytes prove an address, and are nobody else's business.
        case .pathChallenge: writeStaticString("{\"frame_type\":\"path_challenge\"")
        case .pathResponse: writeStaticString("{\"frame_type\":\"path_response\"")
        case .datagram(let datagram):
            writeStaticString("{\"frame_type\":\"datagram\"")
            writeMember("length", UInt64(datagram.data.count))
        case .close(let close):
            writeStaticString("{\"frame_type\":\"connection_close\",\"error_space\":\"transport\"")
            writeMember("error_code", close.code.rawValue)
            writeMember("raw_error_code", close.code.rawValue)
        case .control, .open, .retirePath, .pathStatus, .unknownExtension: writeOwnFrame(frame)
        }
        writeStaticString("}")
    }

    /// What QUIC does not have.
    private mutating func writeOwnFrame(_ frame: Frame) {
        switch frame {
        case .control(let control):
            writeUnknown(UInt64(FrameType.control), "control")
            writeMember("offset", control.offset)
            writeMember("length", UInt64(control.data.count))
        case .open(let open):
            writeUnknown(UInt64(FrameType.open), "open")
            writeMember("stream_id", open.id.rawValue)
            writeStaticString(open.streamClass == .bulk ? ",\"dx_class\":\"bulk\"" : ",\"dx_class\":\"interactive\"")
        case .retirePath(let id):
            writeUnknown(UInt64(FrameType.retirePath), "retire_path")
            writeMember("dx_path_id", id.rawValue)
        case .pathStatus(let status):
            writeUnknown(FrameType.pathStatus, "path_status")
            writeMember("dx_path_id", status.id.rawValue)
        case .unknownExtension: writeUnknown(FrameType.firstExtension, "extension")
        case .padding, .ping, .ack, .reset, .stop, .maxData, .maxStreamData, .maxStreams, .pathChallenge, .pathResponse,
            .datagram, .close, .stream:
            break
        }
    }

    private mutating func writeUnknown(_ type: UInt64, _ name: StaticString) {
        writeStaticString("{\"frame_type\":\"unknown\"")
        writeMember("raw_frame_type", type)
        writeStaticString(",\"dx_frame\":\"")
        writeStaticString(name)
        writeStaticString("\"")
    }

    private mutating func writeMember(_ name: StaticString, _ value: UInt64) {
        writeStaticString(",\"")
        writeStaticString(name)
        writeStaticString("\":")
        writeJSON(number: value)
    }
}
