internal import DXWire

/// A packet in words, for flow logs.
public enum PacketText {
    /// The header and the frames of a packet, such as `p0 n7 ACK p0 0-5, STREAM 4 0..<1100 FIN`.
    public static func describe(_ packet: RawSpan) -> String {
        var reader = ByteReader(packet)
        guard let header = try? PacketHeader(reading: &reader) else { return "not a packet" }
        var parts: [String] = []
        var frames = FrameReader(packet, from: reader.position)
        do {
            while let frame = try frames.next() { parts.append(describe(frame, in: packet)) }
        } catch {
            parts.append("unreadable: \(error)")
        }
        return "p\(header.pathID) n\(header.truncatedNumber) \(parts.joined(separator: ", "))"
    }

    private static func describe(_ frame: Frame, in packet: RawSpan) -> String {
        switch frame {
        case .padding: return "PADDING"
        case .ping: return "PING"
        case .ack(let ack): return describe(ack, in: packet)
        case .reset(let frame): return "RESET \(frame.id) \(frame.code) at \(frame.finalSize)"
        case .stop(let frame): return "STOP \(frame.id) \(frame.code)"
        case .control(let frame): return "CONTROL \(span(frame.offset, frame.data.count))"
        case .maxData(let limit): return "MAX_DATA \(limit)"
        case .maxStreamData(let frame): return "MAX_STREAM_DATA \(frame.id) \(frame.maximum)"
        case .maxStreams(let count): return "MAX_STREAMS \(count)"
        case .open(let frame): return "OPEN \(frame.id) \(frame.streamClass) port \(frame.internalPort)"
        case .pathChallenge: return "PATH_CHALLENGE"
        case .pathResponse: return "PATH_RESPONSE"
        case .datagram(let frame): return "DATAGRAM \(frame.flow) \(frame.data.count) bytes"
        case .close(let frame): return "CLOSE \(frame.code)"
        case .retirePath(let id): return "RETIRE_PATH \(id)"
        case .stream(let frame):
            return "STREAM \(frame.id) \(span(frame.offset, frame.data.count))\(frame.isFin ? " FIN" : "")"
        case .pathStatus(let frame): return "PATH_STATUS \(frame.id) \(frame.preference)"
        case .unknownExtension: return "extension"
        }
    }

    private static func describe(_ ack: AckFrame, in packet: RawSpan) -> String {
        var ranges: [String] = []
        var reader = AckRangeReader(ack, in: packet)
        while let range = try? reader.next() {
            ranges.append(range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound)")
        }
        let shown = ranges.prefix(6).joined(separator: " ") + (ranges.count > 6 ? " and \(ranges.count - 6) more" : "")
        return "ACK p\(ack.pathID) \(shown)" + (ack.ecn.map { " ce \($0.ce)" } ?? "")
    }

    private static func span(_ offset: UInt64, _ count: Int) -> String { "\(offset)..<\(offset + UInt64(count))" }
}
