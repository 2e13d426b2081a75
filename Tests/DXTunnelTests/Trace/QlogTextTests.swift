import DXStream
import DXWire
import FoundationEssentials
import NIOCore
import Testing

@testable import DXTunnel

/// The text of traces, letter by letter.
@Suite struct QlogTextTests {
    private let path = PathID(rawValue: 2)

    private var head: QlogText.Head {
        QlogText.Head(
            gateway: "edge-1", peer: "cloud \"1\"", role: .lower, wall: Timestamp(unixMilliseconds: 1_790_000_000_123),
            start: Instant(nanoseconds: 5_000_000))
    }

    private func record(_ milliseconds: Int64, _ event: TraceEvent) -> TraceRecord {
        TraceRecord(time: Instant(nanoseconds: 5_000_000 + milliseconds * 1_000_000), path: path, event: event)
    }

    /// The lines of what is written of these, without the record separators.
    private func lines(
        _ records: [TraceRecord], lost: UInt64 = 0, ends: [PathID: QlogText.Ends] = [:]
    ) throws -> [String] {
        var text = QlogText(head)
        let begun = text.take()
        #expect(begun.readableBytes > 0)
        text.write(
            TraceBatch(records: records, lost: lost), ends: ends,
            now: Instant(nanoseconds: 5_000_000 + 9_000_000_000))
        return try Self.lines(String(buffer: text.take()))
    }

    private static func lines(_ text: String) throws -> [String] {
        #expect(text.isEmpty || text.hasSuffix("\n"))
        return try text.split(separator: "\n").map { line in
            #expect(line.hasPrefix("\u{1E}"))
            let json = String(line.dropFirst())
            _ = try JSONDecoder().decode(AnyRecord.self, from: Data(json.utf8))
            return json
        }
    }

    /// Whether it is JSON at all.
    private struct AnyRecord: Decodable {}

    @Test func beginsWithItsHead() throws {
        var text = QlogText(head)
        #expect(
            try Self.lines(String(buffer: text.take())) == [
                #"{"qlog_version":"0.3","qlog_format":"JSON-SEQ","title":"dxgateway trace","trace":{"title":"#
                    + #""edge-1 to cloud \"1\"","vantage_point":{"name":"edge-1","type":"client"},"common_fields":"#
                    + #"{"protocol_type":["DX"],"time_format":"relative","reference_time":1790000000123}}}"#
            ])
    }

    @Test func tellsPacketsWithTheirFrames() throws {
        let slice = PacketSlice(offset: 40, count: 1_200)
        let ack = AckFrame(
            pathID: path, largest: 9, delay: .microseconds(1_500), rangeCount: 2, ranges: slice,
            ecn: ECNCounts(ect0: 7, ect1: 0, ce: 1))
        var other = ack
        other.pathID = PathID(rawValue: 1)
        other.ecn = nil
        let written = try lines([
            record(
                1,
                .packetSent(
                    TracePacket(number: 17, byteCount: 1_300, ecn: .ect0, isAckEliciting: true, isFragmented: true))
            ),
            record(1, .frame(.stream(StreamFrame(id: StreamID(rawValue: 4), offset: 100, isFin: true, data: slice)))),
            record(1, .frame(.padding)),
            record(
                1, .frame(.open(OpenFrame(id: StreamID(rawValue: 6), internalPort: 77, streamClass: .bulk, share: 1)))),
            record(2, .packetReceived(TracePacket(number: 3, byteCount: 60, ecn: .notECT))),
            record(2, .frame(.ack(ack))), record(2, .range(lower: 8, upper: 9)), record(2, .range(lower: 1, upper: 1)),
            record(2, .frame(.ack(other))), record(2, .range(lower: 5, upper: 6)),
            record(3, .packetSent(TracePacket(number: 18, byteCount: 1_472, ecn: .notECT, isMTUProbe: true))),
        ])
        #expect(
            written == [
                #"{"time":1,"name":"transport:packet_sent","group_id":"path 2","data":{"header":{"packet_type":"1RTT","#
                    + #""packet_number":17},"raw":{"length":1300},"frames":[{"frame_type":"stream","stream_id":4,"#
                    + #""offset":100,"length":1200,"fin":true},{"frame_type":"padding"},{"frame_type":"unknown","#
                    + #""raw_frame_type":10,"dx_frame":"open","stream_id":6,"dx_class":"bulk"}],"#
                    + #""dx_fragmented":true,"ecn":"ECT(0)"}}"#,
                #"{"time":2,"name":"transport:packet_received","group_id":"path 2","data":{"header":{"packet_type":"#
                    + #""1RTT","packet_number":3},"raw":{"length":60},"frames":[{"frame_type":"ack","ack_delay":1.500,"#
                    + #""acked_ranges":[[8,9],[1,1]],"ect0":7,"ect1":0,"ce":1},{"frame_type":"unknown","#
                    + #""raw_frame_type":2,"dx_frame":"ack","dx_path_id":1,"ack_delay":1.500,"acked_ranges":[[5,6]]}]}}"#,
                #"{"time":3,"name":"transport:packet_sent","group_id":"path 2","data":{"header":{"packet_type":"1RTT","#
                    + #""packet_number":18},"raw":{"length":1472},"frames":[],"is_mtu_probe_packet":true}}"#,
            ])
    }

    @Test func tellsLossesAndTheirReasons() throws {
        let written = try lines([
            record(0, .packetLost(number: 5, byteCount: 1_300, cause: .reordering, isMTUProbe: false)),
            record(0, .packetLost(number: 6, byteCount: 1_472, cause: .time, isMTUProbe: true)),
            record(0, .packetGivenUp(number: 7, byteCount: 60)), record(0, .packetSpuriouslyLost(number: 5)),
            record(0, .packetDropped(number: 8, byteCount: 90, outcome: .duplicate)),
            record(0, .packetDropped(number: 9, byteCount: 91, outcome: .refused)), record(0, .probeTimeout),
        ])
        func said(_ name: String, _ data: String) -> String {
            #"{"time":0,"name":"\#(name)","group_id":"path 2","data":{\#(data)}}"#
        }
        func header(_ number: Int, _ length: Int) -> String {
            #""header":{"packet_type":"1RTT","packet_number":\#(number)},"raw":{"length":\#(length)}"#
        }
        #expect(
            written == [
                said("recovery:packet_lost", header(5, 1_300) + #","trigger":"reordering_threshold""#),
                said(
                    "recovery:packet_lost",
                    header(6, 1_472) + #","trigger":"time_threshold","is_mtu_probe_packet":true"#),
                said("dx:packet_given_up", header(7, 60)),
                said("dx:packet_spuriously_lost", #""header":{"packet_type":"1RTT","packet_number":5}"#),
                said("transport:packet_dropped", header(8, 90) + #","trigger":"duplicate""#),
                said("transport:packet_dropped", header(9, 91) + #","trigger":"dos_prevention""#),
                said("recovery:loss_timer_updated", #""timer_type":"pto","event_type":"expired""#),
            ])
    }

    @Test func tellsOnlyWhatHasChanged() throws {
        var metrics = TraceMetrics(
            roundTrip: nil, windowBytes: 12_000, bytesInFlight: 0, slowStartThreshold: nil, pacingRate: 72_000,
            mtu: 1_200,
            probeCount: 0, phase: .slowStart)
        var records = [record(0, .metrics(metrics)), record(1, .metrics(metrics))]
        metrics.roundTrip = .init(
            latest: .microseconds(20_005), smoothed: .microseconds(20_050), minimum: .milliseconds(20), variation: .zero
        )
        metrics.windowBytes = 13_000
        records.append(record(2, .metrics(metrics)))
        metrics.phase = .recovery
        metrics.mtu = 1_472
        metrics.slowStartThreshold = 9_000
        records.append(record(3, .metrics(metrics)))
        func said(_ time: Int, _ name: String, _ data: String) -> String {
            #"{"time":\#(time),"name":"\#(name)","group_id":"path 2","data":{\#(data)}}"#
        }
        #expect(
            try lines(records) == [
                said(0, "recovery:congestion_state_updated", #""new":"slow_start""#),
                said(0, "connectivity:mtu_updated", #""new":1200"#),
                said(
                    0, "recovery:metrics_updated",
                    #""pto_count":0,"congestion_window":12000,"bytes_in_flight":0,"pacing_rate":576000"#),
                said(
                    2, "recovery:metrics_updated",
                    #""min_rtt":20,"smoothed_rtt":20.050,"latest_rtt":20.005,"rtt_variance":0,"congestion_window":13000"#
                ),
                said(3, "recovery:congestion_state_updated", #""old":"slow_start","new":"recovery""#),
                said(3, "connectivity:mtu_updated", #""old":1200,"new":1472"#),
                said(3, "recovery:metrics_updated", #""ssthresh":9000"#),
            ])
    }

    @Test func tellsAddressesOnlyWhenTheyAreWanted() throws {
        let records = [
            record(0, .path(.present)), record(1, .path(.added(inheriting: PathID(rawValue: 0)))),
            record(2, .path(.down)),
        ]
        func said(_ time: Int, _ name: String, _ data: String) -> String {
            #"{"time":\#(time),"name":"\#(name)","group_id":"path 2","data":{\#(data)}}"#
        }
        #expect(
            try lines(records) == [
                said(0, "dx:path_updated", #""path_id":2,"state":"present""#),
                said(1, "dx:path_updated", #""path_id":2,"state":"added","continues":0"#),
                said(2, "dx:path_updated", #""path_id":2,"state":"down""#),
            ])
        let ends = QlogText.Ends(
            local: Endpoint(v4: 0xc000_0201, port: 7_701), remote: Endpoint(v4: 0xc000_0202, port: 7_700))
        #expect(
            try lines(Array(records.prefix(1)), ends: [path: ends]) == [
                said(
                    0, "connectivity:connection_started",
                    #""ip_version":"v4","protocol":"DX","src_ip":"192.0.2.1","src_port":7701,"dst_ip":"192.0.2.2","dst_port":7700"#
                ),
                said(
                    0, "dx:path_updated",
                    #""path_id":2,"state":"present","local":"192.0.2.1:7701","remote":"192.0.2.2:7700""#),
            ])
    }

    @Test func tellsStreamsTheEndAndWhatIsMissing() throws {
        let records = [
            record(0, .stream(StreamID(rawValue: 4), .opened)), record(0, .stream(StreamID(rawValue: 5), .accepted)),
            record(1, .stream(StreamID(rawValue: 4), .ended)), record(2, .closed(.shutdown, .peer)),
        ]
        func said(_ time: Int, _ name: String, _ data: String) -> String {
            #"{"time":\#(time),"name":"\#(name)","group_id":"path 2","data":{\#(data)}}"#
        }
        let state = "transport:stream_state_updated"
        #expect(
            try lines(records, lost: 41) == [
                said(0, state, #""stream_id":4,"stream_type":"bidirectional","new":"open","dx_opened_by":"local""#),
                said(0, state, #""stream_id":5,"stream_type":"bidirectional","new":"open","dx_opened_by":"remote""#),
                said(1, state, #""stream_id":4,"stream_type":"bidirectional","new":"closed""#),
                said(
                    2, "connectivity:connection_closed",
                    #""owner":"remote","trigger":"application","connection_code":9,"dx_code":"shutdown""#),
                said(9_000, "dx:records_lost", #""count":41"#),
            ])
    }

    /// Every kind of frame comes out as JSON, and none of what it carries.
    @Test func knowsEveryFrame() throws {
        let data = PacketSlice(offset: 12, count: 34)
        let id = StreamID(rawValue: 8)
        let frames: [Frame] = [
            .padding, .ping, .reset(ResetFrame(id: id, code: .aborted, finalSize: 5)),
            .stop(StopFrame(id: id, code: .limit)),
            .control(ControlFrame(offset: 1, data: data)), .maxData(9),
            .maxStreamData(MaxStreamDataFrame(id: id, maximum: 3)),
            .maxStreams(4), .pathChallenge(0x1122_3344_5566_7788), .pathResponse(0x1122_3344_5566_7788),
            .datagram(DatagramFrame(flow: 1, data: data)), .close(CloseFrame(code: .shutdown, reason: data)),
            .retirePath(PathID(rawValue: 3)),
            .pathStatus(PathStatusFrame(id: PathID(rawValue: 3), sequence: 1, preference: .backup)), .unknownExtension,
        ]
        let written = try lines(
            [record(0, .packetSent(TracePacket(number: 1, byteCount: 99, ecn: .notECT)))]
                + frames.map { record(0, .frame($0)) })
        #expect(written.count == 1)
        #expect(written[0].split(separator: #""frame_type""#).count == frames.count + 1)
        #expect(!written[0].contains("\(0x1122_3344_5566_7788 as UInt64)"))
    }
}
