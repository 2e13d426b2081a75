import DXTunnel

/// Peers, and the paths to them.
extension GatewayMetrics {
    /// Those with series of their own.
    private var own: ArraySlice<PeerStatus> { status.peers.sorted { $0.name < $1.name }.prefix(limit) }

    func writePeers(_ text: inout OpenMetricsText) {
        text.family(
            "dx_gateway_peers", .gauge, "Peers, by state.",
            [PeerStatus.State.connecting, .connected, .down].map { state in
                Sample(status.peers.count { $0.state == state }, ("state", state.rawValue))
            })
        let own = own
        func gauge(_ name: String, unit: String? = nil, _ help: String, _ value: (PeerStatus) -> Double?) {
            text.family(
                name, .gauge, unit: unit, help,
                own.compactMap { peer in value(peer).map { Sample(seconds: $0, ("peer", peer.name)) } })
        }
        gauge("dx_gateway_peer_connected", "1 while a session is up.") { $0.state == .connected ? 1 : 0 }
        gauge("dx_gateway_peer_state_timestamp_seconds", unit: "seconds", "Since when it is in that state, since 1970.")
        {
            Double($0.since.unixMilliseconds) / 1_000
        }
        gauge("dx_gateway_peer_open_streams", "Streams open.") { Double($0.openStreams) }
        gauge("dx_gateway_peer_mtu_bytes", unit: "bytes", "The largest UDP payload that arrives.") {
            $0.mtuBytes.map(Double.init)
        }
        gauge("dx_gateway_peer_congestion_window_bytes", unit: "bytes", "Congestion window of the path in use.") {
            $0.congestionWindowBytes.map(Double.init)
        }
        gauge("dx_gateway_peer_in_flight_bytes", unit: "bytes", "Bytes on the way, not acknowledged yet.") {
            $0.counters["bytes_in_flight"].map(Double.init)
        }
        text.family(
            "dx_gateway_peer_round_trip_seconds", .gauge, unit: "seconds", "Smoothed round trip of the path in use.",
            own.compactMap { peer in
                guard let kind = peer.pathKind, let trip = peer.rttMicroseconds else { return nil }
                return Sample(seconds: Double(trip) / 1e6, ("peer", peer.name), ("path_kind", kind.rawValue))
            })
        func counter(_ name: String, unit: String? = nil, _ help: String, _ key: String) {
            text.family(name, .counter, unit: unit, help, own.map { Sample($0.counters[key] ?? 0, ("peer", $0.name)) })
        }
        counter(
            "dx_gateway_peer_stream_sent_bytes", unit: "bytes", "Stream bytes sent, without repeats.",
            "stream_bytes_sent")
        counter(
            "dx_gateway_peer_stream_received_bytes", unit: "bytes", "Stream bytes that came for the first time.",
            "stream_bytes_received")
        counter(
            "dx_gateway_peer_retransmitted_bytes", unit: "bytes", "Stream bytes sent again.",
            "stream_bytes_retransmitted")
        counter("dx_gateway_peer_duplicate_packets", "Packets that came twice.", "packets_duplicate")
    }

    // MARK: Paths

    /// What there is of paths, one for each that a peer has.
    private func paths(of peer: PeerStatus) -> [(kind: PathKind, state: PathStatus.State)] {
        if let paths = peer.paths, !paths.isEmpty { return paths.map { ($0.kind ?? .direct, $0.state) } }
        return peer.pathKind.map { [($0, .used)] } ?? []
    }

    private static let kinds = [PathKind.direct, .lan, .forwarded]
    private static let states = [PathStatus.State.used, .ready, .down]

    func writePaths(_ text: inout OpenMetricsText) {
        let all = status.peers.flatMap(paths(of:))
        text.family(
            "dx_gateway_paths", .gauge, "Paths to peers, by kind and state.",
            Self.kinds.flatMap { kind in
                Self.states.map { state in
                    Sample(
                        all.count { $0 == (kind, state) }, ("path_kind", kind.rawValue), ("state", state.rawValue))
                }
            })
        text.family(
            "dx_gateway_peer_paths", .gauge, "Paths to a peer, by kind and state.",
            own.flatMap { peer in
                let paths = paths(of: peer)
                return Self.kinds.flatMap { kind in
                    Self.states.compactMap { state -> Sample? in
                        let count = paths.count { $0 == (kind, state) }
                        guard count > 0 else { return nil }
                        return Sample(
                            count, ("peer", peer.name), ("path_kind", kind.rawValue), ("state", state.rawValue))
                    }
                }
            })
        func counter(_ name: String, unit: String? = nil, _ help: String, _ count: (PathCounts) -> UInt64) {
            text.family(name, .counter, unit: unit, help, trafficSamples(count))
        }
        counter("dx_gateway_peer_sent_bytes", unit: "bytes", "UDP payload sent.") { $0.bytesSent }
        counter("dx_gateway_peer_received_bytes", unit: "bytes", "UDP payload received.") { $0.bytesReceived }
        counter("dx_gateway_peer_sent_packets", "Packets sent.") { $0.packetsSent }
        counter("dx_gateway_peer_received_packets", "Packets received, without duplicates.") { $0.packetsReceived }
        counter("dx_gateway_peer_lost_packets", "Packets sent and declared lost.") { $0.packetsLost }
        counter("dx_gateway_peer_spuriously_lost_packets", "Packets declared lost that had arrived.") {
            $0.packetsSpuriouslyLost
        }
        counter("dx_gateway_peer_probe_timeouts", "Times that nothing was heard in time.") { $0.probeTimeouts }
        counter("dx_gateway_peer_congestion_events", "Times that the congestion window was reduced.") {
            $0.congestionEvents
        }
    }

    /// One count of all peers, by kind of path.
    private func trafficSamples(_ count: (PathCounts) -> UInt64) -> [Sample] {
        own.flatMap { peer in
            (peer.traffic ?? [:]).sorted { $0.key < $1.key }.map {
                Sample(count($0.value), ("peer", peer.name), ("path_kind", $0.key))
            }
        }
    }
}
