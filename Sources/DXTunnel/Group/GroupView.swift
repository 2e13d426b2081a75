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
    /// The key by which matchmakers know the group; nil when it uses none.
    var matchKey: MatchKey?
    /// Where to register and to look for others, at most `MatchServersRecord.most`.
    var matchServers: [MatchmakerAddress] = []

    /// Each member calls so many others, and is called by as many: with a fifth of a group away, nobody is alone.
    static let mostNeighbours = 4

    /// A member's part of a group.
    ///
    /// - Parameters:
    ///   - callsAdmins: it may have slept, and whoever is left of its neighbours may know no more than it does: it calls
    ///     admins, too.
    ///   - ids: the gateway ids of keys, which cost 40 microseconds each; missing ones are added.
    ///   - calendar: the time now in seconds since 1970, for tunnels that end; nil when it is not known: then they do not
    ///     hold.
    ///   - lapsed: the hashes of what was in force for a time that is over.
    init(
        _ state: GroupState, member: MemberRecord.ID, introducer: GroupFile.Introducer? = nil,
        callsAdmins: Bool = false, ids: inout [PublicKey: GatewayID], calendar: Int64?,
        lapsed: Set<Bytes32> = []
    ) {
        guard let own = state.members.first(where: { $0.id == member }) else {
            // Not told yet what it is: whoever let it in knows.
            if let introducer, let peer = Self.peer(introducer, state, &ids) {
                peers = [peer]
                wanted = [peer.id]
                // Whoever let it in may stand behind a NAT as well.
                matchKey = state.matchKey
                matchServers = state.matchServers.isEmpty ? introducer.matchmakers : state.matchServers
            }
            return
        }
        name = own.name
        (matchKey, matchServers) = (state.matchKey, state.matchServers)
        for other in state.members where other.id != member {
            guard let id = Self.id(of: other.record.key, &ids) else { continue }
            var addresses = other.addresses
            if addresses.isEmpty, let introducer, introducer.key == other.record.key {
                addresses = introducer.addresses
            }
            peers.append(GatewayConfiguration.Peer(name: other.name, id: id, addresses: addresses))
        }
        readTunnels(state, own: own, calendar: calendar, lapsed: lapsed)
        wanted = tunnelPeers(own.name)
        if let ownID = Self.id(of: own.record.key, &ids) {
            findNeighbours(of: ownID, isCallable: !own.addresses.isEmpty)
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

    private mutating func readTunnels(
        _ state: GroupState, own: GroupState.Member, calendar: Int64?, lapsed: Set<Bytes32>
    ) {
        for tunnel in state.tunnels {
            let isOver = tunnel.trial != nil && lapsed.contains(tunnel.hash)
            guard let record = isOver ? tunnel.trial?.fallback : tunnel.record, record.isEnabled,
                record.unknownNeeds.isEmpty
            else { continue }
            if let until = record.until {
                guard let calendar, Int64(clamping: until) > calendar else { continue }
            }
            var origins: [GatewayConfiguration.Origin] = []
            for origin in record.origins {
                for end in state.members(origin.selector) {
                    origins.append(
                        .init(
                            gateway: end.name, address: end.id == own.id ? origin.listen : nil,
                            socketMode: end.id == own.id ? origin.socketMode : nil))
                }
            }
            var destinations: [GatewayConfiguration.Destination] = []
            // Of one order as they were written.
            for (_, destination) in record.destinations.enumerated().sorted(by: {
                ($0.element.order, $0.offset) < ($1.element.order, $1.offset)
            }) {
                for end in state.members(destination.selector)
                where !destinations.contains(where: { $0.gateway == end.name }) {
                    var place = GatewayConfiguration.Destination(
                        gateway: end.name, address: end.id == own.id ? destination.target : nil)
                    (place.order, place.weight) = (destination.order, destination.weight)
                    destinations.append(place)
                }
            }
            let isOrigin = origins.contains { $0.gateway == own.name }
            guard isOrigin || destinations.contains(where: { $0.gateway == own.name }) else { continue }
            var result = GatewayConfiguration.Tunnel(
                name: tunnel.name, origins: origins, destinations: destinations,
                schedulingClass: record.schedulingClass, share: record.share,
                maximumConnections: record.maximumConnections, maximumRate: record.maximumRate)
            (result.healthCheck, result.isSticky) = (record.healthCheck, record.isSticky)
            (result.failback, result.hold) = (record.failback, record.hold)
            result.wireName = tunnel.id.text
            result.allowed = record.allowed
            result.networkProtocol = record.networkProtocol
            result.idleTimeout = record.idleSeconds.map { .seconds($0) }
            result.proxyProtocol = record.proxyProtocol
            result.compression = record.compression
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

    /// All that can be called, on a ring in the order of their ids. An id is a hash, so it is a random ring; all members
    /// make the same one.
    private struct Ring {
        let ids: [GatewayID]
        private let places: [GatewayID: Int]
        private let steps: [Int]

        init(_ ids: [GatewayID]) {
            self.ids = ids.sorted { $0.precedes($1) }
            places = Dictionary(zip(self.ids, self.ids.indices), uniquingKeysWith: { first, _ in first })
            let root = Self.squareRoot(ids.count)
            let fourth = Self.squareRoot(root)
            var steps: [Int] = []
            for step in [1, fourth, root, root * fourth] { steps.append(max(step, (steps.last ?? 0) + 1)) }
            self.steps = steps
        }

        /// Rounded down. Of whole numbers, so that all machines come to the same.
        private static func squareRoot(_ number: Int) -> Int {
            var root = 1
            while (root + 1) * (root + 1) <= number { root += 1 }
            return root
        }

        /// The places of those that a member calls, which need not be on the ring itself: by one step, about the fourth root
        /// of the count, its square root, and both multiplied. So 500 members are at most 12 channels from each other, and
        /// each has 8.
        func called(by id: GatewayID) -> [Int] {
            if let place = places[id] { return steps.filter { $0 < ids.count }.map { (place + $0) % ids.count } }
            var (low, high) = (0, ids.count)
            while low < high {
                let middle = (low + high) / 2
                if ids[middle].precedes(id) { low = middle + 1 } else { high = middle }
            }
            return steps.filter { $0 <= ids.count }.map { (low + $0 - 1) % ids.count }
        }

        func place(of id: GatewayID) -> Int? { places[id] }
    }

    /// Calls others for the document to spread by, and is called.
    private mutating func findNeighbours(of own: GatewayID, isCallable: Bool) {
        let others = peers.filter { !$0.addresses.isEmpty }.map(\.id)
        let ring = Ring(isCallable ? others + [own] : others)
        wanted.formUnion(ring.called(by: own).map { ring.ids[$0] })
        wantedBy = wanted
        guard let place = ring.place(of: own) else { return }
        for peer in peers where ring.called(by: peer.id).contains(place) { wantedBy.insert(peer.id) }
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
