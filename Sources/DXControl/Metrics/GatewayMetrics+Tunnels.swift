import DXTunnel

/// Tunnels, and the destinations of those that begin here.
extension GatewayMetrics {
    typealias Labels = [(String, String)]

    /// Those with series of their own.
    private var own: ArraySlice<TunnelStatus> {
        status.tunnels.sorted { ($0.name, $0.role.rawValue) < ($1.name, $1.role.rawValue) }.prefix(limit)
    }

    private static func labels(_ tunnel: TunnelStatus) -> Labels {
        [("tunnel", tunnel.name), ("role", tunnel.role.rawValue)]
    }

    /// One count of all tunnels with series; several of one tunnel are told apart by further labels.
    private func counts(_ values: (TunnelStatus) -> [(labels: Labels, value: Double)]) -> [Sample] {
        own.flatMap { tunnel in values(tunnel).map { Sample($0.value, Self.labels(tunnel) + $0.labels) } }
    }

    private func count(_ value: (TunnelStatus) -> UInt64?) -> [Sample] {
        counts { tunnel in value(tunnel).map { [([], Double($0))] } ?? [] }
    }

    func writeTunnels(_ text: inout OpenMetricsText) {
        let states = [TunnelStatus.State.active, .waiting, .failed]
        text.family(
            "dx_gateway_tunnels", .gauge, "Tunnels that begin or end here, by state.",
            [TunnelStatus.Role.origin, .destination].flatMap { role in
                states.map { state in
                    Sample(
                        status.tunnels.count { $0.role == role && $0.state == state }, ("role", role.rawValue),
                        ("state", state.rawValue))
                }
            })
        let own = own
        text.family(
            "dx_gateway_tunnel_active", .gauge, "1 while connections are taken.",
            own.map { Sample($0.state == .active ? 1 : 0, Self.labels($0)) })
        text.family(
            "dx_gateway_tunnel_healthy", .gauge, "1 while nothing is known why connections would fail.",
            own.map { Sample($0.problem == nil ? 1 : 0, Self.labels($0)) })
        text.family(
            "dx_gateway_tunnel_open_connections", .gauge, "Connections or flows open.",
            own.map { Sample(Double($0.openConnections), Self.labels($0)) })
        text.family(
            "dx_gateway_tunnel_connections", .counter, "Connections or flows made.", count { $0.totalConnections })
        text.family(
            "dx_gateway_tunnel_refused_connections", .counter, "Connections or flows refused, by reason.",
            counts { tunnel in
                (tunnel.refusals ?? [:]).sorted { $0.key < $1.key }.map { ([("reason", $0.key)], Double($0.value)) }
            })
        text.family(
            "dx_gateway_tunnel_bytes", .counter, unit: "bytes", "Application bytes, by direction.",
            counts { tunnel in
                [
                    ([("direction", "to_target")], Double(tunnel.bytesToTarget)),
                    ([("direction", "to_client")], Double(tunnel.bytesToClient)),
                ]
            })
        writeConnectTimes(own, &text)
        text.family(
            "dx_gateway_tunnel_rate_waits", .counter, "Times that this end stopped sending for the rate.",
            count { $0.rateWaits })
        text.family(
            "dx_gateway_tunnel_rate_wait_seconds", .counter, unit: "seconds", "Time waited for the rate.",
            counts { tunnel in tunnel.rateWaitMilliseconds.map { [([], Double($0) / 1_000)] } ?? [] })
        text.family(
            "dx_gateway_tunnel_dropped_datagrams", .counter, "Datagrams of UDP tunnels dropped, by reason.",
            counts { tunnel in
                (tunnel.datagramsDropped ?? [:]).sorted { $0.key < $1.key }
                    .map { ([("reason", $0.key)], Double($0.value)) }
            })
        text.family(
            "dx_gateway_tunnel_target_up", .gauge, "1 while the target takes connections; absent while unknown.",
            own.compactMap { tunnel in
                guard let health = tunnel.health, health.state != .unknown else { return nil }
                return Sample(health.state == .up ? 1 : 0, ("tunnel", tunnel.name))
            })
    }

    /// A thousand tunnels have 16,000 series of this kind; those without series of their own are left out.
    private func writeConnectTimes(_ own: ArraySlice<TunnelStatus>, _ text: inout OpenMetricsText) {
        text.histogram(
            "dx_gateway_tunnel_target_connect_seconds", unit: "seconds", "How long the target took to accept.",
            own.compactMap { tunnel in
                tunnel.connectTimes.map {
                    OpenMetricsText.Distribution(
                        labels: [("tunnel", tunnel.name)], bounds: ConnectTimes.boundsSeconds, counts: $0.counts,
                        sum: $0.totalSeconds)
                }
            })
    }

    // MARK: Destinations

    /// Each destination of each tunnel that begins here, and how many of them have no series: of a tunnel all have them or none, or one that
    /// is cut off would look like one that has no other destination.
    var destinationPairs: (own: [(tunnel: String, destination: DestinationStatus)], folded: Int) {
        var pairs: [(tunnel: String, destination: DestinationStatus)] = []
        var folded = 0
        for tunnel in status.tunnels.sorted(by: { $0.name < $1.name }) {
            let destinations = tunnel.destinations ?? []
            if pairs.count + destinations.count > limit {
                folded += destinations.count
            } else {
                pairs += destinations.map { (tunnel.name, $0) }
            }
        }
        return (pairs, folded)
    }

    private static let destinationStates = [
        DestinationStatus.State.ready, .recovering, .silent, .down, .leaving, .away,
    ]

    func writeDestinations(_ text: inout OpenMetricsText) {
        text.family(
            "dx_gateway_tunnel_destinations", .gauge, "Destinations of the tunnel, by state.",
            own.flatMap { tunnel -> [Sample] in
                guard let destinations = tunnel.destinations else { return [] }
                return Self.destinationStates.map { state in
                    Sample(
                        destinations.count { $0.state == state }, ("tunnel", tunnel.name), ("state", state.rawValue))
                }
            })
        text.family(
            "dx_gateway_tunnel_destination_ready", .gauge, "1 while new connections go there when it is its turn.",
            destinationPairs.own.map { pair in
                Sample(
                    pair.destination.state == .ready ? 1 : 0, ("tunnel", pair.tunnel),
                    ("destination", pair.destination.gateway))
            })
        text.family(
            "dx_gateway_tunnel_failovers", .counter,
            "Times that a destination that was in use failed while another could serve.",
            count { $0.failovers })
    }
}
