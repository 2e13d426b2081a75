public import DXStream
public import DXWire

/// Two whole channels with the sessions between them, on a network of their own or one that they share with others.
public final class Pair {
    /// The end with `ChannelRole.lower`.
    public let lower: Host
    /// The end with `ChannelRole.upper`.
    public let upper: Host
    /// From lower to upper.
    public let upward: Link
    /// From upper to lower.
    public let downward: Link
    /// What carries their datagrams, and the time they live in.
    public let network: Network
    private var random: RandomSource
    private var nextPathCount: UInt32 = 0

    /// The first address of the lower end of a pair that is alone; 2 is the upper's.
    public static let lowerAddress: UInt32 = 1
    /// The first address of the upper end of a pair that is alone.
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
        /// Whether the sessions drop copies, as DTLS does.
        public var dropsReplays = true
        /// The addresses of the lower and the upper end.
        public var addresses = (lower: Pair.lowerAddress, upper: Pair.upperAddress)

        /// Defaults.
        public init() {
            // Room for jumbo frames; probing up to the 65,000 of a real socket would only cost time.
            lower.maximumDatagram = 9_000
            upper.maximumDatagram = 9_000
        }
    }

    /// Two channels on a network of two links, with their first session, and nothing sent yet.
    public convenience init(
        _ setup: Setup, upward: Link, downward: Link, lower: any Application, upper: any Application
    ) throws(SimulationFailure) {
        let scheduler = Scheduler(clock: setup.clock, limit: setup.limit, maximumStepCount: setup.maximumStepCount)
        let network = Network(scheduler: scheduler, log: setup.log)
        try self.init(setup, network: network, upward: upward, downward: downward, lower: lower, upper: upper)
    }

    /// Two channels on a network that others use too; its own scheduler counts, not that of `setup`.
    public init(
        _ setup: Setup, network: Network, upward: Link, downward: Link, lower: any Application, upper: any Application
    ) throws(SimulationFailure) {
        var source = RandomSource(seed: setup.seed)
        self.network = network
        self.upward = upward
        self.downward = downward
        self.lower = Self.host(.lower, setup, lower, seed: source.next(), now: network.now)
        self.upper = Self.host(.upper, setup, upper, seed: source.next(), now: network.now)
        random = source
        network.add(self.lower, link: upward)
        network.add(self.upper, link: downward)
        _ = try addSession(inheriting: nil)
    }

    private static func host(
        _ role: ChannelRole, _ setup: Setup, _ application: any Application, seed: UInt64, now: Instant
    ) -> Host {
        let own = role == .lower ? setup.lower : setup.upper
        let peer = role == .lower ? setup.upper : setup.lower
        return Host(
            name: "\(role)", peerName: "\(role.other)",
            address: role == .lower ? setup.addresses.lower : setup.addresses.upper,
            channel: MessageChannel(
                role: role, configuration: own, peerParameters: peer.parameters, random: RandomSource(seed: seed),
                now: now),
            application: application, batchInterval: setup.batchInterval, dropsReplays: setup.dropsReplays,
            log: setup.log)
    }

    /// The present.
    public var now: Instant { network.now }

    /// Both hosts.
    public var hosts: [Host] { [lower, upper] }

    /// Adds a session to both channels, between the hosts' present addresses or two others; where only one path is kept it becomes
    /// the active path of both. `preference` is what the lower end says of it.
    public func addSession(
        inheriting: PathID?, role: ChannelRole = .lower, between others: (lower: UInt32, upper: UInt32)? = nil,
        preference: PathPreference = .primary
    ) throws(SimulationFailure) -> PathID {
        let path = PathID(count: nextPathCount, role: role)
        nextPathCount += 1
        let lowerID = ConnectionID(rawValue: random.next())
        let upperID = ConnectionID(rawValue: random.next())
        let key = random.next()
        try lower.addSession(
            PlainSession(
                receiveID: lowerID, sendID: upperID, key: key, dropsReplays: lower.dropsReplays), path: path,
            remote: others?.upper ?? upper.address, local: others?.lower,
            inheriting: inheriting, preference: preference, now: now)
        try upper.addSession(
            PlainSession(
                receiveID: upperID, sendID: lowerID, key: key, dropsReplays: upper.dropsReplays), path: path,
            remote: others?.lower ?? lower.address, local: others?.upper,
            inheriting: inheriting, now: now)
        return path
    }

    /// A session that the lower end takes as a path, and the upper one has no room for.
    public func addRefusedSession(inheriting: PathID?) throws(SimulationFailure) {
        let path = PathID(count: nextPathCount, role: .lower)
        nextPathCount += 1
        try lower.addSession(
            PlainSession(
                receiveID: ConnectionID(rawValue: random.next()), sendID: ConnectionID(rawValue: random.next()),
                key: random.next(), dropsReplays: lower.dropsReplays),
            path: path, remote: upper.address, inheriting: inheriting, now: now)
        upper.refuseSession(path, now: now)
    }

    /// Does something at a time, counted from the present. Both hosts run afterwards.
    public func after(_ delay: Interval, _ body: @escaping (Pair) throws -> Void) {
        network.after(delay) { [unowned self] in
            try body(self)
            lower.wake(now)
            upper.wake(now)
        }
    }

    // MARK: Driving

    /// Runs until both applications are done; a channel that ends before is a failure.
    public func runUntilDone() throws {
        let isOver = { (pair: Pair) throws(SimulationFailure) -> Bool in
            for host in pair.hosts {
                guard let end = host.end else { continue }
                throw SimulationFailure("\(host.name): the channel ended at \(pair.now): \(end)")
            }
            return pair.lower.application.isDone && pair.upper.application.isDone
        }
        try run(until: isOver) {
            "lower: \($0.lower.application.waitingFor); upper: \($0.upper.application.waitingFor)"
        }
    }

    /// Runs until `condition` holds.
    public func run(
        until condition: (Pair) throws -> Bool, waitingFor: (Pair) -> String = { _ in "the condition of the scenario" }
    ) throws {
        try network.run(until: { try condition(self) }, waitingFor: { waitingFor(self) })
    }

    /// Runs for a time, whatever happens.
    public func run(for time: Interval) throws { try network.run(for: time) }
}
