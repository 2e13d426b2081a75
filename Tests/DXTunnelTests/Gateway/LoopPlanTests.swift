import DXWire
import Testing

@testable import DXTunnel

@Suite struct LoopPlanTests {
    /// A gateway `hub` with peers of these names.
    private func configuration(
        _ peers: [String], threads: Int? = nil, _ tunnels: [GatewayConfiguration.Tunnel] = []
    ) -> GatewayConfiguration {
        GatewayConfiguration(
            name: "hub", identity: .pem(""), veils: [],
            peers: peers.enumerated().map { number, name in
                .init(name: name, id: GatewayID([UInt8](repeating: UInt8(number), count: 32))!)
            }, tunnels: tunnels, limits: .init(threads: threads))
    }

    private func tunnel(from origin: String, to destinations: String...) -> GatewayConfiguration.Tunnel {
        .init(
            name: "t", origins: [.init(gateway: origin)], destinations: destinations.map { .init(gateway: $0) })
    }

    @Test func peersAreSpreadEvenly() {
        let plan = LoopPlan(configuration((0..<10).map { "p\($0)" }), coreCount: 4)
        #expect(plan.loopCount == 4)
        let counts = Dictionary(grouping: plan.loopByPeer.values) { $0 }.mapValues(\.count)
        #expect(counts.keys.sorted() == [0, 1, 2, 3])
        #expect(counts.values.allSatisfy { (2...3).contains($0) })
    }

    /// Cores, peers, what is configured, and the most there ever are.
    @Test(
        arguments: [
            (peers: 0, threads: nil, cores: 8, loops: 1), (peers: 1, threads: nil, cores: 8, loops: 1),
            (peers: 1, threads: 4, cores: 8, loops: 1), (peers: 3, threads: nil, cores: 8, loops: 3),
            (peers: 9, threads: nil, cores: 2, loops: 2), (peers: 9, threads: 1, cores: 8, loops: 1),
            (peers: 9, threads: 5, cores: 1, loops: 5), (peers: 40, threads: nil, cores: 64, loops: 16),
        ] as [(peers: Int, threads: Int?, cores: Int, loops: Int)])
    func thereAreNoMoreLoopsThanOfUse(_ given: (peers: Int, threads: Int?, cores: Int, loops: Int)) {
        let plan = LoopPlan(
            configuration((0..<given.peers).map { "p\($0)" }, threads: given.threads), coreCount: given.cores)
        #expect(plan.loopCount == given.loops)
        #expect(plan.loopByPeer.count == given.peers)
        #expect(plan.loopByPeer.values.allSatisfy { (0..<given.loops).contains($0) })
    }

    /// One limiter counts what all ends of a tunnel with a rate send: so they are together, also where it ends here.
    @Test func endsOfATunnelWithARateAreTogether() {
        var limited = GatewayConfiguration.Tunnel(
            name: "t", origins: [.init(gateway: "p0"), .init(gateway: "p2")], destinations: [.init(gateway: "hub")])
        let names = (0..<3).map { "p\($0)" }
        #expect(LoopPlan(configuration(names, [limited]), coreCount: 8).loopCount == 3)
        limited.maximumRate = 20_000_000
        let plan = LoopPlan(configuration(names, [limited]), coreCount: 8)
        #expect(plan.loopCount == 2 && plan.loopByPeer["p0"] == plan.loopByPeer["p2"])
    }

    /// A connection may choose between the destinations of its tunnel, so they are together; chains of such tunnels too.
    @Test func alternativesAreTogether() {
        let names = (0..<8).map { "p\($0)" }
        let tunnels = [
            tunnel(from: "hub", to: "p0", "p3"), tunnel(from: "hub", to: "p5", "p3"),
            tunnel(from: "hub", to: "p6", "p7"),
            // Not from here: each origin has a loop of its own.
            tunnel(from: "p1", to: "hub", "p2"), tunnel(from: "p4", to: "hub"),
        ]
        let plan = LoopPlan(configuration(names, tunnels), coreCount: 8)
        #expect(plan.loopCount == 5)
        let loop = plan.loopByPeer
        #expect(loop["p0"] == loop["p3"] && loop["p3"] == loop["p5"])
        #expect(loop["p6"] == loop["p7"])
        #expect(Set(["p0", "p1", "p2", "p4", "p6"].compactMap { loop[$0] }).count == 5)
        for tunnel in tunnels.prefix(3) {
            #expect(plan.loop(ofOrigin: tunnel) == loop[tunnel.destinations[0].gateway])
        }
    }

    /// A group in a ring of tunnels ends.
    @Test func ringsAreOneGroup() {
        let tunnels = [
            tunnel(from: "hub", to: "p0", "p1"), tunnel(from: "hub", to: "p1", "p2"),
            tunnel(from: "hub", to: "p2", "p0"), tunnel(from: "hub", to: "nobody", "p0"),
        ]
        let plan = LoopPlan(configuration(["p0", "p1", "p2"], tunnels), coreCount: 4)
        #expect(plan.loopCount == 1 && Set(plan.loopByPeer.values) == [0])
        #expect(plan.loop(ofOrigin: tunnel(from: "hub", to: "nobody")) == 0)
    }
}
