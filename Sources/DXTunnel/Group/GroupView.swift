import DXSecure
import DXWire

/// What a group's document means for one member: whom it knows, whom it calls, and which tunnels it is an end of. Pure.
struct GroupView: Equatable, Sendable {
    /// What the member is called; nil when it is none any more.
    var name: String?
    /// All other members.
    var peers: [GatewayConfiguration.Peer] = []
    /// Those to call: the other ends of tunnels, and `mostNeighbours` for the document to spread by.
    var wanted: Set<GatewayID> = []
    /// Those that call this one for the same reasons. A channel with anybody else is for a while.
    var wantedBy: Set<GatewayID> = []
    /// Those that have an end here, in the order of their names.
    var tunnels: [GatewayConfiguration.Tunnel] = []
    /// When the first of the tunnels that have an end ends, in seconds since 1970.
    var nextEnd: UInt64?

    /// Each member calls so many others, and is called by as many: with a fifth of a group away, nobody is alone.
    static let mostNeighbours = 4

    /// A member's part of a group.
    ///
    /// - Parameters:
    ///   - callsAdmins: it may have slept, and whoever is left of its neighbours may know no more than it does: it calls
    ///     admins, too.
    ///   - ids: the gateway ids of keys, which cost 40 microseconds each; missing ones are added.
    ///   - calendar: the time now in seconds since 1970, for tunnels that end.
    init(
        _ state: GroupState, member: MemberRecord.ID, introducer: GroupFile.Introducer? = nil,
        callsAdmins: Bool = false, ids: inout [PublicKey: GatewayID], calendar: Int64
    ) {
        guard let own = state.members.first(where: { $0.id == member }) else {
            // Not told yet what it is: whoever let it in knows.
            if let introducer, let peer = Self.peer(introducer, state, &ids) {
                peers = [peer]
                wanted = [peer.id]
            }
            return
        }
        name = own.name
        for other in state.members where other.id != member {
            guard let id = Self.id(of: other.record.key, &ids) else { continue }
            var addresses = other.addresses
            if addresses.isEmpty, let introducer, introducer.key == other.record.key {
                addresses = introducer.addresses
            }
            peers.append(GatewayConfiguration.Peer(name: other.name, id: id, addresses: addresses))
        }
        readTunnels(state, own: own, calendar: calendar)
        wanted = tunnelPeers(own.name)
        if let ownID = Self.id(of: own.record.key, &ids) {
            wanted.formUnion(neighbours(of: ownID))
            wantedBy = wanted.union(callers(of: ownID))
        }
        guard callsAdmins else { return }
        let admins = state.members.filter { $0.isAdmin && $0.id != member }.prefix(Self.mostNeighbours)
        for admin in admins { if let id = Self.id(of: admin.record.key, &ids) { wanted.insert(id) } }
    }

    private static func peer(
        _ introducer: GroupFile.Introducer, _ state: GroupState, _ ids: inout [PublicKey: GatewayID]
    ) -> GatewayConfiguration.Peer? {
        guard let id = id(of: introducer.key, &ids) else { return nil }
        let name = state.member(introducer.key)?.name ?? "introducer"
        return GatewayConfiguration.Peer(name: name, id: id, addresses: introducer.addresses)
    }

    private static func id(of key: PublicKey, _ ids: inout [PublicKey: GatewayID]) -> GatewayID? {
        if let id = ids[key] { return id }
        guard let id = key.gatewayID else { return nil }
        ids[key] = id
        return id
    }

    // MARK: Tunnels

    private mutating func readTunnels(_ state: GroupState, own: GroupState.Member, calendar: Int64) {
        for tunnel in state.tunnels where tunnel.record.isEnabled {
            let record = tunnel.record
            if let until = record.until {
                guard Int64(clamping: until) > calendar else { continue }
            }
            var origins: [GatewayConfiguration.Origin] = []
            for origin in record.origins {
                for end in state.members(origin.selector) {
                    origins.append(.init(gateway: end.name, listen: end.id == own.id ? origin.listen : nil))
                }
            }
            var destinations: [GatewayConfiguration.Destination] = []
            // Of one order as they were written.
            for (_, destination) in record.destinations.enumerated().sorted(by: {
                ($0.element.order, $0.offset) < ($1.element.order, $1.offset)
            }) {
                for end in state.members(destination.selector)
                where !destinations.contains(where: { $0.gateway == end.name }) {
                    destinations.append(
                        .init(gateway: end.name, target: end.id == own.id ? destination.target : nil))
                }
            }
            let isOrigin = origins.contains { $0.gateway == own.name }
            guard isOrigin || destinations.contains(where: { $0.gateway == own.name }) else { continue }
            var result = GatewayConfiguration.Tunnel(
                name: tunnel.name, origins: origins, destinations: destinations,
                schedulingClass: record.schedulingClass, share: record.share,
                maximumConnections: record.maximumConnections, maximumRate: record.maximumRate)
            result.wireName = tunnel.id.text
            result.allowed = record.allowed
            tunnels.append(result)
            if let until = record.until { nextEnd = min(nextEnd ?? until, until) }
        }
    }

    // MARK: Channels

    /// The other ends of the tunnels that have an end here.
    private func tunnelPeers(_ own: String) -> Set<GatewayID> {
        var names: Set<String> = []
        for tunnel in tunnels {
            if tunnel.origins.contains(where: { $0.gateway == own }) {
                names.formUnion(tunnel.destinations.map(\.gateway))
            }
            if tunnel.destinations.contains(where: { $0.gateway == own }) {
                names.formUnion(tunnel.origins.map(\.gateway))
            }
        }
        return Set(peers.lazy.filter { names.contains($0.name) }.map(\.id))
    }

    /// The next ones on the ring of all ids that can be called. An id is a hash, so it is a random ring; all members make
    /// the same one.
    private func neighbours(of own: GatewayID) -> [GatewayID] {
        let others = peers.filter { !$0.addresses.isEmpty }.map(\.id).sorted { $0.precedes($1) }
        let next = others.firstIndex { own.precedes($0) } ?? 0
        return (0..<min(Self.mostNeighbours, others.count)).map { others[(next + $0) % others.count] }
    }

    /// Those before it on the ring, of which it is one of the next that can be called.
    private func callers(of own: GatewayID) -> [GatewayID] {
        let others = peers.sorted { $0.id.precedes($1.id) }
        let next = others.firstIndex { own.precedes($0.id) } ?? 0
        var result: [GatewayID] = []
        var between = 0
        for step in 0..<others.count where between < Self.mostNeighbours {
            let other = others[(next - 1 - step + 2 * others.count) % others.count]
            result.append(other.id)
            if !other.addresses.isEmpty { between += 1 }
        }
        return result
    }
}

extension MemberRecord.ID {
    /// 32 hexadecimal digits: what two gateways call a tunnel, whatever its name is at the moment.
    var text: String { bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }
}

extension GatewayID {
    /// Orders by bytes.
    fileprivate func precedes(_ other: GatewayID) -> Bool { bytes.lexicographicallyPrecedes(other.bytes) }
}
