import DXControl
import DXTunnel
import Foundation
import Testing

@Suite struct StatusReportTests {
    @Test func saysWhatIsWrongOnOneScreen() {
        let expected = """
            edge-1 is NOT healthy, up 1 h 2 min, version 1.2.3
            id        \(idText("b"))
            listens   0.0.0.0:7700, [::]:7700
            socket    buffers 416 KiB in, 416 KiB out; GSO, GRO, no ECN
            memory    1.00 KiB of 64.0 MiB buffered

            PEER     STATE      FOR           ADDRESS           PATH    RTT        MTU   SENT    RECEIVED  STREAMS
            cloud-2  down       10000 d       -                 -       -          -     0 B     0 B       0
            cloud-1  connected  2 s           203.0.113.5:7700  direct  12.345 ms  1452  1000 B  1.91 MiB  2

            TUNNEL  END          STATE    ADDRESS         OPEN  TOTAL  REFUSED  TO TARGET  TO CLIENT
            ssh     destination  waiting  127.0.0.1:22    0     0      0        0 B        0 B
            web     origin       active   127.0.0.1:8080  1     20     1        300 B      3.91 KiB

            dropped   3 unknown_connection

            not healthy:
              peer cloud-2 is down since 1970-01-01T00:00:00.000Z: no answer from 203.0.113.6:7700
              tunnel ssh is waiting
            """
        // The span's column is as wide as its widest cell; compare without that padding.
        let report = "\(StatusReport(sampleStatus))"
        #expect(report.collapsed == expected.collapsed)
        #expect(report.split(separator: "\n", omittingEmptySubsequences: false).count <= 24)
    }

    @Test func saysThatAllIsWell() {
        var status = sampleStatus
        status.peers.removeLast()
        status.tunnels.removeLast()
        status.drops = [:]
        let lines = "\(StatusReport(status))".split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines[0] == "edge-1 is healthy, up 1 h 2 min, version 1.2.3")
        #expect(lines.count == 11)
    }

    @Test func showsRatesWhereThereAreSome() {
        var status = sampleStatus
        status.tunnels[0].rateBitsPerSecond = 20_000_000
        let report = "\(StatusReport(status))".collapsed
        #expect(report.contains("TO TARGET TO CLIENT RATE\n"))
        #expect(report.contains("300 B 3.91 KiB 20M\n"))
        #expect(report.contains("0 0 0 0 B 0 B -\n"))
        for (rate, text) in [
            (8_000, "8K"), (1_500_000, "1500K"), (1_000_000_000, "1G"), (100_000_000_000, "100G"), (8_001, "8001"),
        ] as [(UInt64, String)] {
            status.tunnels[0].rateBitsPerSecond = rate
            #expect("\(StatusReport(status))".contains(" \(text)\n"))
        }
    }

    @Test func saysWhichLimitIsReached() throws {
        var status = sampleStatus
        status.memory.state = .full
        status.memory.refusedConnections = 4
        let descriptors = #"{"used":1000,"limit":1024,"reserved":32,"refused_connections":5,"accept_pauses":6}"#
        status.descriptors = try JSONDecoder().decode(DescriptorStatus.self, from: Data(descriptors.utf8))
        let report = "\(StatusReport(status))"
        #expect(report.contains("buffered, FULL\n          4 connections refused for want of memory\n"))
        #expect(report.contains("files     1000 of 1024 open, 5 connections refused, 6 pauses\n"))
        #expect(report.contains("  memory is full: 1024 of 67108864 bytes wait"))
        #expect(report.contains("  no file descriptors are left: 1000 of 1024 are open"))
    }

    /// A tunnel that stands is no good tunnel while its target is down; which is said at both of its ends.
    @Test func saysWhichTargetIsDown() throws {
        var status = sampleStatus
        func destination(_ name: String, _ state: String, _ reason: String) throws -> DestinationStatus {
            let text =
                #"{"gateway":"\#(name)","state":"\#(state)","target":"up","reason":"\#(reason)","order":0,"weight":1,"failures":0}"#
            return try JSONDecoder().decode(DestinationStatus.self, from: Data(text.utf8))
        }
        status.tunnels[1].state = .active
        status.tunnels[1].health = try JSONDecoder().decode(
            TargetHealthStatus.self, from: Data(#"{"state":"down","reason":"Connection refused"}"#.utf8))
        status.tunnels[0].destinations = [
            try destination("a", "down", "no answer in time"), try destination("b", "away", ""),
        ]
        #expect(
            status.tunnels.map(\.problem) == [
                "tunnel web leads nowhere: the target of a is down (no answer in time), b is away: start a target",
                "tunnel ssh: its target 127.0.0.1:22 is down (Connection refused): start it, or look at its check",
            ])
        #expect("\(StatusReport(status))".collapsed.contains("web origin no target 127.0.0.1:8080"))
        // As long as one serves, or may, connections go there.
        for state in ["ready", "recovering", "silent"] {
            status.tunnels[0].destinations?[1] = try destination("b", state, "")
            #expect(status.tunnels[0].problem == nil, "\(state)")
        }
        // Of those that are only away the state of the tunnel tells.
        status.tunnels[0].destinations = [try destination("b", "away", "")]
        #expect(status.tunnels[0].problem == nil)
    }

    @Test func saysWhatItServes() {
        var status = sampleStatus
        status.serveMatch = sampleService
        #expect(
            "\(StatusReport(status))".contains("serves    as matchmaker: 4 registrations, 1 guests, 6 introductions\n"))
        status.serveMatch?.isListed = false
        #expect("\(StatusReport(status))".contains(": dxgateway config match add cloud.example:3478#\(idText("m"))\n"))
        status.serveMatch?.server = nil
        #expect("\(StatusReport(status))".contains(": dxgateway config match add HOST:PORT#self\n"))
    }

    @Test func cutsLongTables() {
        var status = sampleStatus
        status.peers = (0..<100).map { index in
            PeerStatus(
                name: "p\(index)", id: "", state: index == 50 ? .connecting : .connected, since: status.time)
        }
        let report = "\(StatusReport(status))"
        #expect(report.contains("\n  ... and 92 more: see --json\n"))
        // What is not well comes first, so that a cut never hides it.
        #expect(report.contains("STREAMS\np50 "))
    }

    @Test func sumsUpAPing() {
        #expect("\(PingSummary(sent: 2, rttMicroseconds: []))" == "2 sent, 0 answered")
        #expect(
            "\(PingSummary(sent: 4, rttMicroseconds: [9_000, 1_000, 2_500]))"
                == "4 sent, 3 answered; least 1.000 ms, median 2.500 ms, most 9.000 ms")
        #expect(PingSummary.text(rttMicroseconds: 7) == "0.007 ms")
    }
}

extension String {
    /// The text with runs of spaces as one.
    fileprivate var collapsed: String {
        split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
    }
}
