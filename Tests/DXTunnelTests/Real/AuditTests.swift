import NIOCore
import Testing

@testable import DXTunnel

extension GatewayTests {
    /// The record that each connection, flow and refusal leaves at both gateways.
    @Suite struct AuditTests {
        /// The records of a gateway, once there are so many.
        private func records(_ gateway: Gateway, _ count: Int) async throws -> [AuditRecord] {
            try await Polling.wait(for: "\(count) records") {
                let records = try await gateway.auditRecords() ?? []
                return records.count >= count ? records : nil
            }
        }

        @Test func connectionsAreRecordedAtBothEnds() async throws {
            let server = try TCPServer()
            let pair = try await GatewayPair(targetPort: server.port)
            let client = try await pair.connect()
            let target = try await server.accept()
            try await client.send(Pattern.bytes(5_000, seed: 1))
            _ = try await target.receive(exactly: 5_000)
            try await target.send(Pattern.bytes(300, seed: 2))
            _ = try await client.receive(exactly: 300)
            client.finish()
            #expect(try await target.receive() == .end)
            target.finish()
            #expect(try await client.receive() == .end)
            for (gateway, peer) in [(pair.edge, "cloud"), (pair.cloud, "edge")] {
                let record = try #require(try await records(gateway, 1).first)
                #expect(record.tunnel == "app" && record.peer == peer && record.end == .closed)
                #expect(record.bytesToTarget == 5_000 && record.bytesToClient == 300)
                #expect(record.start <= record.time && record.networkProtocol == .tcp)
            }
            let origin = try #require(try await pair.edge.auditRecords()?.first)
            #expect(origin.client?.hasPrefix("127.0.0.1:") ?? false && origin.target == nil && origin.role == .origin)
            let destination = try #require(try await pair.cloud.auditRecords()?.first)
            #expect(destination.target == "127.0.0.1:\(server.port)" && destination.client == nil)

            // Resets, each told from the other.
            let second = try await pair.connect()
            _ = try await server.accept()
            second.reset()
            for gateway in [pair.edge, pair.cloud] {
                #expect(try await records(gateway, 2).last?.end == .resetByClient)
            }
            let third = try await pair.connect()
            try await server.accept().reset()
            for gateway in [pair.edge, pair.cloud] {
                #expect(try await records(gateway, 3).last?.end == .resetByTarget)
            }
            _ = third
            // The channel ends under a connection.
            let fourth = try await pair.connect()
            _ = try await server.accept()
            try await pair.cloudRunner.stop()
            #expect(try await records(pair.edge, 4).last?.end == .channelLost)
            _ = fourth
            try await pair.stop()
        }

        @Test func refusalsAreRecorded() async throws {
            let pair = try await GatewayPair(targetPort: try UDPSocket.unusedPort())
            let client = try await pair.connect()
            guard case .failed = try await client.receiveAll().last else {
                Issue.record("nobody refused")
                return
            }
            let destination = try #require(try await records(pair.cloud, 1).last)
            #expect(destination.end == .refused && destination.reason?.contains("Connection refused") ?? false)
            let origin = try #require(try await records(pair.edge, 1).last)
            #expect(origin.end == .refused && origin.reason == "by the other gateway: refused")
            try await pair.stop()
        }

        @Test func flowsAreRecorded() async throws {
            let target = try UDPEcho()
            let pair = try await GatewayPair(target: HostAddress(host: "127.0.0.1", port: UInt16(target.port))) {
                $0.networkProtocol = .udp
                $0.idleTimeout = .seconds(1)
            }
            let client = try UDPSocket()
            try await client.ask(Pattern.bytes(700, seed: 3), at: try await pair.originPort())
            for gateway in [pair.edge, pair.cloud] {
                let record = try #require(try await records(gateway, 1).first)
                #expect(record.networkProtocol == .udp && record.end == .idle)
                #expect(record.bytesToTarget >= 700 && record.bytesToClient >= 700)
            }
            #expect(try await pair.edge.auditRecords()?.first?.client == "127.0.0.1:\(client.port)")
            try await pair.stop()
            target.stop()
        }

        @Test func aGatewayThatKeepsNoneHasNone() async throws {
            let server = try TCPServer()
            let pair = try await GatewayPair(targetPort: server.port)
            try await pair.edgeRunner.stop()
            pair.edgeRunner.change { $0.audit = AuditSettings(byteCount: nil) }
            try await pair.edgeRunner.start()
            try await pair.waitUntilActive()
            #expect(try await pair.edge.auditRecords() == nil)
            #expect(try await pair.edge.status().audit == nil)
            #expect(try await pair.cloud.status().audit?.isOnDisk == false)
            try await pair.stop()
        }

        /// In a group they outlive the gateway.
        @Test func recordsOutliveARestart() async throws {
            let server = try TCPServer()
            server.serveEcho()
            let fleet = try await Fleet()
            try await fleet.add("a")
            _ = try await fleet["hq"].setTunnel(
                TunnelRequest(
                    name: "t", origins: ["hq@127.0.0.1:0"], destinations: ["a@127.0.0.1:\(server.port)"]))
            let client = try await TCPSocket.connect(to: try await fleet.port("t", at: "hq"))
            try await client.send([1, 2, 3])
            _ = try await client.receive(exactly: 3)
            client.finish()
            #expect(try await client.receive() == .end)
            _ = try await records(fleet["hq"], 1)
            try await fleet.stop("hq")
            try await fleet.start("hq")
            let record = try #require(try await fleet["hq"].auditRecords(tunnel: "t")?.first)
            #expect(record.end == .closed && record.bytesToTarget == 3 && record.peer == "a")
            #expect(try await fleet["hq"].status().audit?.isOnDisk == true)
            try await fleet.stop()
        }
    }
}
