import DXMatch
import DXSimulator
import DXWire

/// The kinds of network that a gateway can be in, as the lab has them, and some more.
enum NetworkKind: String, CaseIterable, Sendable {
    case none, cone, restricted, portrestricted, symmetric, sequential, double, linux, linuxrandom, mapped, v6, dual
    case blocked

    /// The NAT for IPv4; nil without one.
    var rules: NATRules? {
        switch self {
        case .none, .v6: nil
        case .cone: .cone
        case .restricted: .restricted
        case .portrestricted, .double: .portRestricted
        case .symmetric, .mapped, .dual: .symmetric
        case .sequential: .symmetricSequential
        case .linux: .linux
        case .linuxrandom: .linuxRandom
        case .blocked: .cone.with { $0.passesUDP = false }
        }
    }

    var hasV4: Bool { self != .v6 }
    var hasV6: Bool { self == .v6 || self == .dual }
}

/// Two gateways, their networks, two matchmakers.
final class SimulatedNetwork {
    let internet: Internet<SimulatedMessage>
    let matchmakers = [SimulatedMatchmaker(number: 1), SimulatedMatchmaker(number: 2)]
    private(set) var a: SimulatedGateway
    private(set) var b: SimulatedGateway
    /// The NATs for IPv4 next to the hosts.
    private(set) var boxes: [NATBox] = []
    /// The round trip between the two over the internet.
    let roundTrip: Interval
    private let delays: [Interval]
    private var random: RandomSource
    private let loss: Double
    private let options: Options

    /// What may be special about a scenario.
    struct Options {
        /// The share of datagrams that get lost on each access link, each way.
        var loss = 0.0
        /// Whether both private networks have the same addresses, and so the hosts.
        var overlaps = false
        /// Rules in place of those of the kinds, which then must have a NAT.
        var rules: [NATRules]?
        /// How many connections others begin at sequential NATs between gathering and checks.
        var others = 0
    }

    static func id(_ number: UInt8) -> GatewayID { GatewayID([UInt8](repeating: number, count: 32))! }

    init(_ first: NetworkKind, _ second: NetworkKind, seed: UInt64, options: Options = Options()) {
        var random = RandomSource(seed: seed)
        loss = options.loss
        self.options = options
        internet = Internet(scheduler: Scheduler(limit: .seconds(900), maximumStepCount: 2_000_000))
        // 20 to 200 ms there and back.
        delays = (0..<2).map { _ in .microseconds(Int64(5_000 + random.below(45_000))) }
        roundTrip = (delays[0] + delays[1]) * 2
        // Either may have the lower id.
        let isSwapped = random.chance(0.5)
        func addresses(_ kind: NetworkKind, _ side: Int) -> [Endpoint] {
            var list: [Endpoint] = []
            let network: UInt32 = options.overlaps || side == 0 ? 1 : 2
            if kind.hasV4 {
                list.append(
                    kind == .none
                        ? Endpoint(v4: side == 0 ? 0xcb00_710a : 0xc633_640a, port: 0)
                        : Endpoint(v4: 0xc0a8_000a | network << 8, port: 0))
            }
            if kind.hasV6 {
                list.append(Endpoint(v6High: 0x2001_0db8_0000_0000 + UInt64(side + 1) << 16, low: 10, port: 0))
            }
            return list
        }
        a = SimulatedGateway(
            id: Self.id(isSwapped ? 2 : 1), addresses: addresses(first, 0), random: RandomSource(seed: random.next()))
        b = SimulatedGateway(
            id: Self.id(isSwapped ? 1 : 2), addresses: addresses(second, 1), random: RandomSource(seed: random.next()))
        self.random = random
        for matchmaker in matchmakers {
            internet.add(
                matchmaker, addresses: matchmaker.addresses, links: (Link([]), Link([Delay(.milliseconds(1))])))
        }
        attach(a, first, side: 0)
        attach(b, second, side: 1)
    }

    /// Two gateways behind one NAT.
    init(sharing kind: NetworkKind, hairpins: Bool, isolates: Bool, seed: UInt64, loss: Double = 0) {
        random = RandomSource(seed: seed)
        self.loss = loss
        options = Options()
        internet = Internet(scheduler: Scheduler(limit: .seconds(900), maximumStepCount: 2_000_000))
        delays = [.milliseconds(20), .milliseconds(20)]
        roundTrip = .milliseconds(2)
        a = SimulatedGateway(
            id: Self.id(1), addresses: [Endpoint(v4: 0xc0a8_010a, port: 0)], random: RandomSource(seed: random.next()))
        b = SimulatedGateway(
            id: Self.id(2), addresses: [Endpoint(v4: 0xc0a8_0114, port: 0)], random: RandomSource(seed: random.next()))
        for matchmaker in matchmakers {
            internet.add(
                matchmaker, addresses: matchmaker.addresses, links: (Link([]), Link([Delay(.milliseconds(1))])))
        }
        let rules = (kind.rules ?? .cone).with { $0.hairpins = hairpins }
        let box = NATBox(rules: rules, publicAddress: Self.publicAddress(0), random: RandomSource(seed: random.next()))
        boxes = [box]
        let realm = internet.addRealm(behind: [box], up: link(0), down: link(0), isolates: isolates)
        internet.add(a, in: realm, addresses: a.own)
        internet.add(b, in: realm, addresses: b.own)
    }

    static func publicAddress(_ side: Int) -> Endpoint { Endpoint(v4: side == 0 ? 0xcb00_710a : 0xc633_640a, port: 0) }

    private func link(_ side: Int) -> Link {
        var nodes: [any Node] = [Delay(delays[side])]
        if loss > 0 { nodes.append(RandomLoss(loss, random: RandomSource(seed: random.next()))) }
        return Link(nodes)
    }

    private func attach(_ gateway: SimulatedGateway, _ kind: NetworkKind, side: Int) {
        guard kind != .none else {
            return internet.add(gateway, addresses: gateway.own, links: (link(side), link(side)))
        }
        var near: [NATBox] = []
        if let rules = options.rules?[side] ?? kind.rules {
            let isDouble = kind == .double
            // Behind the carrier's NAT the home router has an address of 100.64/10.
            let outside = isDouble ? Endpoint(v4: 0x6440_010a, port: 0) : Self.publicAddress(side)
            let box = NATBox(rules: rules, publicAddress: outside, random: RandomSource(seed: random.next()))
            boxes.append(box)
            near.append(box)
            if kind == .mapped { gateway.mapped = box.forward(port: 40_000, to: gateway.own[0]) }
        }
        if kind.hasV6 {
            let address = Endpoint(v4: 0, port: 0)
            near.append(NATBox(rules: .firewall, publicAddress: address, random: RandomSource(seed: random.next())))
        }
        var outer = 0
        if kind == .double {
            let carrier = NATBox(
                rules: .portRestricted, publicAddress: Self.publicAddress(side),
                random: RandomSource(seed: random.next()))
            outer = internet.addRealm(behind: [carrier], up: link(side), down: link(side))
        }
        let isInner = kind == .double
        let realm = internet.addRealm(
            behind: near, in: outer, up: isInner ? Link([Delay(.milliseconds(1))]) : link(side),
            down: isInner ? Link([Delay(.milliseconds(1))]) : link(side))
        internet.add(gateway, in: realm, addresses: gateway.own)
    }

    // MARK: What happens

    /// Both find out about their networks.
    func gather() throws {
        for gateway in [a, b] { gateway.probe(matchmakers, now: internet.now) }
        try internet.run(until: { a.hasProbed && b.hasProbed }, waitingFor: "the probes of both")
        for gateway in [a, b] { gateway.takeResults(asking: matchmakers[0]) }
        var tries = 0
        while !(a.isObserved && b.isObserved), tries < 10 {
            tries += 1
            try internet.run(for: .milliseconds(300))
            for gateway in [a, b] where !gateway.isObserved { gateway.observe(matchmakers[0]) }
        }
    }

    /// A matchmaker introduces them: whoever asked hears it after its own round trip, the other after half of both.
    func introduce() throws {
        for box in boxes { box.othersConnect(options.others) }
        let (first, second) = (a, b)
        let (forA, forB) = (second.candidates, first.candidates)
        internet.after(delays[0] * 2) { [internet] in
            first.introduce(
                to: second.id, theirs: second.reachability, theirObserved: second.lastObserved, candidates: forA,
                now: internet.now)
        }
        internet.after(delays[0] + delays[1]) { [internet] in
            second.introduce(
                to: first.id, theirs: first.reachability, theirObserved: first.lastObserved, candidates: forB,
                now: internet.now)
        }
        try internet.run(for: delays[0] * 2 + delays[1])
    }

    /// Runs until both use a pair, or both have failed.
    func connect() throws {
        try introduce()
        try internet.run(
            until: { isDecided(a) && isDecided(b) }, waitingFor: "an outcome: \(text(a)); \(text(b))")
    }

    private func isDecided(_ gateway: SimulatedGateway) -> Bool { !gateway.used.isEmpty || gateway.failure != nil }

    func text(_ gateway: SimulatedGateway) -> String {
        let pairs = gateway.punch?.list.pairs.filter { $0.sentCount + $0.heardCount > 0 }.prefix(12).map {
            "\($0.base)>\($0.remote.endpoint) \($0.remote.kind) \($0.state) \($0.sentCount)/\($0.heardCount)"
        }
        return
            "\(gateway.used.map { "\($0.base)>\($0.remote)" }) \(gateway.failure.map { "\($0)" } ?? "") \(pairs ?? [])"
    }

    /// From the later of both beginnings to the moment at which both had a valid pair; nil if one never had.
    var timeToValid: Interval? {
        guard let first = a.firstValidAt, let second = b.firstValidAt, let begun = a.introducedAt,
            let other = b.introducedAt
        else { return nil }
        return max(first, second) - max(begun, other)
    }

    var isConnected: Bool { !a.used.isEmpty && !b.used.isEmpty }
}
