public import DXStream
public import DXWire

/// Two whole channels, the links between them, and the loop that drives them through virtual time.
public final class Pair {
    /// The end with `ChannelRole.lower`.
    public let lower: Host
    /// The end with `ChannelRole.upper`.
    public let upper: Host
    /// From lower to upper.
    public let upward: Link
    /// From upper to lower.
    public let downward: Link
    /// Virtual time and its bounds.
    public private(set) var scheduler: Scheduler
    private var routes: [Route: Link] = [:]
    private var actions: [(at: Instant, body: (Pair) throws -> Void)] = []
    private let log: FlowLog?
    private var random: RandomSource
    private var nextPathCount: UInt32 = 0

    private struct Route: Hashable {
        var source: UInt32
        var destination: UInt32
    }

    /// The first address of the lower end; 2 is the upper's.
    public static let lowerAddress: UInt32 = 1
    /// The first address of the upper end.
    public static let upperAddress: UInt32 = 2

    /// What the two ends are like and what bounds the simulation.
    public struct Setup {
        /// How the lower end behaves.
        public var lower = ChannelConfiguration()
        /// How the upper end behaves.
        public var upper = ChannelConfiguration()
        /// How long each host lets datagrams pile up before it looks at them.
        public var batchInterval = Interval.zero
        /// The scenario must be over after this much virtual time.
        public var limit = Interval.seconds(3_600)
        /// The scenario must be over after this many steps.
        public var maximumStepCount = 2_000_000
        /// When it begins.
        public var clock = VirtualClock()
        /// Decides everything that the simulation itself draws, and both channels' own randomness.
        public var seed: UInt64 = 1
        /// Where the packet flow is noted.
        public var log: FlowLog?

        /// Defaults.
        public init() {
            // The address space of a real socket, but what a path is probed for stays cheap to simulate.
            lower.maximumDatagram = 9_000
            upper.maximumDatagram = 9_000
        }
    }

    /// Two channels with their first session, and nothing sent yet.
    public init(
        _ setup: Setup, upward: Link, downward: Link, lower: any Application, upper: any Application
    ) throws(SimulationFailure) {
        var source = RandomSource(seed: setup.seed)
        let now = setup.clock.now
        func host(_ role: ChannelRole, _ application: any Application, _ seed: UInt64) -> Host {
            let own = role == .lower ? setup.lower : setup.upper
            let peer = role == .lower ? setup.upper : setup.lower
            return Host(
                name: "\(role)", peerName: "\(role.other)",
                address: role == .lower ? Self.lowerAddress : Self.upperAddress,
                channel: MessageChannel(
                    role: role, configuration: own, peerParameters: peer.parameters, random: RandomSource(seed: seed),
                    now: now),
                application: application, batchInterval: setup.batchInterval, log: setup.log)
        }
        self.lower = host(.lower, lower, source.next())
        self.upper = host(.upper, upper, source.next())
        self.upward = upward
        self.downward = downward
        log = setup.log
        random = source
        scheduler = Scheduler(clock: setup.clock, limit: setup.limit, maximumStepCount: setup.maximumStepCount)
        _ = try addSession(inheriting: nil)
    }

    /// The present.
    public var now: Instant { scheduler.now }

    /// Both hosts.
    public var hosts: [Host] { [lower, upper] }

    /// Adds a session between the hosts' present addresses to both channels; it becomes the active path of both.
    public func addSession(inheriting: PathID?, role: ChannelRole = .lower) throws(SimulationFailure) -> PathID {
        let path = PathID(count: nextPathCount, role: role)
        nextPathCount += 1
        let lowerID = ConnectionID(rawValue: random.next())
        let upperID = ConnectionID(rawValue: random.next())
        let key = random.next()
        try lower.addSession(
            PlainSession(receiveID: lowerID, sendID: upperID, key: key), path: path, remote: upper.address,
            inheriting: inheriting, now: now)
        try upper.addSession(
            PlainSession(receiveID: upperID, sendID: lowerID, key: key), path: path, remote: lower.address,
            inheriting: inheriting, now: now)
        return path
    }

    /// Sends what goes from `source` to `destination` over its own link instead of the direction's.
    public func route(from source: UInt32, to destination: UInt32, over link: Link) {
        routes[Route(source: source, destination: destination)] = link
    }

    /// Does something at a time, counted from the present. Both hosts run afterwards.
    public func after(_ delay: Interval, _ body: @escaping (Pair) throws -> Void) {
        let at = now + delay
        let index = actions.firstIndex { $0.at > at } ?? actions.endIndex
        actions.insert((at, body), at: index)
    }

    // MARK: Driving

    /// Runs until both applications are done.
    public func runUntilDone() throws {
        try run(until: { $0.lower.application.isDone && $0.upper.application.isDone }) {
            "lower: \($0.lower.application.waitingFor); upper: \($0.upper.application.waitingFor)"
        }
    }

    /// Runs until `condition` holds.
    public func run(
        until condition: (Pair) -> Bool, waitingFor: (Pair) -> String = { _ in "the condition of the scenario" }
    ) throws {
        try runHosts()
        while !condition(self) {
            try scheduler.step(to: nextDueAt, waitingFor: waitingFor(self))
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
        include(lower.nextDueAt)
        include(upper.nextDueAt)
        include(upward.nextRunAt)
        include(downward.nextRunAt)
        for link in routes.values { include(link.nextRunAt) }
        return due
    }

    private func step() throws {
        while let action = actions.first, action.at <= now {
            actions.removeFirst()
            try action.body(self)
            lower.wake(now)
            upper.wake(now)
        }
        var arrivals: [Datagram] = []
        upward.run(now: now, arrivals: &arrivals)
        downward.run(now: now, arrivals: &arrivals)
        if !routes.isEmpty {
            for route in routes.keys.sorted(by: { ($0.source, $0.destination) < ($1.source, $1.destination) }) {
                routes[route]?.run(now: now, arrivals: &arrivals)
            }
        }
        deliver(arrivals)
        try runHosts()
    }

    private func runHosts() throws {
        for host in hosts {
            if let due = host.nextDueAt, due <= now { try host.run(now: now) }
            send(host.takeOutbox(), from: host)
        }
    }

    private func send(_ datagrams: [Datagram], from host: Host) {
        guard !datagrams.isEmpty else { return }
        var arrivals: [Datagram] = []
        let usual = host === lower ? upward : downward
        for datagram in datagrams {
            let route = Route(source: datagram.source, destination: datagram.destination)
            (routes[route] ?? usual).forward(datagram, now: now, arrivals: &arrivals)
        }
        deliver(arrivals)
    }

    /// Hands datagrams to whoever has their address; nobody may, after a change of address.
    private func deliver(_ datagrams: [Datagram]) {
        for datagram in datagrams {
            guard let host = hosts.first(where: { $0.address == datagram.destination }) else { continue }
            log?.arrived(number: datagram.number, at: now)
            host.deliver(datagram, now: now)
        }
    }
}
