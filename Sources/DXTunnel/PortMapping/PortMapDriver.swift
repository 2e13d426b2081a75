package import DXMatch
import DXSecure
import DXSocket
package import DXWire
package import NIOCore

/// Has the host's routers open UDP ports, and keeps them open (`docs/matchmaking.md` §9): finds the default gateway of each IP
/// version, runs a `PortMapper` for it, and follows changes of the network. Bound to its event loop: everything is called there, and calls
/// back there.
///
/// `init`, `start`, and once at the end `stop`. The owner keeps `working` and hands it in the next time.
package final class PortMapDriver {
    /// What is told.
    package typealias Event = PortMapper.Event

    /// How often the routing tables are looked at: a device that was carried to another network has its ports within this time.
    private static let lookPause = Interval.seconds(30)

    private let eventLoop: any EventLoop
    private let nonce: PCPNonce
    private let routes: () -> [DefaultRoute]
    private var ports: [UInt16] = []
    private var onEvent: ((Event, Endpoint.Family) -> Void)?
    private var links: [Endpoint.Family: PortMapLink] = [:]
    private var remembered: PortMappingProtocol?
    private var announcements: UDPEndpoint<PortMapAnnouncements>?
    private var timer: WakeupTimer<PortMapDriver>?

    /// A driver that does nothing yet.
    ///
    /// - Parameters:
    ///   - nonce: names the mappings to PCP servers. Derive it from what the gateway keeps: with another one after a restart the
    ///     router refuses to touch the mappings of the run before until they expire.
    ///   - preferred: the protocol that worked before, if that is known; tried first.
    ///   - routes: tells the default routes; by default the kernel's tables do.
    package init(
        on eventLoop: any EventLoop, nonce: PCPNonce, preferred: PortMappingProtocol? = nil,
        routes: @escaping () -> [DefaultRoute] = DefaultRoute.current
    ) {
        self.eventLoop = eventLoop
        self.nonce = nonce
        self.remembered = preferred
        self.routes = routes
    }

    /// The protocol that worked last; nil when none did.
    package var working: PortMappingProtocol? {
        [Endpoint.Family.v4, .v6].compactMap { links[$0]?.working }.first ?? remembered
    }

    /// What is mapped now, of both families; some may be behind another NAT.
    package var mappings: [PortMapping] { [Endpoint.Family.v4, .v6].flatMap { links[$0]?.mappings ?? [] } }

    /// Begins to have these UDP ports mapped, at most `PortMapper.mostPorts`, by the routers of both families. `onEvent` is called
    /// for each change, never from inside this call. Once only.
    package func start(internalPorts: [UInt16], onEvent: @escaping (Event, Endpoint.Family) -> Void) {
        eventLoop.preconditionInEventLoop()
        precondition(self.onEvent == nil, "a driver is started once")
        ports = internalPorts
        self.onEvent = onEvent
        announcements = PortMapAnnouncements.open(for: self, on: eventLoop)
        let timer = WakeupTimer(on: eventLoop, handler: self)
        self.timer = timer
        timer.arm(at: MonotonicClock.now())
    }

    /// Looks at the routing tables now, and asks for everything again: for whoever knows that the network changed, or that the machine
    /// slept. Costs each router a request; call it for changes only.
    package func networkChanged() {
        eventLoop.preconditionInEventLoop()
        guard onEvent != nil else { return }
        let before = links
        look(now: MonotonicClock.now())
        for (family, link) in before where links[family] === link { link.refresh() }
    }

    /// Ends all mappings and closes; tells nothing more. Complete after a round trip to each router, two seconds at most.
    @discardableResult
    package func stop() -> EventLoopFuture<Void> {
        eventLoop.preconditionInEventLoop()
        onEvent = nil
        timer?.cancel()
        timer = nil
        announcements?.close()
        announcements = nil
        let ends = links.values.map { $0.stop() }
        links = [:]
        return EventLoopFuture.andAllComplete(ends, on: eventLoop)
    }

    /// Closes everything at once, and leaves mappings to the router.
    func close() {
        eventLoop.preconditionInEventLoop()
        onEvent = nil
        timer?.cancel()
        timer = nil
        announcements?.close()
        announcements = nil
        for link in links.values { link.close() }
        links = [:]
    }

    /// Hands an announcement to the link of its family.
    fileprivate func received(_ datagram: RawSpan, from source: Endpoint, now: Instant) {
        links[source.family]?.receiveAnnouncement(datagram, from: source, now: now)
    }

    /// Follows the routing tables.
    private func look(now: Instant) {
        let found = routes()
        for family in [Endpoint.Family.v4, .v6] {
            let route = found.first { $0.router.family == family }
            if let link = links[family], link.route != route {
                remembered = link.working ?? remembered
                let lost = link.mappings
                link.close()
                links[family] = nil
                for mapping in lost { onEvent?(.lost(internalPort: mapping.internalPort, .networkChanged), family) }
            }
            if let route, links[family] == nil { begin(route, now: now) }
        }
        timer?.arm(at: now + Self.lookPause)
    }

    private func begin(_ route: DefaultRoute, now: Instant) {
        let family = route.router.family
        let mapper = PortMapper(
            router: route.router, local: route.local, internalPorts: ports, nonce: nonce, preferred: remembered,
            random: RandomSource(seed: SecureRandom.next()), now: now)
        // An address that is not there yet, or no descriptor: tried again with the next look.
        let link = try? PortMapLink(route, mapper, on: eventLoop) { [weak self] in self?.onEvent?($0, family) }
        links[family] = link
        link?.start()
    }
}

extension PortMapDriver: WakeupHandler {
    package func wakeupFired(now: Instant) { look(now: now) }
}

@available(*, unavailable)
extension PortMapDriver: Sendable {}

/// Hears what routers tell all hosts. Bound to its event loop.
private final class PortMapAnnouncements: DatagramHandler {
    private weak var driver: PortMapDriver?

    private init(_ driver: PortMapDriver) { self.driver = driver }

    /// The socket of announcements; nil when the port cannot be had: they are missed then, and changes seen later.
    static func open(for driver: PortMapDriver, on eventLoop: any EventLoop) -> UDPEndpoint<PortMapAnnouncements>? {
        var configuration = PortMapLink.configuration
        // Every program that asks for ports is to share this one (RFC 6886 §3.2.1); multicasts come to each.
        configuration.sharingLoopCount = 2
        configuration.joinsPort = true
        return try? UDPEndpoint(
            listen: ListenAddress(anyAt: PortMapper.announcementPort), configuration: configuration, on: eventLoop,
            handler: PortMapAnnouncements(driver))
    }

    func received(
        _ datagram: inout MutableRawSpan, from source: Endpoint, local: Endpoint?, ecn: ECNMark, now: Instant
    ) {
        driver?.received(datagram.bytes, from: source, now: now)
    }

    func batchEnded(now: Instant) {}

    func becameWritable(now: Instant) {}
}

@available(*, unavailable)
extension PortMapAnnouncements: Sendable {}
