import DXTunnel
import Foundation
import Testing

@testable import DXControl

@Suite struct StatusReportTests {
    @Test func saysWhatIsWrongAndWhatNowOnOneScreen() {
        let expected = """
            edge-1 is NOT healthy: 2 problems, up 1 h 2 min, version 1.2.3

              peer cloud-2 is down since 1970-01-01T00:00:00.000Z: no answer from 203.0.113.6:7700
                  dxgateway explain cloud-2
              tunnel ssh is waiting
                  dxgateway tunnel show ssh

            peers       cloud-1 connected for 2 s, direct, RTT 12.345 ms, MTU 1452, 203.0.113.5:7700
                        cloud-2 down for 10000 d
            paths       1000 B sent, 1.91 MiB received
            tunnels     web origin active: 1 open, 20 in all, 1 refused; 127.0.0.1:8080
                        ssh destination waiting: 0 open, 0 in all, 0 refused; 127.0.0.1:22
            memory      1.00 KiB of 64.0 MiB buffered
            dropped     3 unknown_connection
            listens     0.0.0.0:7700, [::]:7700
            socket      buffers 416 KiB in, 416 KiB out; GSO, GRO, no ECN
            id          \(idText("b"))
            """
        #expect("\(StatusReport(sampleStatus))" == expected)
    }

    @Test func saysThatAllIsWell() {
        var status = sampleStatus
        status.peers.removeLast()
        status.tunnels.removeLast()
        status.drops = [:]
        let lines = "\(StatusReport(status))".split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines[0] == "edge-1 is healthy, up 1 h 2 min, version 1.2.3")
        #expect(lines.count == 9)
        status.draining = true
        #expect("\(StatusReport(status))".hasPrefix("edge-1 is healthy, DRAINING, up 1 h 2 min"))
    }

    /// Whatever there is, and whatever is wrong with it: 24 lines of 80 columns, what is wrong above, nothing of it hidden without a word.
    @Test(arguments: [(1, 1), (4, 4), (500, 100)], [0, 1, 3, 500])
    func fitsOnOneScreen(_ size: (peers: Int, tunnels: Int), _ broken: Int) throws {
        let status = try fleetStatus(peers: size.peers, tunnels: size.tunnels, broken: broken)
        let screen = Terminal(width: 80, height: 24, hasColors: false)
        let report = "\(StatusReport(status, terminal: screen))"
        let lines = report.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count <= 23 && lines.allSatisfy { $0.count <= 80 }, "\(report)")
        for word in ["peers ", "tunnels ", "memory "] { #expect(lines.contains { $0.hasPrefix(word) }, "\(report)") }
        guard broken > 0 else {
            #expect(lines[0].hasPrefix("edge-1 is healthy, up "))
            return
        }
        #expect(lines[0].hasPrefix("edge-1 is NOT healthy: \(status.problems.count) problem"))
        #expect(lines[2].hasPrefix("  ") && report.contains("\n      dxgateway "), "\(report)")
        // Into a pipe goes as much, and nothing is cut.
        let piped = "\(StatusReport(status))"
        #expect(piped.split(separator: "\n", omittingEmptySubsequences: false).count <= 23)
        if broken == 1 { #expect(piped.contains("  \(status.problems[0])\n")) }
        if broken == 500, size.peers == 500 {
            let report = piped
            #expect(
                report.contains("  500 peers are not connected: peer-0, peer-1, peer-2, ...; the first: peer peer-0 is")
            )
            #expect(report.contains("\n      dxgateway peers\n"))
            #expect(report.contains("100 tunnels do not work: tunnel-0, tunnel-1, tunnel-2, ...; the first: tunnel"))
            #expect(report.contains("\n      dxgateway tunnel list\n"))
            #expect(report.contains("peers       0 of 500 connected, 500 down"))
        }
        // A screen with more lines shows more.
        let tall = "\(StatusReport(status, terminal: Terminal(width: 80, height: 60, hasColors: false)))"
        #expect(tall.split(separator: "\n", omittingEmptySubsequences: false).count >= lines.count)
    }

    @Test func countsWhatIsTooMuchToName() throws {
        let status = try fleetStatus(peers: 500, tunnels: 100, broken: 3)
        let report = "\(StatusReport(status))"
        #expect(report.contains("peers       497 of 500 connected (497 direct), 3 down\n"))
        #expect(report.contains("paths       RTT 4.000 ms to 500.000 ms, median 252.000 ms; "))
        #expect(report.contains("; 0.10 % lost\n"))
        #expect(
            report.contains("tunnels     97 of 100 work (3 waiting); connections: 200 open, 4950 in all, 0 refused\n"))
    }

    /// Commands that are named find the gateway that was asked.
    @Test func namesItsPlaceInCommands() {
        let report = "\(StatusReport(sampleStatus, place: " --state edge"))"
        #expect(report.contains("      dxgateway explain cloud-2 --state edge\n"))
    }

    @Test func saysNothingByColourAlone() {
        let plain = "\(StatusReport(sampleStatus))"
        let colored = "\(StatusReport(sampleStatus, terminal: Terminal(width: nil, height: 24, hasColors: true)))"
        #expect(colored.contains("is \u{1B}[1;31mNOT healthy\u{1B}[0m: 2 problems") && !plain.contains("\u{1B}"))
        #expect(colored.replacing(#/\x1B\[[0-9;]*m/#, with: "") == plain)
    }

    /// What other machines say does not steer this one's terminal.
    @Test func showsNoControlCharacters() {
        var status = sampleStatus
        status.peers[1].lastError = "\u{1B}[2Jgone\u{9B}\n\u{202E}"
        status.tunnels[1].lastError = "\u{7}\r\u{1B}]0;title"
        status.version = "1\u{1B}c"
        let report = "\(StatusReport(status))"
        #expect(
            !report.contains {
                $0 != "\n" && $0.unicodeScalars.contains { $0.value < 32 || (127..<160).contains($0.value) }
            })
        #expect(report.contains("?[2Jgone"))
    }

    @Test func showsRatesWhereThereAreSome() {
        var status = sampleStatus
        for (rate, text) in [
            (8_000, "8K"), (1_500_000, "1500K"), (1_000_000_000, "1G"), (100_000_000_000, "100G"), (8_001, "8001"),
        ] as [(UInt64, String)] {
            status.tunnels[0].rateBitsPerSecond = rate
            #expect("\(StatusReport(status))".contains("1 refused, at most \(text)bit/s; 127.0.0.1:8080\n"))
        }
    }

    @Test func findsACommandForEachProblem() throws {
        var status = sampleStatus
        status.memory.state = .full
        let descriptors = #"{"used":1000,"limit":1024,"reserved":32,"refused_connections":5,"accept_pauses":6}"#
        status.descriptors = try JSONDecoder().decode(DescriptorStatus.self, from: Data(descriptors.utf8))
        #expect(
            StatusProblem.all(of: status).map(\.command) == ["explain cloud-2", "tunnel show ssh", "top", "doctor"])
        status.group = GroupStatus(
            name: "plant", revision: 1, epoch: 1, members: 2, neighbours: 0, admin: true,
            problems: [
                "edge-2 runs twice with one key, at a and b: stop one",
                "this gateway's clock is behind 2027-01-01T00:00:00.000Z",
            ])
        status.peers[0].state = .down
        #expect(
            StatusProblem.all(of: status).map(\.command) == [
                "member list", "doctor", "explain cloud-1", "tunnel show ssh", "top", "doctor",
            ])
        // However many there are, each is told or counted; once, where both ends of a tunnel say it.
        #expect(StatusProblem.all(of: status).map(\.text) == status.problems)
        status.tunnels.append(status.tunnels[1])
        #expect(status.problems.filter { $0 == "tunnel ssh is waiting" }.count == 2)
        #expect(StatusProblem.all(of: status).filter { $0.text == "tunnel ssh is waiting" }.count == 1)
        #expect("\(StatusReport(status))".hasPrefix("edge-1 is NOT healthy: 6 problems, "))
    }

    @Test func saysWhichLimitIsReached() throws {
        var status = sampleStatus
        status.memory.state = .full
        status.memory.refusedConnections = 4
        let descriptors = #"{"used":1000,"limit":1024,"reserved":32,"refused_connections":5,"accept_pauses":6}"#
        status.descriptors = try JSONDecoder().decode(DescriptorStatus.self, from: Data(descriptors.utf8))
        let report = "\(StatusReport(status))"
        #expect(report.contains("buffered, FULL; 4 connections refused for want of it\n"))
        #expect(report.contains("files       1000 of 1024 open, 5 connections refused, 6 pauses\n"))
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
        #expect(
            "\(StatusReport(status))".contains("web origin no target: 1 open, 20 in all, 1 refused; 127.0.0.1:8080"))
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
            "\(StatusReport(status))".contains(
                "serves      as matchmaker: 4 registrations, 1 guests, 6 introductions\n"))
        status.serveMatch?.isListed = false
        #expect("\(StatusReport(status))".contains(": dxgateway config match add cloud.example:3478#\(idText("m"))\n"))
        status.serveMatch?.server = nil
        #expect("\(StatusReport(status))".contains(": dxgateway config match add HOST:PORT#self\n"))
    }

    @Test func sumsUpAPing() {
        #expect("\(PingSummary(sent: 2, rttMicroseconds: []))" == "2 sent, 0 answered")
        #expect(
            "\(PingSummary(sent: 4, rttMicroseconds: [9_000, 1_000, 2_500]))"
                == "4 sent, 3 answered; least 1.000 ms, median 2.500 ms, most 9.000 ms")
        #expect(PingSummary.text(rttMicroseconds: 7) == "0.007 ms")
    }
}
