import DXStream
import DXWire
import NIOCore

/// A channel's trace as qlog: version 0.3 in JSON text sequences (draft-ietf-quic-qlog-main-schema; RFC 7464), which is what
/// viewers read as it grows. What each event means is in `docs/trace.md`.
///
/// Each record is a line of its own behind a record separator, so what was written so far is always a file. Paths have packet
/// numbers of their own, so each is a group (`group_id`), which viewers show as a connection. Of content there is nothing: no byte
/// of it reaches a trace.
struct QlogText {
    /// What a path leads over.
    struct Ends: Hashable {
        var local: Endpoint?
        var remote: Endpoint
    }

    /// What the file begins with.
    struct Head {
        /// The gateway that traces, and the peer.
        var gateway: String
        var peer: String
        var role: ChannelRole
        /// The calendar time at `start`.
        var wall: Timestamp
        /// What times are counted from.
        var start: Instant
    }

    private let start: Instant
    /// What was last said of each path.
    private var metrics: [PathID: TraceMetrics] = [:]
    private(set) var text = ByteBuffer()

    /// A text that begins with the head.
    init(_ head: Head) {
        start = head.start
        text.writeStaticString("\u{1E}{\"qlog_version\":\"0.3\",\"qlog_format\":\"JSON-SEQ\",")
        text.writeStaticString("\"title\":\"dxgateway trace\",\"trace\":{\"title\":")
        text.writeJSON(string: "\(head.gateway) to \(head.peer)")
        text.writeStaticString(",\"vantage_point\":{\"name\":")
        text.writeJSON(string: head.gateway)
        // There is no client; two traces of one channel go together when one of them is called so.
        text.writeStaticString(",\"type\":")
        text.writeJSON(string: head.role == .lower ? "client" : "server")
        text.writeStaticString("},\"common_fields\":{\"protocol_type\":[\"DX\"],\"time_format\":\"relative\",")
        text.writeStaticString("\"reference_time\":")
        text.writeJSON(number: head.wall.unixMilliseconds)
        text.writeStaticString("}}}\n")
    }

    /// What was written since it was asked last.
    mutating func take() -> ByteBuffer {
        defer { text = ByteBuffer() }
        return text
    }

    /// Writes what happened, and how much of what happened next is missing.
    ///
    /// - Parameter ends: what paths lead over; empty unless addresses are wanted.
    mutating func write(_ batch: TraceBatch, ends: [PathID: Ends], now: Instant) {
        text.reserveCapacity(batch.records.count * 160)
        var index = 0
        while index < batch.records.count {
            let record = batch.records[index]
            index += 1
            switch record.event {
            case .packetSent(let packet), .packetReceived(let packet):
                var end = index
                while end < batch.records.count, batch.records[end].isPartOfPacket { end += 1 }
                write(packet, record, parts: batch.records[index..<end])
                index = end
            default: write(record, ends: ends)
            }
        }
        guard batch.lost > 0 else { return }
        let path = batch.records.last?.path ?? PathID(rawValue: 0)
        event("dx:records_lost", TraceRecord(time: now, path: path, event: .probeTimeout)) {
            $0.writeStaticString("\"count\":")
            $0.writeJSON(number: batch.lost)
        }
    }

    /// Says why the trace is over.
    mutating func writeEnd(_ reason: ChannelTrace.End, path: PathID, now: Instant) {
        event("dx:trace_ended", TraceRecord(time: now, path: path, event: .probeTimeout)) {
            $0.writeStaticString("\"reason\":")
            $0.writeJSON(string: reason.rawValue)
        }
    }

    // MARK: Events

    private mutating func event(_ name: StaticString, _ record: TraceRecord, _ data: (inout ByteBuffer) -> Void) {
        text.writeStaticString("\u{1E}{\"time\":")
        text.writeJSON(milliseconds: record.time - start)
        text.writeStaticString(",\"name\":\"")
        text.writeStaticString(name)
        text.writeStaticString("\",\"group_id\":\"path ")
        text.writeJSON(number: record.path.rawValue)
        text.writeStaticString("\",\"data\":{")
        data(&text)
        text.writeStaticString("}}\n")
    }

    private mutating func write(_ packet: TracePacket, _ record: TraceRecord, parts: ArraySlice<TraceRecord>) {
        let isSent = if case .packetSent = record.event { true } else { false }
        event(isSent ? "transport:packet_sent" : "transport:packet_received", record) { text in
            text.writeQlogHeader(packet.number)
            text.writeStaticString(",\"raw\":{\"length\":")
            text.writeJSON(number: packet.byteCount)
            text.writeStaticString("},\"frames\":[")
            text.writeQlogFrames(parts, carrier: record.path)
            text.writeStaticString("]")
            if packet.isMTUProbe { text.writeStaticString(",\"is_mtu_probe_packet\":true") }
            if packet.isFragmented { text.writeStaticString(",\"dx_fragmented\":true") }
            switch packet.ecn {
            case .notECT: break
            case .ect0: text.writeStaticString(",\"ecn\":\"ECT(0)\"")
            case .ect1: text.writeStaticString(",\"ecn\":\"ECT(1)\"")
            case .ce: text.writeStaticString(",\"ecn\":\"CE\"")
            }
        }
    }

    private mutating func write(_ record: TraceRecord, ends: [PathID: Ends]) {
        switch record.event {
        case .packetSent, .packetReceived, .frame, .range: break
        case .packetDropped(let number, let byteCount, let outcome):
            event("transport:packet_dropped", record) {
                $0.writeQlogHeader(number, byteCount: byteCount)
                $0.writeStaticString(
                    outcome == .duplicate ? ",\"trigger\":\"duplicate\"" : ",\"trigger\":\"dos_prevention\"")
            }
        case .packetLost(let number, let byteCount, let cause, let isMTUProbe):
            event("recovery:packet_lost", record) {
                $0.writeQlogHeader(number, byteCount: byteCount)
                $0.writeStaticString(
                    cause == .reordering
                        ? ",\"trigger\":\"reordering_threshold\"" : ",\"trigger\":\"time_threshold\"")
                if isMTUProbe { $0.writeStaticString(",\"is_mtu_probe_packet\":true") }
            }
        case .packetGivenUp(let number, let byteCount):
            event("dx:packet_given_up", record) { $0.writeQlogHeader(number, byteCount: byteCount) }
        case .packetSpuriouslyLost(let number):
            event("dx:packet_spuriously_lost", record) { $0.writeQlogHeader(number) }
        case .probeTimeout:
            event("recovery:loss_timer_updated", record) {
                $0.writeStaticString("\"timer_type\":\"pto\",\"event_type\":\"expired\"")
            }
        case .metrics(let now): write(now, record)
        case .path(let change): write(change, record, ends: ends[record.path])
        case .stream(let id, let change): write(id, change, record)
        case .closed(let code, let cause): write(code, cause, record)
        }
    }

    // MARK: Paths, streams, the end

    private mutating func write(_ change: TracePathChange, _ record: TraceRecord, ends: Ends?) {
        let (state, inherited): (StaticString, PathID?) =
            switch change {
            case .present: ("present", nil)
            case .added(let other): ("added", other)
            case .used: ("used", nil)
            case .retiring: ("retiring", nil)
            case .retired: ("retired", nil)
            case .validated: ("validated", nil)
            case .moved: ("moved", nil)
            case .down: ("down", nil)
            case .up: ("up", nil)
            }
        switch change {
        case .present, .added: writeStart(record, ends)
        case .used, .retiring, .retired, .validated, .moved, .down, .up: break
        }
        event("dx:path_updated", record) { text in
            text.writeStaticString("\"path_id\":")
            text.writeJSON(number: record.path.rawValue)
            text.writeStaticString(",\"state\":\"")
            text.writeStaticString(state)
            text.writeStaticString("\"")
            if let inherited {
                text.writeStaticString(",\"continues\":")
                text.writeJSON(number: inherited.rawValue)
            }
            if let ends {
                if let local = ends.local {
                    text.writeStaticString(",\"local\":")
                    text.writeJSON(string: "\(local)")
                }
                text.writeStaticString(",\"remote\":")
                text.writeJSON(string: "\(ends.remote)")
            }
        }
        if case .retired = change { metrics[record.path] = nil }
    }

    /// What viewers show of addresses.
    private mutating func writeStart(_ record: TraceRecord, _ ends: Ends?) {
        guard let ends, let local = ends.local else { return }
        event("connectivity:connection_started", record) { text in
            text.writeStaticString(ends.remote.family == .v4 ? "\"ip_version\":\"v4\"" : "\"ip_version\":\"v6\"")
            text.writeStaticString(",\"protocol\":\"DX\",\"src_ip\":")
            text.writeJSON(string: local.addressText)
            text.writeStaticString(",\"src_port\":")
            text.writeJSON(number: local.port)
            text.writeStaticString(",\"dst_ip\":")
            text.writeJSON(string: ends.remote.addressText)
            text.writeStaticString(",\"dst_port\":")
            text.writeJSON(number: ends.remote.port)
        }
    }

    private mutating func write(_ id: StreamID, _ change: TraceStreamChange, _ record: TraceRecord) {
        event("transport:stream_state_updated", record) { text in
            text.writeStaticString("\"stream_id\":")
            text.writeJSON(number: id.rawValue)
            text.writeStaticString(",\"stream_type\":\"bidirectional\"")
            switch change {
            case .opened: text.writeStaticString(",\"new\":\"open\",\"dx_opened_by\":\"local\"")
            case .accepted: text.writeStaticString(",\"new\":\"open\",\"dx_opened_by\":\"remote\"")
            case .ended: text.writeStaticString(",\"new\":\"closed\"")
            }
        }
    }

    private mutating func write(_ code: CloseCode, _ cause: ChannelEnd.Cause, _ record: TraceRecord) {
        event("connectivity:connection_closed", record) { text in
            switch cause {
            case .local: text.writeStaticString("\"owner\":\"local\",\"trigger\":\"application\"")
            case .peer: text.writeStaticString("\"owner\":\"remote\",\"trigger\":\"application\"")
            case .violation: text.writeStaticString("\"owner\":\"local\",\"trigger\":\"error\"")
            case .idleTimeout: text.writeStaticString("\"owner\":\"local\",\"trigger\":\"idle_timeout\"")
            }
            text.writeStaticString(",\"connection_code\":")
            text.writeJSON(number: code.rawValue)
            text.writeStaticString(",\"dx_code\":")
            text.writeJSON(string: "\(code)")
        }
    }

    // MARK: Metrics

    /// What is another than it was; nothing when nothing is.
    private mutating func write(_ now: TraceMetrics, _ record: TraceRecord) {
        let before = metrics[record.path]
        metrics[record.path] = now
        if before?.phase != now.phase {
            event("recovery:congestion_state_updated", record) { text in
                if let before {
                    text.writeStaticString("\"old\":\"")
                    text.writeStaticString(Self.name(before.phase))
                    text.writeStaticString("\",")
                }
                text.writeStaticString("\"new\":\"")
                text.writeStaticString(Self.name(now.phase))
                text.writeStaticString("\"")
            }
        }
        if before?.mtu != now.mtu {
            event("connectivity:mtu_updated", record) { text in
                if let before {
                    text.writeStaticString("\"old\":")
                    text.writeJSON(number: before.mtu)
                    text.writeStaticString(",")
                }
                text.writeStaticString("\"new\":")
                text.writeJSON(number: now.mtu)
            }
        }
        var members = QlogMembers()
        members.add("min_rtt", now.roundTrip?.minimum, before?.roundTrip?.minimum)
        members.add("smoothed_rtt", now.roundTrip?.smoothed, before?.roundTrip?.smoothed)
        members.add("latest_rtt", now.roundTrip?.latest, before?.roundTrip?.latest)
        members.add("rtt_variance", now.roundTrip?.variation, before?.roundTrip?.variation)
        members.add("pto_count", now.probeCount, before?.probeCount)
        members.add("congestion_window", now.windowBytes, before?.windowBytes)
        members.add("bytes_in_flight", now.bytesInFlight, before?.bytesInFlight)
        members.add("ssthresh", now.slowStartThreshold, before?.slowStartThreshold)
        // Bits per second.
        members.add("pacing_rate", Self.bits(now.pacingRate), before.map { Self.bits($0.pacingRate) })
        guard !members.isEmpty else { return }
        event("recovery:metrics_updated", record) { $0.writeImmutableBuffer(members.text) }
    }

    /// A pacing rate is at most 10^12.
    private static func bits(_ bytes: UInt64) -> Int { Int(clamping: bytes &* 8) }

    private static func name(_ phase: TracePhase) -> StaticString {
        switch phase {
        case .slowStart: "slow_start"
        case .congestionAvoidance: "congestion_avoidance"
        case .recovery: "recovery"
        case .startup: "startup"
        case .drain: "drain"
        case .probeDown: "probe_bw_down"
        case .cruise: "probe_bw_cruise"
        case .refill: "probe_bw_refill"
        case .probeUp: "probe_bw_up"
        case .probeRTT: "probe_rtt"
        }
    }
}

extension TraceRecord {
    /// Whether it belongs to the packet before it.
    fileprivate var isPartOfPacket: Bool {
        switch event {
        case .frame, .range: true
        default: false
        }
    }
}
