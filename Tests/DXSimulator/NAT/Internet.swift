public import DXWire
internal import NIOCore

/// A host on an `Internet`: whatever machines it runs, as `Internet` drives it.
public protocol InternetHost<Message>: AnyObject {
    /// What its datagrams say.
    associatedtype Message
    /// When `run` is due; nil when nothing is.
    var nextDueAt: Instant? { get }
    /// A datagram arrived at `destination`, one of the host's own endpoints.
    func receive(_ message: Message, from source: Endpoint, at destination: Endpoint, now: Instant)
    /// Does what is due.
    func run(now: Instant)
    /// What it wants to send: from one of its own endpoints, to any.
    func takeOutbox() -> [(source: Endpoint, destination: Endpoint, message: Message)]
}

/// Networks behind NATs: hosts in realms of addresses, boxes between a realm and the one around it, access links with delay
/// and loss, virtual time.
///
/// Realm 0 is the internet. A realm may have the same addresses as another. A datagram goes to whoever has its destination in
/// the sender's realm, else out through the realm's box, over the access link, and so on; from the outside it goes to the host
/// or the box with that address, or to nobody.
public final class Internet<Message> {
    /// Virtual time and its bounds.
    public private(set) var scheduler: Scheduler
    /// How many datagrams were sent.
    public private(set) var sentCount = 0
    /// How many found nobody: no such address, or no way through a box.
    public private(set) var strayCount = 0

    /// A realm of addresses.
    private struct Realm {
        /// The box to the realm around it, that realm, and the link both ways between the box and it. None for the internet.
        var way: Way?
        /// Whether hosts of the realm cannot reach each other inside.
        var isolates = false
        /// Hosts and realms by address (port 0).
        var hosts: [Endpoint: Int] = [:]
        var children: [Int] = []
    }

    private struct Way {
        let boxes: [NATBox]
        let outer: Int
        let up: Link
        let down: Link

        /// The box for a family: a NAT is one for IPv4, what only filters for both, the first that fits.
        func box(for family: Endpoint.Family) -> NATBox? {
            boxes.first { family == .v6 ? !$0.rules.translates : $0.rules.translates }
                ?? boxes.first {
                    !$0.rules.translates
                }
        }
    }

    private struct Attached {
        let host: any InternetHost<Message>
        let realm: Int
        /// Of a host that is in the internet itself.
        let links: (up: Link, down: Link)?
    }

    private struct Packet {
        var source: Endpoint
        var destination: Endpoint
        let message: Message
        /// Where it goes on when it leaves the link that it is on.
        var next: Next
    }

    private enum Next {
        /// It has come out of a realm or a host: look for its destination in this realm.
        case routed(in: Int)
        /// It stands before the box of this realm.
        case entering(Int)
        /// It has reached the host.
        case delivered(Int)
    }

    private var realms: [Realm] = [Realm()]
    private var hosts: [Attached] = []
    private var links: [Link] = []
    private var packets: [Packet] = []
    private var actions: [(at: Instant, body: () -> Void)] = []
    private let local = Link([Delay(.microseconds(500))])

    /// An internet without hosts.
    public init(scheduler: Scheduler) {
        self.scheduler = scheduler
        links.append(local)
    }

    /// The present.
    public var now: Instant { scheduler.now }

    // MARK: Building

    /// Adds a realm behind `boxes` (a NAT for IPv4, a firewall for IPv6, or one of them), whose other side is in `outer`; the
    /// number of the realm. A family without a box does not leave.
    public func addRealm(
        behind boxes: [NATBox], in outer: Int = 0, up: Link, down: Link, isolates: Bool = false
    ) -> Int {
        var realm = Realm()
        realm.way = Way(boxes: boxes, outer: outer, up: up, down: down)
        realm.isolates = isolates
        realms.append(realm)
        realms[outer].children.append(realms.count - 1)
        links += [up, down]
        return realms.count - 1
    }

    /// Adds a host with these addresses (ports do not count). `links` are its access link; a host in a realm has the realm's.
    public func add(
        _ host: any InternetHost<Message>, in realm: Int = 0, addresses: [Endpoint],
        links own: (up: Link, down: Link)? = nil
    ) {
        for address in addresses { realms[realm].hosts[address.withPort(0)] = hosts.count }
        hosts.append(Attached(host: host, realm: realm, links: own))
        if let own { links += [own.up, own.down] }
    }

    /// Does something at a time, counted from the present.
    public func after(_ delay: Interval, _ body: @escaping () -> Void) {
        let at = now + delay
        actions.insert((at, body), at: actions.firstIndex { $0.at > at } ?? actions.endIndex)
    }

    // MARK: Driving

    /// Runs until `condition` holds.
    public func run(until condition: () -> Bool, waitingFor: String = "the condition of the scenario") throws {
        runHosts()
        while !condition() {
            try scheduler.step(to: nextDueAt, waitingFor: waitingFor)
            step()
        }
    }

    /// Runs for a time, whatever happens.
    public func run(for time: Interval) throws {
        let end = now + time
        runHosts()
        while let due = nextDueAt, due <= end {
            try scheduler.step(to: due, waitingFor: "the end of \(time)")
            step()
        }
        try scheduler.step(to: end, waitingFor: "the end of \(time)")
    }

    private var nextDueAt: Instant? {
        var due = actions.first?.at
        for link in links {
            if let other = link.nextRunAt, other < due ?? .distantFuture { due = other }
        }
        for attached in hosts {
            if let other = attached.host.nextDueAt, other < due ?? .distantFuture { due = other }
        }
        return due
    }

    private func step() {
        while let action = actions.first, action.at <= now {
            actions.removeFirst()
            action.body()
        }
        for link in links {
            guard let due = link.nextRunAt, due <= now else { continue }
            var arrivals: [Datagram] = []
            link.run(now: now, arrivals: &arrivals)
            arrived(arrivals)
        }
        runHosts()
    }

    private func runHosts() {
        for index in hosts.indices {
            let attached = hosts[index]
            if let due = attached.host.nextDueAt, due <= now { attached.host.run(now: now) }
            for (source, destination, message) in attached.host.takeOutbox() {
                sentCount += 1
                let next = Next.routed(in: attached.realm)
                let packet = Packet(source: source, destination: destination, message: message, next: next)
                if let up = attached.links?.up {
                    put(packet, next: next, on: up)
                } else {
                    route(packet, in: attached.realm, from: nil)
                }
            }
        }
    }

    // MARK: Routing

    private func put(_ packet: Packet, next: Next, on link: Link) {
        var packet = packet
        packet.next = next
        packets.append(packet)
        let datagram = Datagram(
            bytes: ByteBuffer(), ecn: .notECT, source: 0, destination: 0, number: UInt64(packets.count - 1))
        var arrivals: [Datagram] = []
        link.forward(datagram, now: now, arrivals: &arrivals)
        arrived(arrivals)
    }

    private func arrived(_ datagrams: [Datagram]) {
        for datagram in datagrams {
            var packet = packets[Int(datagram.number)]
            switch packet.next {
            case .routed(let realm): route(packet, in: realm, from: nil)
            case .entering(let realm):
                guard let way = realms[realm].way,
                    let inside = way.box(for: packet.destination.family)?.inbound(
                        source: packet.source, destination: packet.destination, now: now)
                else {
                    strayCount += 1
                    continue
                }
                packet.destination = inside
                route(packet, in: realm, from: realm)
            case .delivered(let index):
                hosts[index].host.receive(
                    packet.message, from: packet.source, at: packet.destination, now: now)
            }
        }
    }

    /// Finds the next hop in `realm`; `entered` is that realm when the packet has just come in by its box.
    private func route(_ packet: Packet, in realm: Int, from entered: Int?) {
        let address = packet.destination.withPort(0)
        if let index = realms[realm].hosts[address] {
            // Isolation is between hosts: what came in by the box is nobody's neighbour.
            if realms[realm].isolates && entered == nil { return strayCount += 1 }
            return put(packet, next: .delivered(index), on: hosts[index].links?.down ?? local)
        }
        if let child = realms[realm].children.first(where: { has($0, address) }), let way = realms[child].way {
            return put(packet, next: .entering(child), on: way.down)
        }
        guard let way = realms[realm].way, entered == nil, let box = way.box(for: address.family) else {
            return strayCount += 1
        }
        let isHairpin = box.rules.translates && address == box.publicAddress
        guard !isHairpin || box.rules.hairpins,
            let source = box.outbound(source: packet.source, destination: packet.destination, now: now)
        else { return strayCount += 1 }
        var packet = packet
        packet.source = source
        if isHairpin {
            guard let inside = box.inbound(source: source, destination: packet.destination, now: now) else {
                return strayCount += 1
            }
            packet.destination = inside
            return route(packet, in: realm, from: realm)
        }
        put(packet, next: .routed(in: way.outer), on: way.up)
    }

    /// Whether the realm is reached at `address` from the realm around it.
    private func has(_ realm: Int, _ address: Endpoint) -> Bool {
        guard let box = realms[realm].way?.box(for: address.family) else { return false }
        return box.rules.translates ? box.publicAddress == address : realms[realm].hosts[address] != nil
    }
}
