import DXTunnel
import Foundation
import Testing

@testable import DXControl

@Suite struct DashboardTests {
    private static func file(_ path: String) throws -> String {
        try String(
            contentsOf: URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../" + path),
            encoding: .utf8)
    }

    private static let folder = "Sources/DXControl/Dashboard/Page"

    /// What is served is what is in the folder.
    @Test func servesWhatIsInTheFiles() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../\(Self.folder)")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        #expect(names.count > 5 && names.contains("index.html"))
        #expect(DashboardFiles.all.count == names.count)
        for name in names {
            let place = name == "index.html" ? "/" : "/dashboard/\(name)"
            let served = DashboardFiles.all.first { $0.path == place }
            #expect(try served.map { String(decoding: $0.bytes, as: UTF8.self) } == Self.file("\(Self.folder)/\(name)"))
        }
    }

    /// Nothing stands in the page that the policy of its answers would stop, and nothing comes from elsewhere.
    @Test func thePageKeepsItsPolicy() throws {
        let page = try Self.file("\(Self.folder)/index.html")
        #expect(page.ranges(of: "<script").count == page.ranges(of: "src=\"/dashboard/").count)
        for forbidden in ["<style", " style=", " onclick", " onload", "javascript:", "https://", "//cdn"] {
            #expect(!page.contains(forbidden), "\(forbidden)")
        }
        for file in DashboardFiles.all where file.path.hasSuffix(".js") {
            let text = String(decoding: file.bytes, as: UTF8.self)
            for forbidden in [
                "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", ".src =",
            ] {
                #expect(!text.contains(forbidden), "\(file.path): \(forbidden)")
            }
        }
    }

    @Test func aHealthyGatewayIsSaidToBe() throws {
        var status = sampleStatus
        status.peers.removeAll { $0.state != .connected }
        status.tunnels.removeAll { $0.state != .active }
        let shown = DashboardSnapshot(status, events: [])
        #expect(shown.health.isHealthy && shown.health.sentence == "edge-1 is healthy" && shown.health.problems.isEmpty)
        status.draining = true
        #expect(DashboardSnapshot(status, events: []).health.sentence.contains("no new connections"))
    }

    @Test func problemsComeWithWhatToDo() {
        let shown = DashboardSnapshot(sampleStatus, events: [])
        #expect(!shown.health.isHealthy && shown.health.sentence == "edge-1 is NOT healthy: 2 problems")
        #expect(shown.health.problems.map(\.command) == ["dxgateway explain cloud-2", "dxgateway tunnel show ssh"])
        // What is wrong comes first.
        #expect(shown.peers.map(\.name) == ["cloud-2", "cloud-1"] && shown.tunnels.map(\.name) == ["ssh", "web"])
        #expect(shown.counts.connected == 1 && shown.counts.peers == 2 && shown.counts.working == 1)
    }

    /// A gateway with more peers than are shown says how many there are; what is alike is one problem.
    @Test func aFleetIsBounded() throws {
        let shown = DashboardSnapshot(try fleetStatus(peers: 1_500, tunnels: 1_200, broken: 30), events: [])
        #expect(shown.peers.count == 1_000 && shown.counts.peers == 1_500 && shown.counts.connected == 1_470)
        #expect(shown.peers.prefix(30).allSatisfy { $0.state == .down } && shown.peers[30].state == .connected)
        #expect(shown.tunnels.count == 1_000 && shown.counts.tunnels == 1_200)
        #expect(shown.health.problems.count == 2 && shown.health.more == 0)
    }

    @Test func eventsComeNewestFirst() throws {
        let records = try (1...150).map { number in
            try sample(
                GatewayEventRecord.self,
                #"{"schema":1,"id":"a-\#(number)","time":"2027-01-31T12:00:00.000Z","event":"peer_up","peer":"b"}"#)
        }
        let shown = DashboardSnapshot(sampleStatus, events: records).events
        #expect(shown.count == 100 && shown.first?.id == "a-150" && shown.first?.text == "b is connected")
        #expect(shown.allSatisfy { $0.tone == .good })
    }

    /// No address of a peer, a listener or a target is in it but those that stand in reasons and events.
    @Test func saysNoAddresses() throws {
        let status = sampleStatus
        let text = String(decoding: try ControlJSON.encode(DashboardSnapshot(status, events: [])), as: UTF8.self)
        for address in ["203.0.113.5", "127.0.0.1:8080", "127.0.0.1:22", "0.0.0.0:7700"] {
            #expect(!text.contains(address))
        }
        #expect(text.contains("\"rtt_us\":12345") && text.contains("\"uptime_seconds\":3725.5"))
    }

    /// What would steer a terminal or turn a text round is not passed on.
    @Test func namesAreCleaned() throws {
        var status = sampleStatus
        status.peers[1].lastError = "a\u{202e}b\u{1b}[31m<script>"
        let shown = DashboardSnapshot(status, events: [])
        #expect(shown.peers[0].error == "a?b?[31m<script>")
    }
}

@Suite struct MetricsOriginTests {
    @Test(
        arguments: [
            (nil, nil, "127.0.0.1:9478"), ("same-origin", nil, "127.0.0.1:9478"), ("none", nil, "127.0.0.1:9478"),
            ("same-origin", "http://127.0.0.1:9478", "127.0.0.1:9478"),
            (nil, "https://edge-1.example", "edge-1.example"), (nil, "http://[::1]:9478", "[::1]:9478"),
        ] as [(String?, String?, String?)])
    func itsOwnPageMayAsk(_ site: String?, _ origin: String?, _ authority: String?) {
        #expect(MetricsOrigin.allows(site: site, origin: origin, authority: authority))
    }

    @Test(
        arguments: [
            ("cross-site", nil, "127.0.0.1:9478"), ("same-site", nil, "127.0.0.1:9478"), ("", nil, "127.0.0.1:9478"),
            (nil, "null", "127.0.0.1:9478"), (nil, "http://evil.example", "127.0.0.1:9478"),
            // Another program of this host.
            (nil, "http://127.0.0.1:8080", "127.0.0.1:9478"), ("same-origin", "http://evil.example", "127.0.0.1:9478"),
            (nil, "file://127.0.0.1:9478", "127.0.0.1:9478"), (nil, "http://127.0.0.1:9478", nil),
            (nil, "", "127.0.0.1:9478"),
        ] as [(String?, String?, String?)])
    func othersMayNot(_ site: String?, _ origin: String?, _ authority: String?) {
        #expect(!MetricsOrigin.allows(site: site, origin: origin, authority: authority))
    }
}
