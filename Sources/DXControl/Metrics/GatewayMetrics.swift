import DXTunnel

/// A gateway's figures as metrics, out of its status. `docs/metrics.md` lists every one.
///
/// **Labels are bounded**: peers, tunnels, and pairs of a tunnel and a destination have series of their own up to `seriesLimit` each, in the
/// order of their names. Those beyond are in the sums over all (`dx_gateway_peers`, `dx_gateway_tunnels`) alone: their counts added up would
/// fall whenever one leaves the sum. `dx_gateway_metrics_folded` says how many there are.
struct GatewayMetrics {
    typealias Sample = OpenMetricsText.Sample

    /// So many of each kind have series of their own: a thousand peers are some 30,000 series and 3 MB, which a collector takes in a second.
    static let seriesLimit = 1_000

    let status: GatewayStatus
    let limit: Int
    private let startTime: Double

    /// The figures of a snapshot. Tests give another limit.
    ///
    /// - Parameter startTime: what `startTime(of:)` said of an earlier snapshot of the same gateway; nil: as this one has it.
    init(_ status: GatewayStatus, limit: Int = seriesLimit, startTime: Double? = nil) {
        self.status = status
        self.limit = limit
        self.startTime = startTime ?? Self.startTime(of: status)
    }

    /// When the gateway was started, in seconds since 1970.
    static func startTime(of status: GatewayStatus) -> Double {
        Double(status.time.unixMilliseconds) / 1_000 - status.uptimeSeconds
    }

    /// The whole text.
    func text(_ format: OpenMetricsText.Format = .openMetrics) -> String {
        var text = OpenMetricsText(format)
        writeGateway(&text)
        writePeers(&text)
        writePaths(&text)
        writeTunnels(&text)
        writeDestinations(&text)
        writeSecurity(&text)
        writeLimits(&text)
        writeGroup(&text)
        writeMatch(&text)
        writeForwarding(&text)
        writeAudit(&text)
        text.family(
            "dx_gateway_metrics_folded", .gauge, "Peers, tunnels and destinations without series of their own.",
            [
                Sample(max(0, status.peers.count - limit), ("kind", "peers")),
                Sample(max(0, status.tunnels.count - limit), ("kind", "tunnels")),
                Sample(destinationPairs.folded, ("kind", "destinations")),
            ])
        ProcessMetrics.write(to: &text, open: status.descriptors?.used, resident: status.memory.residentBytes)
        return text.finished
    }

    // MARK: The gateway

    private func writeGateway(_ text: inout OpenMetricsText) {
        text.family("dx_gateway_build", .info, "The version of the program.", [Sample(1, ("version", status.version))])
        text.family(
            "dx_gateway_identity", .info, "The gateway's name and id.",
            [Sample(1, ("gateway", status.name), ("gateway_id", status.id))])
        text.family(
            "dx_gateway_start_timestamp_seconds", .gauge, unit: "seconds", "When the gateway was started, since 1970.",
            [Sample(seconds: startTime)])
        text.gauge("dx_gateway_healthy", "1 while status names no problem.", status.isHealthy ? 1 : 0)
        text.gauge("dx_gateway_problems", "Problems that status names.", status.problems.count)
        text.gauge(
            "dx_gateway_draining", "1 while no new connections are taken before a stop.",
            status.draining == true ? 1 : 0)
        text.gauge("dx_gateway_event_loops", "Event loops, each with a thread.", status.threads)
    }

    // MARK: Sessions and what is dropped

    /// What status has beside dropped datagrams, and which are none: a file, and pauses of members.
    private static let otherDrops: Set = ["reach_file_refused", "group_pauses"]

    private func writeSecurity(_ text: inout OpenMetricsText) {
        if let handshakes = status.handshakes {
            text.counter("dx_gateway_handshakes_started", "DTLS handshakes begun by either end.", handshakes.started)
            text.family(
                "dx_gateway_handshakes", .counter, "DTLS handshakes that ended, by result.",
                [
                    Sample(handshakes.established, ("result", "established")),
                    Sample(handshakes.failed, ("result", "failed")),
                ])
        }
        text.family(
            "dx_gateway_dropped_datagrams", .counter,
            "Datagrams and messages of peers dropped, by the reasons of status.",
            status.drops.filter { !Self.otherDrops.contains($0.key) }.sorted { $0.key < $1.key }
                .map { Sample($0.value, ("reason", $0.key)) })
    }

    // MARK: Limits

    private func writeLimits(_ text: inout OpenMetricsText) {
        let (memory, socket) = (status.memory, status.socket)
        text.gauge("dx_gateway_memory_used_bytes", unit: "bytes", "Tunnel data that is held.", memory.usedBytes)
        text.gauge("dx_gateway_memory_limit_bytes", unit: "bytes", "Tunnel data that may be held.", memory.limitBytes)
        if let state = memory.state {
            text.gauge("dx_gateway_memory_full", "1 while connections are refused for memory.", state == .full ? 1 : 0)
        }
        if let refused = memory.refusedConnections {
            text.counter("dx_gateway_memory_refused_connections", "Connections refused for want of memory.", refused)
        }
        if let descriptors = status.descriptors {
            text.gauge(
                "dx_gateway_descriptors_short", "1 while connections are refused for want of file descriptors.",
                descriptors.isShort ? 1 : 0)
            text.counter(
                "dx_gateway_descriptor_refused_connections", "Connections refused for want of file descriptors.",
                descriptors.refusedConnections)
            text.counter(
                "dx_gateway_accept_pauses", "Times that a listener rested as the system gave no descriptor.",
                descriptors.acceptPauses)
        }
        text.gauge(
            "dx_gateway_socket_receive_buffer_bytes", unit: "bytes", "Receive buffer that the kernel gave.",
            socket.receiveBufferBytes)
        text.gauge(
            "dx_gateway_socket_send_buffer_bytes", unit: "bytes", "Send buffer that the kernel gave.",
            socket.sendBufferBytes)
    }

    // MARK: The group

    private func writeGroup(_ text: inout OpenMetricsText) {
        guard let group = status.group else { return }
        text.gauge("dx_gateway_group_revision", "The revision of the group's configuration.", group.revision)
        if let change = group.lastChange {
            text.family(
                "dx_gateway_group_last_change_timestamp_seconds", .gauge, unit: "seconds",
                "When the group's configuration was changed last, since 1970.",
                [Sample(seconds: Double(change.unixMilliseconds) / 1_000)])
        }
        text.gauge("dx_gateway_group_epoch", "The number of the epoch in use.", group.epoch)
        text.gauge("dx_gateway_group_members", "Members of the group.", group.members)
        text.gauge(
            "dx_gateway_group_neighbours", "Members with which the configuration is exchanged.", group.neighbours)
        text.gauge("dx_gateway_group_admin", "1 for an admin.", group.admin ? 1 : 0)
        text.gauge("dx_gateway_group_problems", "Problems of the group that status names.", group.problems.count)
        if let pending = group.unconfirmedChanges {
            text.gauge("dx_gateway_group_unconfirmed_changes", "Changes that wait to be confirmed.", pending)
        }
    }

    // MARK: Matchmakers

    private func writeMatch(_ text: inout OpenMetricsText) {
        if let match = status.match {
            // While a pin is changed one place is there with two pins: a series has the better figure of both.
            let places = Dictionary(grouping: match.matchmakers, by: \.server).sorted { $0.key < $1.key }
            func family(
                _ name: String, _ help: String, _ unit: String?, best: (Double, Double) -> Double = min,
                _ value: (MatchmakerStatus) -> Double?
            ) {
                text.family(
                    name, .gauge, unit: unit, help,
                    places.compactMap { place, servers in
                        let values = servers.compactMap(value)
                        return values.dropFirst().reduce(values.first) { found, next in found.map { best($0, next) } }
                            .map { Sample(seconds: $0, ("matchmaker", place)) }
                    })
            }
            family("dx_gateway_matchmaker_registered", "1 while the gateway is registered there.", nil, best: max) {
                $0.state == .registered ? 1 : 0
            }
            family("dx_gateway_matchmaker_round_trip_seconds", "Round trip to the matchmaker.", "seconds") {
                $0.rttMicroseconds.map { Double($0) / 1e6 }
            }
            family("dx_gateway_matchmaker_last_answer_age_seconds", "Time since its last answer.", "seconds") {
                $0.lastAnswerSeconds
            }
            family("dx_gateway_matchmaker_members", "Members of the group that are registered there.", nil, best: max) {
                $0.members.map(Double.init)
            }
        }
        guard let service = status.serveMatch else { return }
        text.gauge("dx_gateway_serve_match_registrations", "Registrations held for the group.", service.registrations)
        text.counter("dx_gateway_serve_match_introductions", "Introductions made.", service.introductions)
        text.counter(
            "dx_gateway_serve_match_strangers", "Datagrams of who does not know the pin.", service.strangers)
    }

    // MARK: Forwarding and audit records

    private func writeForwarding(_ text: inout OpenMetricsText) {
        guard let forwarding = status.forwarding else { return }
        text.gauge("dx_gateway_forwarding_pairs", "Pairs of members forwarded for lately.", forwarding.pairs)
        text.counter("dx_gateway_forwarded_datagrams", "Datagrams of others passed on.", forwarding.datagramsPassed)
        text.counter("dx_gateway_forwarded_bytes", unit: "bytes", "Their bytes.", forwarding.bytesPassed)
        text.family(
            "dx_gateway_forwarding_refused_datagrams", .counter, "Datagrams of others not passed on, by reason.",
            forwarding.refused.sorted { $0.key < $1.key }.map { Sample($0.value, ("reason", $0.key)) })
    }

    private func writeAudit(_ text: inout OpenMetricsText) {
        guard let audit = status.audit else { return }
        text.counter("dx_gateway_audit_records", "Audit records taken.", audit.records)
        text.counter("dx_gateway_audit_left_out_records", "Audit records left out, too many at a time.", audit.leftOut)
        text.counter(
            "dx_gateway_audit_unwritten_records", "Audit records that could not be written.", audit.unwritten)
    }
}
