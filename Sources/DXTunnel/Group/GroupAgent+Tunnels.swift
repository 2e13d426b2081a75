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
            name: tunnel.name,
            origins: record.origins.map { origin in
                text(origin.selector, origin.listen)
                    + (origin.socketMode.map { ",mode=\(TunnelAddress.text(ofMode: $0))" } ?? "")
            },
            destinations: record.destinations.map { destination in
                text(destination.selector, destination.target)
                    + (destination.weight == 1 ? "" : ",weight=\(destination.weight)")
                    + (destination.order == 0 ? "" : ",order=\(destination.order)")
            },
            allow: record.allowed.map(\.description), share: record.share,
            schedulingClass: record.schedulingClass.rawValue, maximumConnections: record.maximumConnections,
            rate: record.maximumRate, networkProtocol: record.networkProtocol == .udp ? "udp" : nil,
            idleSeconds: record.idleSeconds, proxyProtocol: record.proxyProtocol ? true : nil,
            compression: record.compression?.rawValue,
            until: record.until.map { Timestamp(claimed: $0) })
        record.writeAvailability(to: &request)
        return request
    }

    private func text(_ selector: TunnelRecord.Selector, _ address: TunnelAddress?) -> String {
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
        guard known?.record.unknownNeeds.isEmpty ?? true else {
            throw GroupError(
                .conflict, "\(request.name) has what this version of dxgateway does not know",
                "change it at a gateway with a newer one, or remove it first")
        }
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
        for text in request.origins { record.origins.append(try origin(text)) }
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
        if let text = request.networkProtocol {
            guard let value = GatewayConfiguration.NetworkProtocol(rawValue: text) else {
                throw GroupError(.badRequest, "\"\(text)\" is no protocol", "give tcp or udp")
            }
            record.networkProtocol = value
        }
        if let known, known.networkProtocol != record.networkProtocol {
            throw GroupError(
                .conflict, "\(request.name) carries \(known.networkProtocol.rawValue.uppercased())",
                "remove it first, or give another name")
        }
        try readOptions(request, into: &record)
        try record.readAvailability(request)
        record.until = request.until.map { UInt64(clamping: $0.wholeSeconds) }
        record.trialSeconds = try Self.number(request.confirmSeconds, "confirm_s", 5...86_400).map { UInt64($0) }
        return record
    }

    private func readOptions(_ request: TunnelRequest, into record: inout TunnelRecord) throws(GroupError) {
        record.idleSeconds = try Self.number(request.idleSeconds, "idle_timeout_s", 1...604_800)
        record.proxyProtocol = request.proxyProtocol ?? false
        if let text = request.compression {
            guard let value = GatewayConfiguration.Compression(rawValue: text) else {
                throw GroupError(.badRequest, "\"\(text)\" is no compression", "give deflate")
            }
            record.compression = value
        }
        try checkUDP(record)
        for target in record.destinations.compactMap(\.target) where target.portCount > 1 {
            for listen in record.origins.compactMap(\.listen) where listen.portCount != target.portCount {
                throw GroupError(
                    .badRequest, "\(listen) and \(target) have different numbers of ports",
                    "give both ranges the same length, or the target one port")
            }
        }
    }

    /// What is for connections only.
    private func checkUDP(_ record: TunnelRecord) throws(GroupError) {
        guard record.networkProtocol == .udp else { return }
        let addresses = record.origins.compactMap(\.listen) + record.destinations.compactMap(\.target)
        if let address = addresses.first(where: { !$0.isOnePort }) {
            throw GroupError(
                .badRequest, "\"\(address)\" is no UDP port", "give one address and port, as 127.0.0.1:53")
        }
        guard !record.proxyProtocol, record.compression == nil else {
            throw GroupError(
                .badRequest, "a UDP tunnel has no PROXY protocol and is not compressed", "leave these options out")
        }
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

    private func origin(_ text: String) throws(GroupError) -> TunnelRecord.Origin {
        let (selector, address, options) = try end(text)
        var origin = TunnelRecord.Origin(selector: selector, listen: address)
        for option in options {
            let words = option.split(separator: "=", maxSplits: 1)
            guard case .unix = address, words.count == 2, words[0] == "mode",
                let mode = TunnelAddress.mode(String(words[1]))
            else {
                throw GroupError(
                    .badRequest, "\"\(option)\" makes no sense", "write ,mode=0660 behind a unix socket, or nothing")
            }
            origin.socketMode = mode
        }
        return origin
    }

    private func destination(_ text: String) throws(GroupError) -> TunnelRecord.Destination {
        let (selector, address, options) = try end(text)
        var destination = TunnelRecord.Destination(selector: selector, target: address)
        for option in options {
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

    /// `GATEWAY@ADDRESS`, and options behind it, each with a comma before it.
    private func end(
        _ text: String
    ) throws(GroupError) -> (TunnelRecord.Selector, TunnelAddress, options: [Substring]) {
        // No name of a gateway and no label has an @, but the path of a unix socket may.
        guard let at = text.firstIndex(of: "@") else {
            throw GroupError(
                .badRequest, "\"\(text)\" has no @", "write it as in edge-1@127.0.0.1:8080 or edge-1@unix:/run/app.sock"
            )
        }
        let gateway = String(text[..<at])
        let parts = text[text.index(after: at)...].split(separator: ",", omittingEmptySubsequences: false)
        let address: TunnelAddress
        do throws(TunnelAddressError) { address = try TunnelAddress(String(parts[0])) } catch {
            throw GroupError(.badRequest, "\"\(text)\" \(error)", error.remedy(isTarget: true))
        }
        let options = Array(parts.dropFirst())
        guard gateway.hasPrefix("label:") else { return (.member(try member(named: gateway).id), address, options) }
        return (.label(try Self.label(String(gateway.dropFirst(6)))), address, options)
    }
}
