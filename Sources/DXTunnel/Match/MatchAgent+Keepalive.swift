import DXMatch
import DXStream
import DXWire
import Logging

/// How long the NAT before this gateway remembers a binding, and how often it is kept alive therefore (`docs/matchmaking.md` §8).
extension MatchAgent {
    /// Below this a NAT that forgets so soon would be kept awake for nothing else; it is the shortest lifetime that is looked for.
    private static let shortestKeepalive = BindingLifetime.shortest
    /// Beyond this little is saved, and a matchmaker that restarted is noticed late.
    private static let longestKeepalive = Interval.seconds(110)

    /// How often registrations are refreshed: by the network with the shorter memory, of both IP versions.
    var keepalive: Interval { Self.keepalive(Array(bindings.values), usual: host.matchKeepalive) }

    /// How often something has to be sent: 0.8 of what a binding was seen to survive, as soon as that is measured.
    ///
    /// - Parameter usual: as long as nothing is measured.
    static func keepalive(_ measured: [BindingLifetime], usual: Interval) -> Interval {
        let wanted = measured.compactMap { machine -> Interval? in
            // What was not survived is a limit at once, before more is known.
            let limit = machine.expired.map { $0 * 4 / 5 } ?? longestKeepalive
            guard machine.isDone else { return limit < usual ? limit : nil }
            return min(machine.keepalive, limit)
        }
        guard let shortest = wanted.min() else { return usual }
        return min(max(shortest, shortestKeepalive), longestKeepalive)
    }

    /// What is known of bindings in a family; nil before the network was looked at.
    func binding(_ family: Endpoint.Family) -> BindingReport? {
        guard let known = behaviour[family], known.transport == .works else { return nil }
        guard let machine = bindings[family] else { return BindingReport(state: .untold) }
        return BindingReport(
            state: machine.isDone ? .measured : .measuring, survivedSeconds: machine.survived?.secondsAsDouble,
            expiredSeconds: machine.expired?.secondsAsDouble)
    }

    /// Begins to measure, after the network was looked at; what goes on in the same network goes on.
    func measureBinding(_ finding: NATDiscovery.Finding, _ family: Endpoint.Family, isNews: Bool) {
        if !isNews, let running = measurements[family], !running.machine.isDone { return }
        measurements[family]?.stop()
        measurements[family] = nil
        if isNews { bindings[family] = nil }
        // One that joins is here for seconds.
        guard plan.key != nil, let server = finding.servers.max(by: { Self.worth($0) < Self.worth($1) }) else { return }
        let network = NetworkName.current(family)
        let measurement = BindingMeasurement(
            behaviour: finding.behaviour, server: server,
            remembered: network.flatMap { networks.lifetime(in: $0) }, on: host.eventLoop,
            random: RandomSource(seed: random.next())
        ) { [weak self] in self?.measured($0, family, network) }
        guard let measurement else { return }
        measurements[family] = measurement
        if bindings[family] == nil { bindings[family] = measurement.machine }
        measurement.start()
    }

    /// Ends all measurements, as in another network.
    func stopMeasuring() {
        for measurement in measurements.values { measurement.stop() }
        measurements = [:]
        bindings = [:]
    }

    private static func worth(_ server: NATProbe.Server) -> Int {
        (server.alternateAddress == nil ? 0 : 2) + (server.alternatePort == nil ? 0 : 1)
    }

    private func measured(_ machine: BindingLifetime, _ family: Endpoint.Family, _ network: NetworkName?) {
        // A second measurement replaces the first one's outcome when it is over.
        if machine.isDone || !(bindings[family]?.isDone ?? false) { bindings[family] = machine }
        if machine.isDone {
            if let network { networks.keep(machine.lifetime, in: network) }
            host.logger.info(
                "the network's memory was measured",
                metadata: [
                    "ip": "v\(family.rawValue)", "survived": "\(machine.survived?.description ?? "nothing")",
                    "keepalive": "\(keepalive)",
                ])
        }
        applyKeepalive(now: host.currentTime())
    }

    /// Has registrations and channels kept alive as is known now.
    func applyKeepalive(now: Instant) {
        for link in links { link.client.setKeepalive(keepalive(link.purpose), now: now) }
        host.setChannelKeepalive(keepalive)
        pump(now: now)
    }
}

extension GatewayCore {
    /// Channels are kept alive at least so often, and three times within the time after which they count as broken: both ends must
    /// hear of each other.
    func setChannelKeepalive(_ interval: Interval) {
        channelKeepalive = min(tuning.keepalive, max(interval, .seconds(1)))
        for peer in peers {
            guard let channel = peer.channel else { continue }
            channel.setKeepalive(channelKeepalive)
            peer.refreshDeadline()
        }
    }
}
