import DXMatch
import DXSecure
import DXSocket
import DXWire
import Logging
import NIOCore

/// Finds members of the group in the networks of this host, without any matchmaker (`docs/matchmaking.md` §10): carries what
/// `LANDiscovery` says to multicast groups, and has what came of it checked. Bound to the gateway's event loop.
///
/// It has sockets of its own: two that hear the groups, and one at a random port that sends and hears answers. A network without
/// multicast, or a host that gives no socket, is no trouble: then nobody is found this way.
final class LANAgent {
    private unowned let core: GatewayCore
    private var machine: LANDiscovery
    private var keys: [Key] = []
    private var receivers: [MulticastSocket] = []
    private var sender: UDPEndpoint<LANAgent>?
    /// Where announcements leave from: of each interface one address of each family.
    private var links: [LocalAddresses.Link] = []
    private var networks: [AddressPrefix] = []
    /// Announcements that the kernel did not take: a network without a multicast route, or an interface that went down.
    private var refusedCount: UInt64 = 0
    /// Groups that could not be joined on an interface.
    private var joinFailureCount: UInt64 = 0
    private var isPumping = false

    /// A key, named by the head of its secret's name.
    private struct Key {
        var name: UInt64
        var seal: LANSeal
    }

    /// Epochs that a member may have slept through and be found still; each makes noise cost one open more.
    private static let mostKeys = 8

    /// The part of a gateway whose sockets are open; announces within a second.
    init(core: GatewayCore) {
        self.core = core
        let now = core.currentTime()
        machine = LANDiscovery(
            own: core.ownID, boot: core.bootID, port: core.socket?.localEndpoints.first?.port ?? 0,
            random: RandomSource(seed: core.random.next()), now: now)
        openSockets()
        lookAround(now: now)
    }

    private func openSockets() {
        sender = try? UDPEndpoint(
            listen: ListenAddress(anyAt: 0), configuration: .small, on: core.eventLoop, handler: self)
        for family in [Endpoint.Family.v4, .v6] where core.canSend(to: family) {
            let socket = MulticastSocket(family, port: LANConstants.port, on: core.eventLoop) {
                [weak self] datagram, source in
                guard let self else { return }
                take(datagram, from: source, now: core.currentTime())
            }
            if let socket { receivers.append(socket) }
        }
        if receivers.isEmpty || sender == nil {
            core.logger.info("members in this network are not looked for: no socket")
        }
    }

    /// Ends it.
    func stop() {
        for receiver in receivers { receiver.close() }
        receivers.removeAll()
        sender?.close()
        sender = nil
    }

    // MARK: Following the gateway

    /// Looks at the host's interfaces, which come and go, and at all else.
    func lookAround(now: Instant) {
        networks = LocalAddresses.networks()
        let found = usableLinks
        if found != links {
            let isFirst = links.isEmpty
            links = found
            if !isFirst { machine.networkChanged(now: now) }
        }
        // Also those that were joined: one that went away and came back has forgotten it.
        for link in links { join(link) }
        follow(now: now)
    }

    /// The host was away for some time: who is here is asked anew.
    func networkChanged(now: Instant) {
        machine.networkChanged(now: now)
        lookAround(now: now)
    }

    /// Takes over who is a member, who is wanted, and what the group's secrets are.
    func follow(now: Instant) {
        guard let group = core.group else { return }
        let epochs = group.epochs.named(in: group.state).suffix(Self.mostKeys).reversed()
        let names = epochs.map { Self.name(of: $0) }
        if names != keys.map(\.name) {
            keys = epochs.map { Key(name: Self.name(of: $0), seal: LANSeal($0.secret)) }
        }
        machine.setMembers(core.secure.knownPeers)
        machine.setWanted(Set(core.peers.lazy.filter { $0.isWanted && !$0.isHeard }.map(\.id)), now: now)
        pump(now: now)
    }

    private static func name(of epoch: EpochSecret) -> UInt64 {
        epoch.secret.name.bytes.prefix(8).reduce(0) { $0 &<< 8 | UInt64($1) }
    }

    /// Of each interface one address of each family in which the gateway's socket hears: of IPv6 the link's own, as every interface
    /// has it. A gateway that listens at one address announces itself from that one.
    private var usableLinks: [LocalAddresses.Link] {
        let bound = core.socket?.localEndpoints ?? []
        var result: [LocalAddresses.Link] = []
        for link in LocalAddresses.links() where !link.isLoopback || core.tuning.usesLoopback {
            let isBound = bound.contains { local in
                guard local.family == link.address.family else { return false }
                guard local.isUnspecified else { return local.hasSameAddress(as: link.address) }
                return local.family == .v4 || link.address.scope != 0 || link.isLoopback
            }
            let isKnown = result.contains { $0.index == link.index && $0.address.family == link.address.family }
            if isBound, !isKnown { result.append(link) }
        }
        for receiver in receivers { receiver.forget(allBut: Set(result.map(\.index))) }
        return Array(result.prefix(Self.mostLinks))
    }

    /// A host with more interfaces is a switch.
    private static let mostLinks = 32

    private func join(_ link: LocalAddresses.Link) {
        let group = Self.group(link.address.family)
        guard !receivers.contains(where: { $0.join(group, on: link.index) }), !receivers.isEmpty else { return }
        joinFailureCount &+= 1
    }

    private static func group(_ family: Endpoint.Family) -> Endpoint {
        switch family {
        case .v4: Endpoint(v4: LANConstants.groupV4, port: LANConstants.port)
        case .v6:
            Endpoint(v6High: LANConstants.groupV6.high, low: LANConstants.groupV6.low, port: LANConstants.port)
        }
    }

    // MARK: Receiving

    private func take(_ datagram: RawSpan, from source: Endpoint, now: Instant) {
        // All of them have one size; whatever else comes costs nothing.
        guard datagram.byteCount == LANMessage.byteCount + LANSeal.overhead, machine.mayOpen(now: now) else { return }
        for key in keys {
            guard let message = key.seal.open(datagram) else { continue }
            machine.receive(
                unsafe message.span.bytes, from: source, isNear: isNear(source), key: key.name, now: now)
            return pump(now: now)
        }
    }

    /// Whether an address is in one of the networks that this host is in.
    private func isNear(_ source: Endpoint) -> Bool {
        if source.family == .v6, source.scope != 0 { return true }
        if source.isLoopback { return core.tuning.usesLoopback }
        return networks.contains { $0.contains(source) }
    }

    // MARK: Sending

    /// Does what is due.
    func wakeupFired(now: Instant) {
        machine.timeoutFired(now: now)
        pump(now: now)
    }

    private func pump(now: Instant) {
        guard !isPumping else { return }
        isPumping = true
        defer { isPumping = false }
        while let transmit = machine.pollTransmit(now: now) { send(transmit) }
        sender?.sender.flush()
        while sender?.sender.pollRefusal() != nil { refusedCount &+= 1 }
        while let event = machine.pollEvent() {
            switch event {
            case .found(let member, let endpoint): found(member, at: endpoint, now: now)
            }
        }
        core.noteDeadline(machine.nextTimeout)
    }

    private func send(_ transmit: LANTransmit) {
        let key = transmit.key.map { name in keys.first { $0.name == name } } ?? keys.first
        guard let key, let datagram = try? key.seal.seal(unsafe transmit.message.span.bytes) else { return }
        if let destination = transmit.destination { return send(datagram, to: destination, from: nil) }
        for link in links {
            var group = Self.group(link.address.family)
            if group.family == .v6 {
                group = Endpoint(v6High: group.high, low: group.low, scope: link.index, port: group.port)
            }
            // The address of ours decides on which interface it goes out (ip-multicast(7): no route is needed).
            send(datagram, to: group, from: link.address)
        }
    }

    private func send(_ datagram: [UInt8], to destination: Endpoint, from source: Endpoint?) {
        sender?.sender.append(to: destination, from: source, ecn: .notECT, maximumByteCount: datagram.count) {
            unsafe $0.write(datagram.span.bytes)
        }
    }

    /// A member may be there: what is said in its name by another member finds nobody.
    private func found(_ member: GatewayID, at endpoint: Endpoint, now: Instant) {
        guard core.canSend(to: endpoint.family) else { return }
        // A link's own address is spoken with from ours on that link.
        let base = links.first { $0.address.family == .v6 && $0.address.scope == endpoint.scope && endpoint.scope != 0 }
        let port = core.socket?.localEndpoints.first { $0.family == endpoint.family }?.port
        core.match?.meet(
            member, at: endpoint, from: base.flatMap { base in port.map { base.address.withPort($0) } },
            reason: PunchRun.heardHere, now: now)
    }

    // MARK: Status

    /// What came, and what was dropped.
    var counts: [String: UInt64] {
        let counts = machine.statistics
        return [
            "lan_malformed": counts.malformed, "lan_strangers": counts.strangers, "lan_replayed": counts.replayed,
            "lan_far": counts.far, "lan_late": counts.late, "lan_limited": counts.limited, "lan_twins": counts.twins,
            "lan_send_refused": refusedCount, "lan_join_failures": joinFailureCount,
        ]
    }

    /// Members that were heard lately.
    var neighbourCount: Int { machine.neighbourCount(now: core.currentTime()) }
}

extension LANAgent: DatagramHandler {
    func received(
        _ datagram: inout MutableRawSpan, from source: Endpoint, local: Endpoint?, ecn: ECNMark, now: Instant
    ) {
        take(datagram.bytes, from: source, now: core.currentTime())
    }

    func batchEnded(now: Instant) {}
    func becameWritable(now: Instant) {}
}

@available(*, unavailable)
extension LANAgent: Sendable {}
