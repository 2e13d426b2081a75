import DXWire
import Testing

@testable import DXMatch

/// The names of networks, and what they mean for a gateway behind them.
@Suite struct NATOutlookTests {
    @Test(arguments: [
        (NATBehaviour.unknown, "not known"), (.blocked, "no UDP"), (.open, "no NAT"),
        (NATBehaviour(mapping: .none, filtering: .addressAndPortDependent), "no NAT, but a firewall"),
        (NATBehaviour(mapping: .endpointIndependent, filtering: .endpointIndependent), "full cone NAT"),
        (NATBehaviour(mapping: .endpointIndependent, filtering: .addressDependent), "restricted cone NAT"),
        (NATBehaviour(mapping: .endpointIndependent, filtering: .addressAndPortDependent), "port-restricted cone NAT"),
        (NATBehaviour(mapping: .endpointIndependent), "cone NAT"),
        (NATBehaviour(mapping: .addressDependent, filtering: .addressDependent, ports: .random), "symmetric NAT"),
        (
            NATBehaviour(mapping: .addressAndPortDependent, ports: .sequential(step: 2)),
            "symmetric NAT, ports in sequence"
        ),
        (NATBehaviour(), "NAT of a kind that is not known"),
    ])
    func hasTheUsualName(_ behaviour: NATBehaviour, _ name: String) { #expect(behaviour.usualName == name) }

    private func outlook(_ behaviour: NATBehaviour, hasMappedPort: Bool = false) -> [[String]] {
        let outlook = NATOutlook(Reachability(v4: behaviour, hasMappedPort: hasMappedPort))
        return [outlook.direct, outlook.byPrediction, outlook.impossible]
    }

    private let cones = ["no NAT", "full cone NAT", "restricted cone NAT"]
    private let strict = "port-restricted cone NAT"
    private let hard = ["symmetric NAT, ports in sequence", "symmetric NAT"]

    @Test func isAllDirectWithoutANAT() { #expect(outlook(.open) == [cones + [strict] + hard, [], []]) }

    @Test func dependsOnTheFilterOfAnEasyNAT() {
        let restricted = NATBehaviour(mapping: .endpointIndependent, filtering: .addressDependent)
        #expect(outlook(restricted) == [cones + [strict] + hard, [], []])
        let portRestricted = NATBehaviour(mapping: .endpointIndependent, filtering: .addressAndPortDependent)
        #expect(outlook(portRestricted) == [cones + [strict], hard, []])
    }

    @Test func isWorstBehindAHardNAT() {
        let symmetric = NATBehaviour(
            mapping: .addressAndPortDependent, filtering: .addressAndPortDependent, ports: .random)
        #expect(outlook(symmetric) == [cones, [strict], hard])
        // A port of the router's makes it easy.
        #expect(outlook(symmetric, hasMappedPort: true) == [cones + [strict] + hard, [], []])
    }

    @Test func isNothingWithoutUDP() { #expect(outlook(.blocked) == [[], [], cones + [strict] + hard]) }

    @Test func saysNothingOfWhatIsNotKnown() {
        #expect(outlook(.unknown) == [[], [], []])
        #expect(NATOutlook(Reachability()).direct.isEmpty)
    }

    /// One with IPv6 alone is compared with others that have it.
    @Test func countsIPv6Alone() {
        #expect(NATOutlook(Reachability(v6: .open)).direct == cones + [strict] + hard)
    }
}
