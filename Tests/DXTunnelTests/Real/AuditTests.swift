import DXStream
import DXWire
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
            #expect(destination.target == "127.0.0.1:\(server.port)" && destination.client == origin.client)

            // Resets, each told from the other.
            let second = try await pair.connect()
            _ = try await server.accept()
            second.reset()
            for gateway in [pair.edge, pair.cloud] {
                #expect(try await records(gateway, 2).last?.end == .resetByClient)
            }
            let third = try await pair.connect()
            let resetting = try await server.accept()
            // A target that resets before the gateway knows that it is connected refuses.
            try await third.send([1])
            #expect(try await resetting.receive() == .bytes([1]))
            resetting.reset()
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

        /// What a tunnel's change ends is no application's reset, at either end.
        @Test func aChangeOfTheTunnelIsRecordedAtBothEnds() async throws {
            let server = try TCPServer()
            let pair = try await GatewayPair(targetPort: server.port)
            let client = try await pair.connect()
            let target = try await server.accept()
            try await client.send([1, 2, 3])
            _ = try await target.receive(exactly: 3)
            try await pair.cloud.onLoop { core in
                core.peers[0].channel?.endStreams(of: core.destinations[0].usage)
            }
            let there = try #require(try await records(pair.cloud, 1).first)
            #expect(there.end == .tunnelChanged && there.bytesToTarget == 3)
            let here = try #require(try await records(pair.edge, 1).first)
            #expect(here.end == .tunnelChanged && here.reason == "by the other gateway")
            try await pair.stop()
            _ = (client, target)
        }

        /// A silence that one tunnel's connections outlast ends those of another: with their channel, not with their tunnel.
        @Test func aSilenceThatIsTooLongIsRecordedAsALostChannel() async throws {
            let pair = try await GatewayPair(
                GatewayPair.Plan([
                    GatewayPair.tunnel("app", target: nil) { $0.hold = .seconds(60) },
                    GatewayPair.tunnel("long", target: nil) { $0.hold = .seconds(86_400) },
                ]))
            try await pair.waitUntilActive()
            let accepted = AcceptedStreams()
            for name in ["app", "long"] { try await pair.cloud.serve(name) { accepted.append($0) } }
            let streams = [try await pair.edge.dial("app"), try await pair.edge.dial("long")]
            let others = [try await accepted.next(), try await accepted.next()]
            try await pair.edge.onLoop { core in
                core.peers[0].channel?.endOutlasted(now: core.currentTime() + .seconds(1_000))
            }
            #expect(try await records(pair.edge, 1).map(\.end) == [.channelLost])
            await #expect(throws: TunnelStreamError.channelClosed) { try await streams[0].read() }
            #expect(try await pair.originStatus("long").openConnections == 1)
            try await pair.stop()
            _ = others
        }

        /// The tunnel changes while the target is being connected to: that is what the record says, whether the target is reached or
        /// not. What came with the head is held and counted meanwhile.
        @Test(arguments: [true, false]) func aChangeBeforeTheTargetIsReachedIsRecorded(isThere: Bool) async throws {
            let server = try TCPServer()
            if !isThere { server.close() }
            let pair = try await GatewayPair(targetPort: server.port)
            let held = try await pair.cloud.onLoop { core -> [Int] in
                let (channel, tunnel) = (try #require(core.peers[0].channel), core.destinations[0])
                let before = channel.measureHeldBytes()
                // As if the peer had opened it.
                let id = try channel.openStream(internalPort: 1, streamClass: .bulk, share: 1) { _ in
                    .connecting(tunnel, nil)
                }
                tunnel.accept(id, StreamBeginning(bytes: ByteBuffer(bytes: [1, 2, 3, 4, 5])), on: channel)
                let during = channel.measureHeldBytes()
                channel.endStreams(of: tunnel.usage)
                #expect(!channel.isOwned(id))
                return [before, during, channel.measureHeldBytes()]
            }
            #expect(held[1] == held[0] + 5 && held[2] == held[0])
            try await Polling.wait(until: "the attempt to be over") {
                try await pair.destinationStatus().openConnections == 0
            }
            let records = try await records(pair.cloud, 1)
            #expect(records.map(\.end) == [.tunnelChanged])
            #expect(records[0].bytesToTarget == 5 && records[0].target == "127.0.0.1:\(server.port)")
            #expect(try await pair.destinationStatus().refusedConnections == 0)
            try await pair.stop()
        }

        /// While destinations are asked the tunnel changes: nobody refused the connection.
        @Test func aChangeWhileDestinationsAreAskedIsRecorded() async throws {
            let targets = [try NamedTarget(), try NamedTarget()]
            let trio = try await GatewayTrio(targets: targets.map(\.port))
            let stream = try await trio.edge.onLoop { core in
                let stream = TunnelStream(bridge: try core.dial("app"), gate: core.gate)
                for peer in core.peers { peer.channel?.endStreams(of: core.origins[0].usage) }
                return stream
            }
            await #expect(throws: TunnelStreamError.channelClosed) { try await stream.read() }
            #expect(try await records(trio.edge, 1).map(\.end) == [.tunnelChanged])
            #expect(try await trio.edge.status().tunnels[0].refusedConnections == 0)
            try await trio.stop()
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
                let all = try await records(gateway, 1)
                #expect(all.allSatisfy { $0.networkProtocol == .udp && $0.end == .idle })
                // More than one where an answer was late.
                #expect(all.contains { $0.bytesToTarget >= 700 && $0.bytesToClient >= 700 })
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
