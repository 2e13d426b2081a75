import DXSimulator
import DXWire
import Testing

@testable import DXMatch

/// `NATProbe` against NATs whose rules are known.
@Suite struct NATProbeTests {
    static let ports: [NATRules.Ports] = [.preserve, .sequential(step: 1), .sequential(step: 4), .random]

    static let cases = NATRules.Scope.allCases.flatMap { mapping in
        NATRules.Scope.allCases.flatMap { filtering in
            ports.map { NATRules(mapping: mapping, filtering: filtering, ports: $0) }
        }
    }

    private func expected(_ rules: NATRules) -> NATBehaviour {
        let mapping: NATBehaviour.Mapping =
            switch rules.mapping {
            // With the inside port kept for all destinations there is one outside endpoint, whatever the table inside does.
            case _ where rules.ports == .preserve: .endpointIndependent
            case .endpointIndependent: .endpointIndependent
            case .addressDependent: .addressDependent
            case .addressAndPortDependent: .addressAndPortDependent
            }
        let filtering: NATBehaviour.Filtering =
            switch rules.filtering {
            case .endpointIndependent: .endpointIndependent
            case .addressDependent: .addressDependent
            case .addressAndPortDependent: .addressAndPortDependent
            }
        let ports: NATBehaviour.PortRule =
            switch (rules.ports, mapping) {
            case (.preserve, _): .preserved
            case (_, .endpointIndependent): .unknown
            // An address-dependent mapping shows three addresses: two steps.
            case (.sequential(let step), _): .sequential(step: Int8(step))
            default: .random
            }
        return NATBehaviour(mapping: mapping, filtering: filtering, ports: ports)
    }

    @Test(arguments: cases.indices) func findsTheRules(index: Int) throws {
        let rules = Self.cases[index]
        for seed in Replay.seeds(count: 5) {
            let options = SimulatedNetwork.Options(rules: [rules, .cone])
            let network = SimulatedNetwork(.cone, .cone, seed: seed, options: options)
            try network.gather()
            var found = try #require(network.a.reachability.v4)
            let hairpins = found.hairpins
            found.hairpins = nil
            #expect(found == expected(rules), "\(rules), seed \(seed)")
            #expect(hairpins == (found.mapping == .endpointIndependent ? false : nil))
        }
    }

    /// With loss a test may say less than there is, never more than a filter that is narrower, or ports without a rule.
    @Test func lossMakesItCautious() throws {
        for seed in Replay.seeds(count: 40) {
            let options = SimulatedNetwork.Options(loss: 0.1, rules: [.restricted, .symmetric])
            let network = SimulatedNetwork(.cone, .cone, seed: seed, options: options)
            try network.gather()
            #expect(network.a.reachability.v4?.mapping == .endpointIndependent)
            #expect(network.a.reachability.v4?.filtering != .endpointIndependent)
            #expect(network.b.reachability.v4?.mapping == .addressAndPortDependent)
            #expect(network.b.reachability.v4?.filtering == .addressAndPortDependent)
        }
    }

    @Test func othersAreFound() throws {
        let open = SimulatedNetwork(.none, .v6, seed: 1)
        try open.gather()
        #expect(open.a.reachability.v4 == .open)
        #expect(open.b.reachability.v4 == nil)
        let firewall = NATBehaviour(mapping: .none, filtering: .addressAndPortDependent, ports: .preserved)
        #expect(open.b.reachability.v6 == firewall)
        let blocked = SimulatedNetwork(.blocked, .double, seed: 1)
        try blocked.gather()
        #expect(blocked.a.reachability.v4 == .blocked)
        // Two in a row are as the stricter of both.
        #expect(blocked.b.reachability.v4?.mapping == .endpointIndependent)
        #expect(blocked.b.reachability.v4?.filtering == .addressAndPortDependent)
    }

    // MARK: By hand

    private let own = [Endpoint(v4: 0xc0a8_010a, port: 7700)]
    private let first = Endpoint(v4: 0xc000_020b, port: 3478)
    private let second = Endpoint(v4: 0xc000_0215, port: 3478)
    private let seen = Endpoint(v4: 0xcb00_710a, port: 4_000)

    /// Drives a probe whose requests are answered at once by `answer`, or never.
    private func run(_ probe: inout NATProbe, _ answer: (NATProbe.Request) -> Endpoint?) -> (Int, Instant) {
        var now = Instant.zero
        var count = 0
        while probe.result == nil, count < 1_000 {
            while let request = probe.pollTransmit(now: now) {
                count += 1
                if let observed = answer(request) {
                    probe.receive(answerTo: request.number, observed: observed, now: now)
                }
            }
            guard let due = probe.nextTimeout else { break }
            now = max(now, due)
            probe.timeoutFired(now: now)
        }
        return (count, now)
    }

    /// Two matchmakers with one address and one port each: mapping is found, the filter is not.
    @Test func severalMatchmakersDoWithoutAlternates() {
        var probe = NATProbe(own: own, servers: [.init(primary: first), .init(primary: second)], now: .zero)
        let (count, end) = run(&probe) { _ in seen }
        #expect(probe.result == NATBehaviour(mapping: .endpointIndependent, hairpins: true))
        #expect(count == 3 && end < .zero + .seconds(1))
        var hard = NATProbe(own: own, servers: [.init(primary: first), .init(primary: second)], now: .zero)
        _ = run(&hard) { $0.isHairpin ? nil : seen.withPort(4_000 + UInt16($0.number)) }
        #expect(hard.result?.mapping == .addressAndPortDependent)
        #expect(hard.result?.filtering == .unknown)
    }

    @Test func silenceIsNoUDPOnlyIfSomethingElseWorks() {
        for (works, result) in [(true, NATBehaviour.blocked), (false, .unknown), (nil, .unknown)] {
            var probe = NATProbe(own: own, servers: [.init(primary: first)], now: .zero)
            if let works { probe.otherThings(work: works) }
            let (count, end) = run(&probe) { _ in nil }
            #expect(probe.result == result)
            #expect(count == 6 && end == .zero + NATProbe.patience)
        }
        var none = NATProbe(own: own, servers: [], now: .zero)
        #expect(none.result == .unknown && none.nextTimeout == nil && none.pollTransmit(now: .zero) == nil)
    }

    @Test func strangeAnswersChangeNothing() {
        var probe = NATProbe(own: own, servers: [.init(primary: first, alternatePort: 3479)], now: .zero)
        for number in [-1, 7, Int.max] { probe.receive(answerTo: number, observed: seen, now: .zero) }
        #expect(probe.observations.list.isEmpty)
        let (count, end) = run(&probe) { $0.destination == first && $0.change == .none ? seen : nil }
        // Nothing but the first answer: the filter is narrow or the rest was lost; it ends soon all the same.
        #expect(probe.result?.filtering == .addressAndPortDependent)
        #expect(count < 20 && end < .zero + .seconds(5))
    }
}
