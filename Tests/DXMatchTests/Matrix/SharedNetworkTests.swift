import DXMatch
import DXSimulator
import DXWire
import Testing

/// Two gateways in one network, or in two with the same addresses.
@Suite struct SharedNetworkTests {
    static let kinds: [NetworkKind] = [.cone, .portrestricted, .linux, .symmetric, .linuxrandom]

    /// Inside one network they meet inside, whatever the NAT does.
    @Test(arguments: kinds) func neighboursMeetInside(kind: NetworkKind) throws {
        for seed in Replay.seeds(count: 10) {
            for hairpins in [true, false] {
                let network = SimulatedNetwork(sharing: kind, hairpins: hairpins, isolates: false, seed: seed)
                try network.gather()
                try network.connect()
                try network.internet.run(for: .seconds(2))
                let used = try #require(network.a.used.last)
                #expect(used.remote == network.b.own[0], "\(kind), seed \(seed)")
                #expect(try #require(network.timeToValid) < .milliseconds(500))
            }
        }
    }

    /// Kept apart inside, they meet at the NAT's outside, if it turns datagrams back and its ports can be foreseen.
    @Test(arguments: [NetworkKind.cone, .restricted, .portrestricted, .linux], [0, 0.05])
    func isolatedNeighboursMeetOutside(kind: NetworkKind, loss: Double) throws {
        for seed in Replay.seeds(count: 10) {
            let network = SimulatedNetwork(sharing: kind, hairpins: true, isolates: true, seed: seed, loss: loss)
            try network.gather()
            #expect(network.a.reachability.v4?.hairpins == true)
            try network.connect()
            #expect(network.isConnected, "\(kind), seed \(seed): \(network.text(network.a))")
        }
    }

    /// Cells that cannot work, and what is said then.
    @Test(arguments: [
        (NetworkKind.cone, false, NATVerdict.Reason.noHairpin), (.portrestricted, false, .noHairpin),
        (.linux, false, .noHairpin),
    ])
    func withoutHairpinIsolatedNeighboursAreTold(kind: NetworkKind, hairpins: Bool, reason: NATVerdict.Reason) throws {
        for seed in Replay.seeds(count: 5) {
            let network = SimulatedNetwork(sharing: kind, hairpins: hairpins, isolates: true, seed: seed)
            try network.gather()
            #expect(network.a.reachability.v4?.hairpins == false)
            try network.connect()
            for gateway in [network.a, network.b] { #expect(gateway.failure == .impossible(reason, .allowNeighbours)) }
        }
    }

    /// A hard NAT gives what it turns back another port each time: its neighbours know of no way, and are told so.
    @Test(arguments: [NetworkKind.symmetric, .linuxrandom]) func isolatedNeighboursOfAHardNAT(kind: NetworkKind) throws
    {
        let network = SimulatedNetwork(sharing: kind, hairpins: true, isolates: true, seed: 1)
        try network.gather()
        try network.connect()
        #expect(network.a.failure == .notFound(.silence))
    }

    /// Both hosts are 192.168.1.10, each in its own 192.168.1.0/24. Nobody sends to itself, and the NATs' outside is found.
    @Test(arguments: [NetworkKind.cone, .portrestricted, .linux], [0, 0.05])
    func networksWithTheSameAddresses(kind: NetworkKind, loss: Double) throws {
        for seed in Replay.seeds(count: 20) {
            let network = SimulatedNetwork(kind, kind, seed: seed, options: .init(loss: loss, overlaps: true))
            #expect(network.a.own == network.b.own)
            try network.gather()
            try network.connect()
            let time = try #require(network.timeToValid)
            #expect(network.isConnected && time <= .seconds(1) + network.roundTrip * 4)
            #expect(network.a.punch?.list.refusals.map(\.reason) == [.own])
        }
    }

    /// A stranger at the address that the peer named for itself hears checks that are not for it, and that is all.
    @Test func aStrangerAtThePeersPrivateAddress() throws {
        let network = SimulatedNetwork(.portrestricted, .portrestricted, seed: 3)
        try network.gather()
        try network.connect()
        #expect(network.isConnected)
        let foreign = try #require(network.a.punch?.list.pairs.first { $0.remote.endpoint == network.b.own[0] })
        #expect(foreign.isReluctant && foreign.sentCount <= CheckPair.reluctantLimit)
    }
}
