import DXTunnel
import Foundation
import Testing

@testable import DXControl

@Suite struct PeersReportTests {
    @Test func showsWhatIsNotWellFirst() throws {
        let lines = "\(PeersReport(sampleStatus))".split(separator: "\n")
        #expect(lines.count == 3)
        #expect(
            lines[0].split(separator: " ").joined(separator: " ")
                == "PEER STATE FOR PATH RTT LOST MTU SENT RECEIVED STREAMS ADDRESS")
        #expect(lines[1].hasPrefix("cloud-2  down ") && lines[1].hasSuffix("no answer from 203.0.113.6:7700"))
        #expect(lines[2].hasPrefix("cloud-1  connected") && lines[2].hasSuffix("203.0.113.5:7700"))
        #expect("\(PeersReport(try fleetStatus(peers: 0, tunnels: 0, broken: 0)))" == "no peers")
    }

    @Test func fitsTheTerminalAndNeverCutsAPipe() throws {
        let status = try fleetStatus(peers: 500, tunnels: 0, broken: 2)
        for width in [20, 40, 80, 120, 300] {
            let report = PeersReport(status, terminal: Terminal(width: width, height: 24, hasColors: false))
            let lines = "\(report)".split(separator: "\n")
            #expect(lines.count == 501 && lines.allSatisfy { $0.count <= width })
            #expect(lines[1].hasPrefix("peer-0 "))
        }
        #expect("\(PeersReport(status))".contains("the last was 203.0.113.6\n"))
    }

    @Test func showsAllOfOne() throws {
        var status = sampleStatus
        status.peers[0].forwardedBy = "hq"
        status.peers[0].counters["packets_sent"] = 70_000
        status.peers[0].paths = [
            PathStatus(
                local: nil, remote: "203.0.113.5:7700", state: .down, preference: "backup", rttMicroseconds: nil,
                bytesSent: 1, bytesReceived: 2)
        ]
        let text = try #require(PeersReport.detail(of: "cloud-1", in: status))
        #expect(text.hasPrefix("cloud-1 is connected for 2 s\n"))
        for line in [
            "  id              \(idText("c"))\n", "  address         through hq\n", "  lost            0.01 %\n",
            "  any   203.0.113.5:7700  down   backup      -    1 B   2 B\n", "  packets_lost  7\n",
        ] {
            #expect(text.contains(line), "\(text)")
        }
        #expect(PeersReport.peer("cccccccc", in: status)?.name == "cloud-1")
        #expect(PeersReport.peer("ccccccc", in: status) == nil && PeersReport.detail(of: "x", in: status) == nil)
    }

    @Test func showsTunnelsThatDoNotWorkFirst() {
        let lines = TunnelText.table(sampleStatus.tunnels).split(separator: "\n").map(String.init)
        #expect(lines.count == 3 && lines[1].hasPrefix("ssh     destination  waiting") && lines[2].hasPrefix("web "))
        #expect(TunnelText.table([]) == "no tunnels")
        #expect(TunnelText.trouble(sampleStatus.tunnels) == "destination waiting")
        #expect(TunnelText.trouble([sampleStatus.tunnels[0]]) == nil)
        var tunnel = sampleStatus.tunnels[0]
        tunnel.networkProtocol = .udp
        tunnel.datagramsDropped = ["rate": 2, "limit": 0]
        tunnel.rateWaits = 3
        #expect(
            TunnelText.lines(tunnel) == [
                "here: origin, active, udp 127.0.0.1:8080, 1 open of 20 connections; last error: the target refused",
                "  300 B to the target, 3.91 KiB to the client; 1 connection refused; made to wait 3 times by its rate, 0 ms in"
                    + " all; datagrams dropped: 2 rate",
            ])
    }
}
