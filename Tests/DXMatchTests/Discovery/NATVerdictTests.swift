import DXSimulator
import DXWire
import Testing

@testable import DXMatch

@Suite struct NATVerdictTests {
    static let rules = NATRules.Scope.allCases.flatMap { mapping in
        NATRules.Scope.allCases.map { NATRules(mapping: mapping, filtering: $0) }
    }

    /// Theory against simulation, for each of nine kinds of NAT with random ports with each of nine: what the verdict calls
    /// direct connects by checks alone, and what it calls impossible does not, however the machines try.
    @Test(arguments: rules.indices) func theoryIsWhatHappens(index: Int) throws {
        for (other, second) in Self.rules.enumerated() {
            for seed in Replay.seeds(count: 3) {
                let options = SimulatedNetwork.Options(rules: [Self.rules[index], second])
                let network = SimulatedNetwork(.cone, .cone, seed: seed, options: options)
                try network.gather()
                let ours = NATVerdict(ours: network.a.reachability, theirs: network.b.reachability)
                let theirs = NATVerdict(ours: network.b.reachability, theirs: network.a.reachability)
                #expect(ours.mirrored == theirs)
                if case .byPrediction = ours { continue }
                try network.connect()
                let isDirect = if case .direct = ours { true } else { false }
                #expect(network.isConnected == isDirect, "\(index) with \(other), seed \(seed): \(ours)")
            }
        }
    }

    private let easy = NATBehaviour(mapping: .endpointIndependent, filtering: .addressAndPortDependent)
    private let hard = NATBehaviour(
        mapping: .addressAndPortDependent, filtering: .addressAndPortDependent, ports: .random)
    private let firewall = NATBehaviour(mapping: .none, filtering: .addressAndPortDependent, ports: .preserved)

    @Test func theLeastRemedyIsNamed() {
        func verdict(_ ours: Reachability, _ theirs: Reachability) -> NATVerdict {
            NATVerdict(ours: ours, theirs: theirs)
        }
        #expect(verdict(.init(v4: hard), .init(v4: hard)) == .impossible(.bothHard, .mapPort))
        // A mapped port at either makes it direct.
        #expect(verdict(.init(v4: hard, hasMappedPort: true), .init(v4: hard)) == .direct(.v4))
        #expect(verdict(.init(v4: hard), .init(v4: hard, hasMappedPort: true)) == .direct(.v4))
        // IPv6 at one: the other needs it too, and then it is direct.
        #expect(
            verdict(.init(v4: hard, v6: firewall), .init(v4: hard)) == .impossible(.bothHard, .addIPv6(isOurs: false)))
        #expect(
            verdict(.init(v4: hard), .init(v4: hard, v6: firewall)) == .impossible(.bothHard, .addIPv6(isOurs: true)))
        #expect(verdict(.init(v4: hard, v6: firewall), .init(v4: hard, v6: firewall)) == .direct(.v6))
        #expect(verdict(.init(v4: easy), .init(v6: firewall)) == .impossible(.noCommonFamily, .commonFamily))
        #expect(
            verdict(.init(v4: .blocked), .init(v4: easy))
                == .impossible(.noUDP(isOurs: true), .allowUDP(isOurs: true)))
        #expect(
            verdict(.init(v4: easy), .init(v4: .blocked))
                == .impossible(.noUDP(isOurs: false), .allowUDP(isOurs: false)))
        // Without UDP by one family the other may do.
        #expect(verdict(.init(v4: .blocked, v6: firewall), .init(v4: easy, v6: firewall)) == .direct(.v6))
        // A mapped port does not help where nothing passes.
        #expect(
            verdict(.init(v4: .blocked, hasMappedPort: true), .init(v4: easy))
                == .impossible(.noUDP(isOurs: true), .allowUDP(isOurs: true)))
    }

    @Test func predictionIsForTheHardSide() {
        let random = NATVerdict(ours: .init(v4: hard), theirs: .init(v4: easy))
        #expect(random == .byPrediction(.init(isOurs: true, method: .birthday)))
        var steps = hard
        steps.ports = .sequential(step: -2)
        let sequential = NATVerdict(ours: .init(v4: easy), theirs: .init(v4: steps))
        #expect(sequential == .byPrediction(.init(isOurs: false, method: .sequential(step: -2))))
    }

    @Test func whatIsNotKnownIsNotSaid() {
        #expect(NATVerdict(ours: .init(), theirs: .init(v4: easy)) == .unknown)
        #expect(NATVerdict(ours: .init(v4: .unknown), theirs: .init(v4: easy)) == .unknown)
        #expect(
            NATVerdict(ours: .init(v4: .unknown, v6: firewall), theirs: .init(v4: hard, v6: firewall)) == .direct(.v6))
        var quiet = hard
        quiet.mapping = .unknown
        #expect(NATVerdict(ours: .init(v4: quiet), theirs: .init(v4: easy)) == .unknown)
    }

    @Test func neighboursOfOneNAT() {
        var turning = easy
        #expect(NATVerdict(behind: turning, isApart: false) == .direct(.v4))
        #expect(NATVerdict(behind: turning, isApart: true) == .unknown)
        turning.hairpins = true
        #expect(NATVerdict(behind: turning, isApart: true) == .direct(.v4))
        turning.hairpins = false
        #expect(NATVerdict(behind: turning, isApart: true) == .impossible(.noHairpin, .allowNeighbours))
    }

    @Test func itHasWordsForPeople() {
        let verdict = NATVerdict(ours: .init(v4: hard), theirs: .init(v4: hard))
        #expect(
            verdict.description
                == "no direct way: both NATs choose outside ports that cannot be foreseen; "
                + "map a port to the gateway at either router (PCP or UPnP, or by hand)")
    }
}

extension NATVerdict {
    /// As the other side sees it.
    var mirrored: NATVerdict {
        switch self {
        case .direct, .unknown: self
        case .byPrediction(let prediction): .byPrediction(.init(isOurs: !prediction.isOurs, method: prediction.method))
        case .impossible(.noUDP(let isOurs), .allowUDP(let isTheirs)):
            .impossible(.noUDP(isOurs: !isOurs), .allowUDP(isOurs: !isTheirs))
        case .impossible(let reason, .addIPv6(let isOurs)): .impossible(reason, .addIPv6(isOurs: !isOurs))
        case .impossible: self
        }
    }
}
