public import DXWire

/// Has a router open UDP ports of this host, and keeps them open (`docs/matchmaking.md` §9).
///
/// PCP, NAT-PMP and UPnP-IGD are tried in this order, the one that worked last first; each gives up after three seconds of silence.
/// What was granted is asked for again at half of its lifetime, every ten minutes at least, at once when the router tells that it was
/// restarted, and ended by `stop`. When nothing works, or works no more, everything is tried again after a while.
///
/// One mapper is for one router and one address of this host; when either changes, make another. IPv6 is by PCP only: a hole in the
/// router's filter. Nothing but the router's own address is ever believed or asked, except that the search of UPnP is a multicast.
///
/// **Order**: after every input poll `pollTransmit`, `pollRequest` and `pollEvent` until dry, then ask `nextTimeout`. At most
/// `mostPorts` ports; one request is on its way at a time. Total: no datagram and no HTTP answer traps or makes it grow.
public struct PortMapper: Sendable {
    /// What the owner is told.
    public enum Event: Hashable, Sendable {
        /// The port can be reached from the internet there. Replaces what was said of this port before.
        case mapped(PortMapping)
        /// The port is mapped, but the router's outside is private, inside another NAT: the internet does not reach it. Replaces what
        /// was said of this port before.
        case mappedBehindNAT(PortMapping)
        /// The router granted the same again.
        case renewed(PortMapping)
        /// What was said of this port does not hold any more.
        case lost(internalPort: UInt16, PortMappingFailure)
        /// Nothing is mapped, for these reasons; tried again later.
        case unavailable(PortMappingReasons)
    }

    /// What it is doing.
    public enum Phase: Sendable, Equatable {
        /// Looks for a protocol that works.
        case searching
        /// Has a mapping at least.
        case holding
        /// Nothing worked; waits.
        case resting
        /// Ends its mappings.
        case stopping
        /// Has ended: nothing more will come.
        case stopped
    }

    /// Where servers announce, by multicast to all hosts.
    public static let announcementPort: UInt16 = 5350
    /// Ports that a mapper takes.
    public static let mostPorts = PortMappingConstants.mostPorts

    /// A port that is to be mapped.
    struct Line: Sendable {
        let port: UInt16
        var mapping: PortMapping?
        /// When the router forgets it, unless it is renewed.
        var expiresAt = Instant.distantFuture
        /// When it is to be asked for.
        var dueAt: Instant
        /// Asked in vain since it was granted.
        var silences = 0
        /// The outside that it had last.
        var wanted: Endpoint
        /// The router may have it when everything ends.
        var isToDelete = false
    }

    /// What it is doing.
    public internal(set) var phase = Phase.searching
    /// The protocol that worked last: worth remembering with the network, and handing in next time.
    public internal(set) var working: PortMappingProtocol?
    /// Datagrams that were malformed, from strangers, or answers to nothing.
    public internal(set) var droppedCount: UInt64 = 0

    let router: Endpoint
    let local: Endpoint
    var random: RandomSource
    var lines: [Line]
    var pcp: PCPClient
    var natPMP = NATPMPClient()
    var upnp: UPnPClient
    /// The line whose job is on its way.
    var busyLine: Int?
    /// By which protocol it is, or the last one was.
    var active = PortMappingProtocol.pcp
    /// Not tried in this search yet; the first is being tried.
    var candidates: [PortMappingProtocol] = []
    var reasons = PortMappingReasons()
    var restsUntil = Instant.zero
    var rest = PortMappingConstants.firstRest
    var refreshAllowedAt = Instant.zero
    var stopsAt = Instant.distantFuture
    private var events: [Event] = []

    /// Begins at once.
    ///
    /// - Parameters:
    ///   - router: the default gateway's address; its port is of no matter.
    ///   - local: this host's address towards it, which the sockets are bound to; its port is of no matter.
    ///   - internalPorts: what is to be mapped; zeros, repetitions and what is beyond `mostPorts` are left out.
    ///   - nonce: PCP's. The same in each run of this gateway, or the router keeps a dead run's mapping from it for hours.
    ///   - preferred: the protocol that worked in this network before; tried first.
    ///   - random: for UPnP's other ports, and so that not all hosts ask at once.
    public init(
        router: Endpoint, local: Endpoint, internalPorts: [UInt16], nonce: PCPNonce,
        preferred: PortMappingProtocol? = nil, random: RandomSource, now: Instant
    ) {
        self.router = router.withPort(PortMappingConstants.serverPort)
        self.local = local.withPort(0)
        self.random = random
        var seen: Set<UInt16> = [0]
        lines = internalPorts.filter { seen.insert($0).inserted }.prefix(Self.mostPorts).map {
            // Most routers give the same port outside if they can; asking for it helps others that know the host.
            Line(port: $0, dueAt: now, wanted: Endpoint.unspecified(local.family).withPort($0))
        }
        pcp = PCPClient(local: self.local, nonce: nonce)
        upnp = UPnPClient(router: router, local: local, random: RandomSource(seed: self.random.next()))
        working = preferred
        search()
        if lines.isEmpty { phase = .stopped }
        advance(now: now)
    }

    // MARK: A. State

    /// When `timeoutFired` is due; nil when nothing is.
    public var nextTimeout: Instant? {
        if phase == .stopped { return nil }
        let job = [pcp.nextTimeout, natPMP.nextTimeout, upnp.nextTimeout].compactMap { $0 }.min()
        switch phase {
        case .stopped: return nil
        case .stopping: return min(job ?? stopsAt, stopsAt)
        case .resting: return restsUntil
        case .searching: return job
        case .holding:
            let due = busyLine == nil ? lines.map(\.dueAt).min() ?? .distantFuture : .distantFuture
            let expiry = lines.filter { $0.mapping != nil }.map(\.expiresAt).min() ?? .distantFuture
            return min(job ?? .distantFuture, due, expiry)
        }
    }

    /// What is mapped now.
    public var mappings: [PortMapping] { lines.compactMap(\.mapping) }

    // MARK: B. Input

    /// A datagram came to the mapper's socket.
    public mutating func receive(_ datagram: RawSpan, from source: Endpoint, now: Instant) {
        do {
            try take(datagram, from: source, now: now)
        } catch {
            droppedCount += 1
        }
        noticeRestart(now: now)
        advance(now: now)
    }

    /// A datagram came to the port of announcements (`announcementPort`), where servers tell all hosts that they were restarted or have
    /// another address (RFC 6887 §14.1.1, RFC 6886 §3.2.1). Without such a socket everything works too, later.
    public mutating func receiveAnnouncement(_ datagram: RawSpan, from source: Endpoint, now: Instant) {
        do {
            try takeAnnouncement(datagram, from: source, now: now)
        } catch {
            droppedCount += 1
        }
        noticeRestart(now: now)
        advance(now: now)
    }

    /// What became of the request `number`.
    public mutating func receive(_ answer: PortMapperAnswer, to number: UInt64, now: Instant) {
        upnp.receive(answer, to: number, now: now)
        advance(now: now)
    }

    /// The time that `nextTimeout` named has come.
    public mutating func timeoutFired(now: Instant) {
        pcp.timeoutFired(now: now)
        natPMP.timeoutFired(now: now)
        upnp.timeoutFired(now: now)
        advance(now: now)
    }

    // MARK: C. Commands

    /// Asks for everything again now: for whoever knows that the network changed, or that the machine slept, during which its clock
    /// stands still and the router's does not.
    public mutating func refresh(now: Instant) {
        switch phase {
        case .holding: for index in lines.indices { lines[index].dueAt = now }
        case .resting: restsUntil = now
        case .searching, .stopping, .stopped: return
        }
        advance(now: now)
    }

    /// Ends all mappings: in `stopped` nothing is left to do, two seconds later at the latest.
    public mutating func stop(now: Instant) {
        guard phase != .stopping, phase != .stopped else { return }
        phase = .stopping
        stopsAt = now + PortMappingConstants.stopPatience
        // What is asked for at this moment may be granted all the same.
        for index in lines.indices { lines[index].isToDelete = lines[index].mapping != nil || busyLine == index }
        cancelJob()
        events = []
        advance(now: now)
    }

    // MARK: D. Output

    /// The next datagram to send now; nil when none is due.
    public mutating func pollTransmit(now: Instant) -> PortMapperDatagram? {
        if let bytes = pcp.pollTransmit(now: now) ?? natPMP.pollTransmit(now: now) {
            return PortMapperDatagram(destination: router, bytes: bytes)
        }
        return upnp.pollTransmit(now: now).map {
            PortMapperDatagram(destination: PortMappingConstants.ssdp, bytes: $0)
        }
    }

    /// The next HTTP request to make; nil when there is none. One that was made before and has no answer yet is given up.
    public mutating func pollRequest() -> PortMapperRequest? { upnp.pollRequest() }

    /// The next event; nil when there is none.
    public mutating func pollEvent() -> Event? { events.isEmpty ? nil : events.removeFirst() }

    /// Keeps an event for `pollEvent`. Whoever does not poll misses the oldest.
    mutating func tell(_ event: Event) {
        if events.count >= PortMappingConstants.mostEvents { events.removeFirst() }
        events.append(event)
    }
}
