public import DXWire

/// Hosts, the links that carry what they send, and the loop that drives them through virtual time.
///
/// Links end nowhere in particular: a datagram that leaves one goes to whichever host has its destination address, or to
/// nobody. So two pairs that share a link share its bottleneck.
public final class Network {
    /// Virtual time and its bounds.
    public private(set) var scheduler: Scheduler
    private var hosts: [(host: Host, link: Link)] = []
    private var routes: [(source: UInt32, destination: UInt32, link: Link)] = []
    /// Every link once.
    private var links: [Link] = []
    private var actions: [(at: Instant, body: () throws -> Void)] = []
    private let log: FlowLog?

    /// A network without hosts.
    public init(scheduler: Scheduler, log: FlowLog? = nil) {
        self.scheduler = scheduler
        self.log = log
    }

    /// The present.
    public var now: Instant { scheduler.now }

    /// Adds a host whose datagrams go over `link`.
    func add(_ host: Host, link: Link) {
        hosts.append((host, link))
        note(link)
    }

    /// Sends what goes from `source` to `destination` over its own link instead of the sender's.
    public func route(from source: UInt32, to destination: UInt32, over link: Link) {
        routes.append((source, destination, link))
        note(link)
    }

    /// Does something at a time, counted from the present.
    public func after(_ delay: Interval, _ body: @escaping () throws -> Void) {
        let at = now + delay
        let index = actions.firstIndex { $0.at > at } ?? actions.endIndex
        actions.insert((at, body), at: index)
    }

    private func note(_ link: Link) {
        if !links.contains(where: { $0 === link }) { links.append(link) }
    }

    // MARK: Driving

    /// Runs until `condition` holds.
    public func run(
        until condition: () throws -> Bool, waitingFor: () -> String = { "the condition of the scenario" }
    ) throws {
        try runHosts()
        while try !condition() {
            try scheduler.step(to: nextDueAt, waitingFor: waitingFor())
            try step()
        }
    }

    /// Runs for a time, whatever happens.
    public func run(for time: Interval) throws {
        let end = now + time
        try runHosts()
        while let due = nextDueAt, due <= end {
            try scheduler.step(to: due, waitingFor: "the end of \(time)")
            try step()
        }
        try scheduler.step(to: end, waitingFor: "the end of \(time)")
    }

    private var nextDueAt: Instant? {
        var due = actions.first?.at
        func include(_ other: Instant?) { if let other { due = min(due ?? other, other) } }
        for entry in hosts { include(entry.host.nextDueAt) }
        for link in links { include(link.nextRunAt) }
        return due
    }

    private func step() throws {
        while let action = actions.first, action.at <= now {
            actions.removeFirst()
            try action.body()
        }
        var arrivals: [Datagram] = []
        for link in links { link.run(now: now, arrivals: &arrivals) }
        deliver(arrivals)
        try runHosts()
    }

    private func runHosts() throws {
        for (host, link) in hosts {
            if let due = host.nextDueAt, due <= now { try host.run(now: now) }
            send(host.takeOutbox(), over: link)
        }
    }

    private func send(_ datagrams: [Datagram], over usual: Link) {
        guard !datagrams.isEmpty else { return }
        var arrivals: [Datagram] = []
        for datagram in datagrams {
            let route = routes.last { $0.source == datagram.source && $0.destination == datagram.destination }
            (route?.link ?? usual).forward(datagram, now: now, arrivals: &arrivals)
        }
        deliver(arrivals)
    }

    /// Hands datagrams to whoever has their address; nobody may, after a change of address.
    private func deliver(_ datagrams: [Datagram]) {
        for datagram in datagrams {
            let host = hosts.first {
                $0.host.address == datagram.destination || $0.host.otherAddresses.contains(datagram.destination)
            }?.host
            guard let host else { continue }
            log?.arrived(number: datagram.number, at: now)
            host.deliver(datagram, now: now)
        }
    }
}
