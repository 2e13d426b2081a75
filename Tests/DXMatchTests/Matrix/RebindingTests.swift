import DXMatch
import DXSimulator
import DXWire
import Testing

/// NATs that lose their memory while gateways are at it.
@Suite struct RebindingTests {
    static let kinds: [NetworkKind] = [.cone, .restricted, .portrestricted, .linux, .double]

    /// The NAT of one side forgets everything in mid-use: a new introduction finds the peer again, at another address.
    @Test(arguments: kinds) func aRebootInMidUseIsSurvived(kind: NetworkKind) throws {
        for seed in Replay.seeds(count: 10) {
            let network = SimulatedNetwork(kind, .portrestricted, seed: seed, options: .init(loss: 0.05))
            try network.gather()
            try network.connect()
            #expect(network.isConnected)
            let before = network.a.observed
            try network.internet.run(for: .seconds(60))
            network.boxes[0].reboot()
            try network.gather()
            // Random ports are others now; the kernel's NAT keeps the inside one.
            if kind != .linux { #expect(network.a.observed != before) }
            try network.connect()
            #expect(network.isConnected, "\(kind), seed \(seed): \(network.text(network.a))")
        }
    }

    /// It forgets while the checks run: what the peer is told is wrong, and a check from the new address makes it a
    /// peer-reflexive candidate.
    @Test(arguments: [NetworkKind.cone, .restricted]) func aRebootBetweenGatheringAndChecks(kind: NetworkKind) throws {
        for seed in Replay.seeds(count: 10) {
            let network = SimulatedNetwork(.portrestricted, kind, seed: seed)
            try network.gather()
            network.boxes[0].reboot()
            try network.connect()
            #expect(network.isConnected, "\(kind), seed \(seed)")
            let remote = try #require(network.b.punch?.list.selectedPair?.remote)
            #expect(remote.kind == .peerReflexive)
        }
    }

    /// A carrier gives another address: the same, by the address.
    @Test func anotherPublicAddress() throws {
        let network = SimulatedNetwork(.portrestricted, .portrestricted, seed: 4)
        try network.gather()
        try network.connect()
        #expect(network.isConnected)
        network.boxes[0].change(publicAddress: Endpoint(v4: 0xcb00_7163, port: 0))
        try network.gather()
        try network.connect()
        #expect(network.isConnected)
        #expect(network.b.used.last?.remote.hasSameAddress(as: Endpoint(v4: 0xcb00_7163, port: 0)) == true)
    }
}
