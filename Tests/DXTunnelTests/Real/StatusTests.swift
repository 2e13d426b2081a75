import FoundationEssentials
import Testing

@testable import DXTunnel

extension GatewayTests {
    /// What a running gateway says of itself.
    @Suite struct StatusTests {
        @Test func statusIsFilledIn() async throws {
            let server = try TCPServer()
            server.serveEcho()
            let pair = try await GatewayPair(targetPort: server.port)
            let client = try await pair.connect()
            let bytes = Pattern.bytes(200_000, seed: 1)
            async let sent: Void = client.send(bytes)
            #expect(try await client.receive(exactly: bytes.count) == bytes)
            try await sent
            let edge = try await pair.edge.status()
            let cloud = try await pair.cloud.status()
            #expect(edge.isHealthy && cloud.isHealthy, "\(edge.problems) \(cloud.problems)")
            #expect(edge.name == "edge" && edge.id == pair.edge.id && edge.uptimeSeconds > 0)
            #expect(edge.listen == ["\(pair.edgeRunner.address)"])
            #expect(edge.socket.receiveBufferBytes > 0 && edge.socket.sendBufferBytes > 0)
            #expect(edge.memory.limitBytes == 64 << 20 && edge.memory.residentBytes ?? 0 > 1 << 20)
            #expect(edge.descriptors?.used ?? 0 >= 3)
            check(edge.peers[0], name: "cloud", id: pair.cloud.id, at: "\(pair.cloudRunner.address)")
            check(cloud.peers[0], name: "edge", id: pair.edge.id, at: "\(pair.edgeRunner.address)")
            #expect(edge.tunnels[0].role == .origin && edge.tunnels[0].openConnections == 1)
            #expect(edge.tunnels[0].target == nil && edge.tunnels[0].listen.count == 1)
            #expect(cloud.tunnels[0].role == .destination && cloud.tunnels[0].openConnections == 1)
            #expect(cloud.tunnels[0].target == "127.0.0.1:\(server.port)" && cloud.tunnels[0].listen.isEmpty)
            try await pair.stop()
        }

        private func check(_ peer: PeerStatus, name: String, id: String, at address: String) {
            #expect(peer.name == name && peer.id == id && peer.state == .connected && peer.lastError == nil)
            #expect(peer.remoteAddress == address && peer.pathKind == .lan)
            #expect(peer.rttMicroseconds ?? 0 > 0 && peer.mtuBytes ?? 0 >= 1_200)
            #expect(peer.congestionWindowBytes ?? 0 > 0 && peer.openStreams == 1)
            #expect(peer.congestionControl == "cubic")
            #expect(peer.bytesSent > 200_000 && peer.bytesReceived > 200_000)
            #expect(peer.counters["packets_sent", default: 0] > 0)
            #expect(peer.counters["packets_received", default: 0] > 0)
        }

        /// The layout that `status --json` shows, from a live gateway and back.
        @Test func statusIsTheSameAsJSON() async throws {
            let pair = try await GatewayPair(targetPort: try TCPServer.unusedPort())
            let client = try await pair.connect()
            _ = try await client.receiveAll()
            let status = try await pair.cloud.status()
            let json = try JSONEncoder().encode(status)
            #expect(try JSONDecoder().decode(GatewayStatus.self, from: json) == status)
            let text = String(decoding: json, as: UTF8.self)
            for key in [
                "schema", "healthy", "uptime_seconds", "rtt_us", "mtu_bytes", "refused_connections", "last_error",
                "resident_bytes", "receive_buffer_bytes", "remote_address",
            ] {
                #expect(text.contains("\"\(key)\""), "\(key)")
            }
            try await pair.stop()
        }

        @Test func pingMeasuresARoundTrip() async throws {
            let pair = try await GatewayPair(target: nil)
            for name in ["cloud", pair.cloud.id, String(pair.cloud.id.prefix(8))] {
                #expect(try await pair.edge.ping(name) > .zero)
            }
            #expect(try await pair.cloud.ping("edge", timeout: .seconds(120)) > .zero)
            for name in ["nobody", "", "edge", String(pair.cloud.id.prefix(7))] {
                await #expect(throws: GatewayError.unknownPeer(name)) { try await pair.edge.ping(name) }
            }
            // More at once than are kept: some are refused, all have an answer.
            let answers = await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<200 {
                    group.addTask { (try? await pair.edge.ping("cloud", timeout: .seconds(120))) != nil }
                }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(answers >= 64)
            try await pair.cloudRunner.stop()
            try await pair.waitUntilUnhealthy()
            await #expect(throws: GatewayError.notConnected("cloud")) { try await pair.edge.ping("cloud") }
            try await pair.stop()
        }

        @Test func aPingThatIsLostEnds() async throws {
            var plan = GatewayPair.Plan([GatewayPair.tunnel(target: nil)])
            plan.isForwarded = true
            let pair = try await GatewayPair(plan)
            try await pair.waitUntilActive()
            pair.forwarder?.cut(true)
            await #expect(throws: GatewayError.noAnswer("cloud")) {
                try await pair.edge.ping("cloud", timeout: .milliseconds(100))
            }
            pair.forwarder?.cut(false)
            #expect(try await pair.edge.ping("cloud", timeout: .seconds(20)) > .zero)
            try await pair.stop()
        }
    }
}
