import DXWire
import NIOCore

/// The group's tunnels, as operators change them.
extension GroupAgent {
    /// All tunnels of the group.
    func tunnels() -> [GroupTunnel] {
        state.tunnels.map { tunnel in
            GroupTunnel(
                definition: request(tunnel), enabled: tunnel.record.isEnabled, revision: tunnel.revision,
                by: authorName(tunnel.author), trial: trialStatus(tunnel))
        }
    }

    /// A tunnel as it would be asked for.
    func request(_ tunnel: GroupState.Tunnel) -> TunnelRequest {
        let record = tunnel.record
        var request = TunnelRequest(
            name: tunnel.name, origins: record.origins.map { text($0.selector, $0.listen) },
            destinations: record.destinations.map { destination in
                text(destination.selector, destination.target)
                    + (destination.weight == 1 ? "" : ",weight=\(destination.weight)")
                    + (destination.order == 0 ? "" : ",order=\(destination.order)")
            },
            allow: record.allowed.map(\.description), share: record.share,
            schedulingClass: record.schedulingClass.rawValue, maximumConnections: record.maximumConnections,
            rate: record.maximumRate,
            until: record.until.map { Timestamp(claimed: $0) })
        record.writeAvailability(to: &request)
        return request
    }

    private func text(_ selector: TunnelRecord.Selector, _ address: HostAddress?) -> String {
        let end =
            switch selector {
            case .member(let id): state.members.first { $0.id == id }?.name ?? "(removed)"
            case .label(let label): "label:\(label)"
            }
        return end + (address.map { "@\($0)" } ?? "")
    }

    /// Adds a tunnel, or changes the one of that name.
    func set(_ request: TunnelRequest) throws(GroupError) -> EventLoopFuture<UInt64> {
        try requireAdmin()
        let known = state.tunnels.first { $0.name == request.name }
        let record = try record(request, in: known?.record)
        try say(.tunnel, id: (known?.id ?? .random()).bytes, body: record.body)
        return commit()
    }

    /// Uses a tunnel, or does not, until told otherwise.
    func setEnabled(_ isEnabled: Bool, tunnel name: String) throws(GroupError) -> EventLoopFuture<UInt64> {
        try requireAdmin()
        let tunnel = try tunnel(name)
        guard tunnel.trial == nil else {
            throw GroupError(
                .conflict, "a change of \(name) is not confirmed yet",
                "dxgateway config confirm \(name), or set it anew")
        }
        var record = tunnel.record
        record.isEnabled = isEnabled
        try say(.tunnel, id: tunnel.id.bytes, body: record.body)
        return commit()
    }

    /// Takes a tunnel away; its connections end.
    func removeTunnel(_ name: String) throws(GroupError) -> EventLoopFuture<UInt64> {
        try requireAdmin()
        try say(.tunnel, id: try tunnel(name).id.bytes, isRemoval: true)
        return commit()
    }

    func tunnel(_ name: String) throws(GroupError) -> GroupState.Tunnel {
        guard let tunnel = state.tunnels.first(where: { $0.name == name }) else {
            throw GroupError(.notFound, "there is no tunnel \(name)", "dxgateway tunnel list shows them")
        }
        return tunnel
    }

    // MARK: Reading

    /// All of a tunnel but what a newer version said of it is as the request says.
    private func record(_ request: TunnelRequest, in known: TunnelRecord?) throws(GroupError) -> TunnelRecord {
        guard NameRule.isValid(request.name) else {
            throw GroupError(.badRequest, "\"\(request.name)\" is no name", "use letters, digits, '.', '-' and '_'")
        }
        var record = TunnelRecord(name: request.name, keepingUnknownOf: known)
        for text in request.origins {
            let (selector, address) = try end(text)
            record.origins.append(TunnelRecord.Origin(selector: selector, listen: address))
        }
        for text in request.destinations { record.destinations.append(try destination(text)) }
        guard !record.origins.isEmpty, !record.destinations.isEmpty else {
            throw GroupError(
                .badRequest, "a tunnel has an origin and a destination",
                "give --origin edge-1@127.0.0.1:8080 and --destination cloud-1@127.0.0.1:80")
        }
        for text in request.allow ?? [] {
            guard let range = AddressRange(text) else {
                throw GroupError(.badRequest, "\"\(text)\" is no address range", "write it as in 192.0.2.0/24")
            }
            record.allowed.append(range)
        }
        guard max(record.origins.count, record.destinations.count, record.allowed.count) <= TunnelRecord.mostEnds else {
            throw GroupError(.badRequest, "more than \(TunnelRecord.mostEnds) ends of a kind", "use a label")
        }
        record.share = try Self.number(request.share, "share", 1...256) ?? record.share
        record.maximumConnections =
            try Self.number(request.maximumConnections, "max_connections", 1...65_536) ?? record.maximumConnections
        if let rate = request.rate {
            guard (8_000...100_000_000_000).contains(rate) else {
                throw GroupError(
                    .badRequest, "a rate of \(rate) is outside 8 kbit/s to 100 Gbit/s", "give bits a second")
            }
            record.maximumRate = rate
        }
        if let text = request.schedulingClass {
            guard let value = GatewayConfiguration.SchedulingClass(rawValue: text) else {
                throw GroupError(.badRequest, "\"\(text)\" is no class", "give interactive or bulk")
            }
            record.schedulingClass = value
        }
        try record.readAvailability(request)
        record.until = request.until.map { UInt64(clamping: $0.wholeSeconds) }
        record.trialSeconds = try Self.number(request.confirmSeconds, "confirm_s", 5...86_400).map { UInt64($0) }
        return record
    }

    static func number(
        _ value: Int?, _ name: String, _ range: ClosedRange<Int>
    ) throws(GroupError) -> Int? {
        guard let value else { return nil }
        guard range.contains(value) else {
            throw GroupError(
                .badRequest, "\(name) \(value) is outside \(range.lowerBound) to \(range.upperBound)", "give another")
        }
        return value
    }

    private func destination(_ text: String) throws(GroupError) -> TunnelRecord.Destination {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        let (selector, address) = try end(String(parts[0]))
        var destination = TunnelRecord.Destination(selector: selector, target: address)
        for option in parts.dropFirst() {
            let words = option.split(separator: "=", maxSplits: 1)
            guard words.count == 2, let value = UInt64(words[1]), value <= 65_535 else {
                throw GroupError(.badRequest, "\"\(option)\" makes no sense", "write ,weight=2 or ,order=1")
            }
            switch words[0] {
            case "weight": destination.weight = value
            case "order": destination.order = value
            default: throw GroupError(.badRequest, "\"\(option)\" makes no sense", "write ,weight=2 or ,order=1")
            }
        }
        return destination
    }

    /// `GATEWAY@HOST:PORT`.
    private func end(_ text: String) throws(GroupError) -> (TunnelRecord.Selector, HostAddress) {
        guard let at = text.lastIndex(of: "@") else {
            throw GroupError(.badRequest, "\"\(text)\" has no @", "write it as in edge-1@127.0.0.1:8080")
        }
        let gateway = String(text[..<at])
        let address: HostAddress
        do throws(HostAddressError) { address = try HostAddress(String(text[text.index(after: at)...])) } catch {
            throw GroupError(.badRequest, "\"\(text)\" \(error)", error.remedy(isTarget: true))
        }
        guard gateway.hasPrefix("label:") else { return (.member(try member(named: gateway).id), address) }
        return (.label(try Self.label(String(gateway.dropFirst(6)))), address)
    }
}
