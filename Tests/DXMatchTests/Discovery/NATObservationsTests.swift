import DXWire
import Testing

@testable import DXMatch

@Suite struct NATObservationsTests {
    private let own = [Endpoint(v4: 0xc0a8_010a, port: 7700)]

    /// Ports as two addresses with two ports each saw them, in the order asked; nil where nothing was asked.
    private func observations(_ ports: [UInt16?], from address: UInt32 = 0xcb00_710a) -> NATObservations {
        let servers = [(0, 3478), (0, 3479), (1, 3478), (1, 3479)].map {
            Endpoint(v4: 0xc000_020b + UInt32($0.0), port: UInt16($0.1))
        }
        var result = NATObservations()
        for (order, port) in ports.enumerated() {
            guard let port else { continue }
            result.add(.init(order: order, server: servers[order], observed: Endpoint(v4: address, port: port)))
        }
        return result
    }

    @Test(arguments: [
        ([4_000, 4_000, 4_000, 4_000], NATBehaviour.Mapping.endpointIndependent, NATBehaviour.PortRule.unknown),
        ([7_700, 7_700, 7_700, 7_700], .endpointIndependent, .preserved),
        ([4_000, 4_000, 9_000, 9_000], .addressDependent, .random),
        ([4_000, 9_000, 5_000, 30_000], .addressAndPortDependent, .random),
        ([4_000, 4_001, 4_002, 4_003], .addressAndPortDependent, .sequential(step: 1)),
        ([4_000, 4_002, 4_004, 4_006], .addressAndPortDependent, .sequential(step: 2)),
        // Others took some in between.
        ([4_000, 4_004, 4_006, 4_016], .addressAndPortDependent, .sequential(step: 2)),
        ([4_000, 3_999, 3_997, 3_996], .addressAndPortDependent, .sequential(step: -1)),
        ([4_000, 4_001, 3_999, 4_002], .addressAndPortDependent, .random),
        ([4_000, 4_050, 4_100, 4_150], .addressAndPortDependent, .random),
        // One address alone: nothing is known of others. Two addresses alone: the worse is assumed.
        ([4_000, 4_000, nil, nil], .unknown, .unknown), ([4_000, nil, 4_001, nil], .addressAndPortDependent, .random),
        ([4_000, nil, 4_000, nil], .endpointIndependent, .unknown), ([nil, nil, nil, nil], .unknown, .unknown),
        ([4_000, 4_001, nil, nil], .addressAndPortDependent, .random),
    ])
    func areRead(ports: [UInt16?], mapping: NATBehaviour.Mapping, rule: NATBehaviour.PortRule) {
        let seen = observations(ports)
        #expect(seen.mapping(own: own) == mapping)
        #expect(seen.ports(own: own) == rule)
    }

    @Test func withoutTranslationThereIsNoNAT() {
        let seen = observations([7_700, 7_700, 7_700, 7_700], from: 0xc0a8_010a)
        #expect(seen.mapping(own: own) == .none)
        #expect(seen.ports(own: own) == .preserved)
    }

    @Test func answersCountInTheOrderOfTheirRequests() {
        var seen = NATObservations()
        for order in [3, 1, 2, 0, 1] {
            let server = Endpoint(v4: 0xc000_020b + UInt32(order), port: 3478)
            let observed = Endpoint(v4: 0xcb00_710a, port: UInt16(4_000 + order * 3))
            seen.add(.init(order: order, server: server, observed: observed))
        }
        #expect(seen.list.map(\.order) == [0, 1, 2, 3])
        #expect(seen.ports(own: own) == .sequential(step: 3))
    }

    /// Random ports are hardly ever taken for a sequence: no seed of a hundred thousand.
    @Test func chanceIsNoRule() {
        var random = RandomSource(seed: 11)
        var count = 0
        for _ in 0..<20_000 {
            let ports = (0..<4).map { _ -> UInt16? in UInt16(1_024 + random.below(64_512)) }
            if observations(ports).ports(own: own) != .random { count += 1 }
        }
        #expect(count == 0)
    }
}

@Suite struct NATBehaviourTests {
    @Test func theFormForThePeerIsReadBack() {
        var count = 0
        for mapping in NATBehaviour.Mapping.allCases {
            for filtering in NATBehaviour.Filtering.allCases {
                for hairpins in [nil, true, false] {
                    let steps = (-16...16).filter { $0 != 0 }.map { NATBehaviour.PortRule.sequential(step: Int8($0)) }
                    for ports in [.unknown, .preserved, .random] + steps {
                        var behaviour = NATBehaviour(mapping: mapping, filtering: filtering, ports: ports)
                        behaviour.hairpins = hairpins
                        #expect(NATBehaviour(bits: behaviour.bits) == behaviour)
                        count += 1
                    }
                }
            }
        }
        #expect(count == 5 * 4 * 3 * 35)
        #expect(NATBehaviour(bits: NATBehaviour.blocked.bits) == .blocked)
        #expect(NATBehaviour(bits: 0) == .unknown)
    }

    /// Whatever a blob holds is read as something.
    @Test func anyBitsAreRead() {
        for bits in UInt16.min...UInt16.max {
            let once = NATBehaviour(bits: bits)
            if NATBehaviour(bits: once.bits) != once {
                Issue.record("\(bits)")
                return
            }
        }
    }

    @Test func itHasWordsForPeople() {
        #expect(NATBehaviour.open.description == "no address translation; everybody may come in")
        let hard = NATBehaviour(
            mapping: .addressAndPortDependent, filtering: .addressAndPortDependent, ports: .sequential(step: 2))
        #expect(
            hard.description
                == "hard NAT: another outside address for each destination, ports follow one another by 2; "
                + "only what was sent to, address and port, may come in")
        #expect(NATBehaviour.blocked.description == "this network lets no UDP out")
    }
}
