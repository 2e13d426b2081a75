import DXTunnel
import Foundation
import Testing

@testable import DXControl

@Suite struct GatewayMetricsTests {
    /// One line of each family, or of the ones where a mistake would show.
    @Test(arguments: [
        "dx_gateway_build_info{version=\"1.2.3\"} 1",
        "dx_gateway_identity_info{gateway=\"edge-1\",gateway_id=\"\(idText("b"))\"} 1",
        // 08:05:02.5 less 62.5 s.
        "dx_gateway_start_timestamp_seconds 1789286640", "dx_gateway_healthy 0", "dx_gateway_draining 1",
        "dx_gateway_peers{state=\"connected\"} 1", "dx_gateway_peers{state=\"connecting\"} 0",
        "dx_gateway_peer_connected{peer=\"cloud-2\"} 0",
        "dx_gateway_peer_state_timestamp_seconds{peer=\"cloud-1\"} 1789286642",
        "dx_gateway_peer_round_trip_seconds{peer=\"cloud-1\",path_kind=\"direct\"} 0.012345",
        "dx_gateway_paths{path_kind=\"lan\",state=\"down\"} 1",
        "dx_gateway_paths{path_kind=\"forwarded\",state=\"used\"} 0",
        "dx_gateway_peer_paths{peer=\"cloud-1\",path_kind=\"direct\",state=\"used\"} 1",
        "dx_gateway_peer_lost_packets_total{peer=\"cloud-1\",path_kind=\"direct\"} 7",
        "dx_gateway_peer_sent_bytes_total{peer=\"cloud-2\",path_kind=\"forwarded\"} 1000",
        "dx_gateway_peer_retransmitted_bytes_total{peer=\"cloud-1\"} 8",
        "dx_gateway_handshakes_total{result=\"failed\"} 2",
        "dx_gateway_dropped_datagrams_total{reason=\"veil_not_veiled\"} 3",
        "dx_gateway_tunnels{role=\"origin\",state=\"waiting\"} 1",
        "dx_gateway_tunnel_active{tunnel=\"web\",role=\"origin\"} 1",
        "dx_gateway_tunnel_healthy{tunnel=\"ssh\",role=\"destination\"} 0",
        "dx_gateway_tunnel_refused_connections_total{tunnel=\"web\",role=\"origin\",reason=\"no_destination\"} 2",
        "dx_gateway_tunnel_bytes_total{tunnel=\"web\",role=\"origin\",direction=\"to_client\"} 4000",
        "dx_gateway_tunnel_target_connect_seconds_bucket{tunnel=\"ssh\",le=\"0.001\"} 1",
        "dx_gateway_tunnel_target_connect_seconds_bucket{tunnel=\"ssh\",le=\"+Inf\"} 2",
        "dx_gateway_tunnel_target_connect_seconds_sum{tunnel=\"ssh\"} 11.0005",
        "dx_gateway_tunnel_rate_wait_seconds_total{tunnel=\"web\",role=\"origin\"} 1.5",
        "dx_gateway_tunnel_target_up{tunnel=\"ssh\"} 0",
        "dx_gateway_tunnel_destination_ready{tunnel=\"web\",destination=\"cloud-2\"} 0",
        "dx_gateway_tunnel_failovers_total{tunnel=\"web\",role=\"origin\"} 2",
        "dx_gateway_tunnel_dropped_datagrams_total{tunnel=\"dns\",role=\"origin\",reason=\"limit\"} 4",
        "dx_gateway_memory_full 1", "dx_gateway_descriptors_short 1", "dx_gateway_accept_pauses_total 5",
        "dx_gateway_group_revision 17", "dx_gateway_group_last_change_timestamp_seconds 1789286400",
        "dx_gateway_group_unconfirmed_changes 1",
        "dx_gateway_matchmaker_registered{matchmaker=\"192.0.2.9:3478\"} 0",
        "dx_gateway_matchmaker_last_answer_age_seconds{matchmaker=\"match.example:3478\"} 4.5",
        "dx_gateway_serve_match_introductions_total 6", "dx_gateway_forwarded_bytes_total 24000",
        "dx_gateway_audit_left_out_records_total 11", "dx_gateway_metrics_folded{kind=\"peers\"} 0",
    ])
    func says(_ line: String) throws {
        #expect(GatewayMetrics(try fullStatus()).text().split(separator: "\n").contains(line[...]))
    }

    /// No series is there twice, all of a family stand together, and each says what it is.
    @Test(arguments: OpenMetricsText.Format.allCases) func everyFamilyIsWhole(_ format: OpenMetricsText.Format) throws {
        var families: [String] = []
        var series: Set<Substring> = []
        for line in GatewayMetrics(try fullStatus()).text(format).split(separator: "\n") where line != "# EOF" {
            let words = line.split(separator: " ")
            if words[0] == "#" {
                if words[1] == "TYPE" { families.append(String(words[2])) }
                #expect(words[2] == families.last ?? "")
                continue
            }
            #expect(line.hasPrefix(families.last ?? "?"), "\(line)")
            let name = line[..<(line.lastIndex(of: " ") ?? line.endIndex)]
            #expect(series.insert(name).inserted, "\(name) is there twice")
        }
        #expect(Set(families).count == families.count)
    }

    /// However many there are, the page has an end. A sum of the counts of those beyond would fall when one of them goes; a tunnel of which
    /// some destinations were left out would look like one without others.
    @Test func thoseBeyondTheLimitAreInTheSumsAlone() throws {
        var status = try fullStatus()
        status.peers = (0..<7).map { number in
            var peer = status.peers[0]
            peer.name = "peer-\(number)"
            return peer
        }
        status.tunnels = (0..<7).map { number in
            var tunnel = status.tunnels[0]
            tunnel.name = "tunnel-\(number)"
            return tunnel
        }
        let lines = GatewayMetrics(status, limit: 5).text().split(separator: "\n").map(String.init)
        for expected in [
            "dx_gateway_peer_sent_bytes_total{peer=\"peer-4\",path_kind=\"direct\"} 120000",
            "dx_gateway_peers{state=\"connected\"} 7", "dx_gateway_tunnels{role=\"origin\",state=\"active\"} 7",
            "dx_gateway_metrics_folded{kind=\"peers\"} 2", "dx_gateway_metrics_folded{kind=\"tunnels\"} 2",
            "dx_gateway_metrics_folded{kind=\"destinations\"} 10",
            "dx_gateway_tunnel_destinations{tunnel=\"tunnel-4\",state=\"ready\"} 1",
            "dx_gateway_tunnel_destinations{tunnel=\"tunnel-4\",state=\"away\"} 1",
            "dx_gateway_tunnel_destinations{tunnel=\"tunnel-4\",state=\"down\"} 0",
        ] { #expect(lines.contains(expected), "\(expected)") }
        #expect(!lines.contains { $0.contains("peer-5") || $0.contains("tunnel-5") || $0.contains("(rest)") })
        #expect(lines.count { $0.hasPrefix("dx_gateway_tunnel_destination_ready{") } == 4)
    }

    /// One series for each name and labels, also while the pin of a matchmaker is changed.
    @Test func aMatchmakerWithTwoPinsIsOne() throws {
        var status = try fullStatus()
        var match = try #require(status.match)
        let first = try #require(match.matchmakers.first)
        var second = first
        second.state = .registered
        (second.rttMicroseconds, second.lastAnswerSeconds) = (1_000, 0.5)
        match.matchmakers = [first, second]
        status.match = match
        let lines = GatewayMetrics(status).text().split(separator: "\n").map(String.init)
            .filter { $0.hasPrefix("dx_gateway_matchmaker_") }
        #expect(Set(lines.map { $0.split(separator: " ")[0] }).count == lines.count)
        let name = "{matchmaker=\"\(first.server)\"}"
        #expect(lines.contains("dx_gateway_matchmaker_registered\(name) 1"))
        #expect(lines.contains("dx_gateway_matchmaker_last_answer_age_seconds\(name) 0.5"))
    }

    @Test func whatCountsNoDatagramsIsNoDrop() throws {
        var status = try fullStatus()
        status.drops = ["reach_file_refused": 1, "group_pauses": 4, "veil_not_veiled": 3]
        let drops = GatewayMetrics(status).text().split(separator: "\n").filter {
            $0.hasPrefix("dx_gateway_dropped_datagrams_total")
        }
        #expect(drops == ["dx_gateway_dropped_datagrams_total{reason=\"veil_not_veiled\"} 3"])
    }

    /// Worked out anew it would move by what the clock was corrected.
    @Test func theStartStays() throws {
        let status = try fullStatus()
        let start = GatewayMetrics.startTime(of: status)
        var later = status
        later.uptimeSeconds += 0.25
        let lines = GatewayMetrics(later, startTime: start).text().split(separator: "\n").map(String.init)
        #expect(lines.contains("dx_gateway_start_timestamp_seconds 1789286640"))
    }

    /// A file of the repository.
    private func file(_ path: String) throws -> String {
        try String(
            contentsOf: URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../" + path),
            encoding: .utf8)
    }

    /// Names of metrics that `docs/metrics.md` lists in tables.
    private func listed(_ prefixes: String...) throws -> Set<String> {
        Set(
            try file("docs/metrics.md").split(separator: "\n")
                .filter { line in prefixes.contains { line.hasPrefix("| `" + $0) } }
                .compactMap { $0.split(separator: "`").dropFirst().first.map(String.init) })
    }

    /// `docs/metrics.md` lists each metric of a gateway, and none that there is not.
    @Test func thePageListsEveryMetric() throws {
        let listed = try listed("dx_gateway_", "process_")
        let exposed = Set(
            GatewayMetrics(try fullStatus()).text(.prometheus).split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }
                .map { String($0.split(separator: " ")[2]) })
        #expect(listed.subtracting(exposed).sorted() == [])
        #expect(exposed.subtracting(listed).sorted() == [])
    }

    /// Alert rules, their tests and the dashboard name no metric that there is not.
    @Test(arguments: ["dx-alerts.yml", "dx-alerts-test.yml", "dashboard.json"])
    func examplesNameMetricsThatThereAre(_ name: String) throws {
        let listed = try listed("dx_", "process_")
        let text = try file("Examples/monitoring/" + name)
        let words = text.split { !($0.isLetter || $0.isNumber || $0 == "_") }.map(String.init)
        let named = Set(
            words.filter { $0.hasPrefix("dx_gateway_") || $0.hasPrefix("dx_match_") || $0.hasPrefix("process_") })
        #expect(named.count > 10)
        let unknown = named.filter { word in
            !listed.contains(word)
                && !["_bucket", "_count", "_sum"].contains {
                    word.hasSuffix($0) && listed.contains(String(word.dropLast($0.count)))
                }
        }
        #expect(unknown.sorted() == [])
    }
}
