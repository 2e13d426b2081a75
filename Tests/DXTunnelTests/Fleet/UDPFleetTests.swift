import NIOCore
import Testing

@testable import DXTunnel

extension GroupedGatewayTests {
    /// UDP tunnels of a group: who serves them, who takes over, what operators see.
    @Suite(.serialized) struct UDPFleetTests {
        /// A target that says who it is.
        private func target(_ name: String) throws -> UDPEcho { try UDPEcho { _ in Array(name.utf8) } }

        private func request(_ destinations: [String]) -> TunnelRequest {
            TunnelRequest(
                name: "dns", origins: ["hq@127.0.0.1:0"], destinations: destinations, networkProtocol: "udp",
                idleSeconds: 30)
        }

        /// When a destination goes, the next datagram of each client goes to the other one, and none comes back late.
        @Test func flowsGoOnAtAnotherDestination() async throws {
            let fleet = try await Fleet()
            for name in ["a", "b"] { try await fleet.add(name) }
            let (first, second) = (try target("a"), try target("b"))
            _ = try await fleet["hq"].setTunnel(
                request(["a@127.0.0.1:\(first.port)", "b@127.0.0.1:\(second.port),order=1"]))
            let port = try await fleet.port("dns", at: "hq")
            try await Polling.wait(until: "both destinations to have activated it") {
                try await fleet["hq"].onLoop { $0.origins.first?.activeNames == ["a", "b"] }
            }
            let clients = try (0..<5).map { _ in try UDPSocket() }
            for client in clients { try await client.ask([1], at: port, expecting: Array("a".utf8)) }
            try await fleet.stop("a")
            for client in clients { try await client.ask([2], at: port, expecting: Array("b".utf8)) }
            let status = try #require(try await fleet["hq"].status().tunnels.first)
            #expect(status.openConnections == 5 && status.totalConnections >= 10 && status.state == .active)
            #expect(second.sources.count == 5)
            let definition = try #require(try await fleet["b"].groupTunnels().first?.definition)
            #expect(definition.networkProtocol == "udp" && definition.idleSeconds == 30)
            try await fleet.stop()
            for target in [first, second] { target.stop() }
        }

        /// Hot changes: another target ends the flows there, the next datagram makes new ones; the end of the tunnel ends all.
        @Test func changesAreHot() async throws {
            let fleet = try await Fleet()
            try await fleet.add("a")
            let (first, second) = (try target("1"), try target("2"))
            _ = try await fleet["hq"].setTunnel(request(["a@127.0.0.1:\(first.port)"]))
            let port = try await fleet.port("dns", at: "hq")
            let client = try UDPSocket()
            try await client.ask([1], at: port, expecting: Array("1".utf8))
            var changed = request(["a@127.0.0.1:\(second.port)"])
            changed.origins = ["hq@127.0.0.1:\(port)"]
            _ = try await fleet["hq"].setTunnel(changed)
            let again = try await fleet.port("dns", at: "hq")
            #expect(again == port)
            try await client.ask([2], at: port, expecting: Array("2".utf8))
            changed.networkProtocol = nil
            await #expect(throws: GroupError.self) { _ = try await fleet["hq"].setTunnel(changed) }
            _ = try await fleet["hq"].removeTunnel("dns")
            try await Polling.wait(until: "all to be gone") {
                let (hq, a) = (try await fleet["hq"].status(), try await fleet["a"].status())
                return hq.tunnels.isEmpty && a.tunnels.isEmpty
            }
            // The port is free.
            try UDPSocket(port: port).close()
            try await fleet.stop()
            for target in [first, second] { target.stop() }
        }

        /// The owner of a gateway has the last word, as for TCP; also about a target that has a name.
        @Test func theLocalPolicyHolds() async throws {
            let fleet = try await Fleet()
            try await fleet.add("a")
            try await fleet.stop("a")
            let target = try target("a")
            var settings = LocalSettings(listen: HostAddress(host: "127.0.0.1", port: 0))
            settings.policy = LocalPolicy(targets: [try #require(LocalPolicy.Rule("192.0.2.1:53"))])
            try await fleet.start("a", settings: settings)
            _ = try await fleet["hq"].setTunnel(request(["a@127.0.0.1:\(target.port)"]))
            try await Polling.wait(until: "the activation to be refused") {
                try await fleet["hq"].status().tunnels.first?.lastError?.contains("local policy") ?? false
            }
            _ = try await fleet["hq"].setTunnel(request(["a@localhost:\(target.port)"]))
            let port = try await fleet.port("dns", at: "hq")
            let client = try UDPSocket()
            try await Polling.wait(until: "the flow to be refused") {
                client.send([1], to: port)
                let status = try await fleet["a"].status().tunnels.first
                return status?.datagramsDropped?["no_target"] ?? 0 > 0
                    && status?.lastError?.contains("local policy") ?? false
            }
            #expect(target.datagrams.isEmpty)
            try await fleet.stop()
            target.stop()
        }
    }
}
