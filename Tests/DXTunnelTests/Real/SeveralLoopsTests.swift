import NIOCore
import Testing

@testable import DXSocket
@testable import DXTunnel

extension GatewayTests {
    /// A gateway with several event loops is one gateway.
    @Suite struct SeveralLoopsTests {
        private func echo(_ star: GatewayStar, _ tunnel: String, _ count: Int, seed: UInt64) async throws {
            let client = try await star.connect(tunnel)
            let bytes = Pattern.bytes(count, seed: seed)
            async let sent: Void = client.send(bytes)
            #expect(try await client.receive(exactly: count) == bytes)
            try await sent
            client.close()
        }

        private func echoThroughAll(_ star: GatewayStar, edges: Int, _ count: Int) async throws {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<edges {
                    for name in ["in\(number)", "out\(number)"] {
                        group.addTask { try await echo(star, name, count, seed: UInt64(number)) }
                    }
                }
                try await group.waitForAll()
            }
        }

        /// With one socket for each loop, and with several.
        @Test(arguments: [1, 2, 4]) func everyPeerIsServedOnItsLoop(_ stripeCount: Int) async throws {
            let server = try TCPServer()
            server.serveEcho()
            let target = HostAddress(host: "127.0.0.1", port: UInt16(server.port))
            var tuning = GatewayTuning()
            tuning.stripeCount = stripeCount
            let star = try await GatewayStar(edges: 5, threads: 3, target: target, tuning: tuning)
            let peers = try await star.hub.onEachLoop { $0.peers.map(\.name) }
            #expect(peers.map(\.count).sorted() == [1, 2, 2])
            let before = try await star.handedOver()
            try await echoThroughAll(star, edges: 5, 3_000_000)
            // The kernel gave every datagram of a session to its loop.
            #expect(try await star.handedOver() == before)
            let status = try await star.hub.status()
            #expect(status.threads == 3 && status.isHealthy, "\(status.problems)")
            #expect(status.peers.map(\.name) == (0..<5).map { "edge\($0)" })
            #expect(status.tunnels.map(\.name) == (0..<5).flatMap { ["in\($0)", "out\($0)"] })
            #expect(status.tunnels.allSatisfy { $0.totalConnections == 1 && $0.bytesToTarget == 3_000_000 })
            #expect(status.drops["wrong_event_loop"] == nil && status.drops["event_loop_busy"] == nil)
            for number in 0..<5 { #expect(try await star.hub.ping("edge\(number)") > .zero) }
            await #expect(throws: GatewayError.unknownPeer("edge5")) { try await star.hub.ping("edge5") }
            try await star.stop()
        }

        /// A socket that is opened again is the last of its port for the kernel, so session data goes to wrong loops.
        @Test func aSocketThatIsOpenedAgainBreaksNothing() async throws {
            let server = try TCPServer()
            server.serveEcho()
            let target = HostAddress(host: "127.0.0.1", port: UInt16(server.port))
            let star = try await GatewayStar(edges: 3, threads: 3, target: target)
            try await echoThroughAll(star, edges: 3, 10_000)
            try await star.hub.onLoop { $0.socket?.channel(.v4)?.close(promise: nil) }
            try await Polling.wait(until: "the socket to be opened again") {
                try await star.hub.onLoop { $0.socket?.statistics.rebinds == 1 }
            }
            let before = try await star.handedOver()
            try await echoThroughAll(star, edges: 3, 100_000)
            #expect(try await star.handedOver() > before)
            try await star.stop()
        }

        @Test func peersComeBackToTheirLoopsAfterARestart() async throws {
            let server = try TCPServer()
            server.serveEcho()
            let target = HostAddress(host: "127.0.0.1", port: UInt16(server.port))
            let star = try await GatewayStar(edges: 4, threads: 2, target: target)
            try await star.hubRunner.stop()
            try await star.hubRunner.start()
            try await star.waitUntilActive()
            try await echoThroughAll(star, edges: 4, 20_000)
            try await star.stop()
        }

        /// The limit on connections is that of the gateway, not of a loop.
        @Test func connectionsAreCountedTogether() async throws {
            let server = try TCPServer()
            server.serveEcho()
            let target = HostAddress(host: "127.0.0.1", port: UInt16(server.port))
            let star = try await GatewayStar(edges: 4, threads: 4, target: target, limits: .init(connections: 6))
            var open: [TCPSocket] = []
            for number in 0..<6 {
                let client = try await star.connect("in\(number % 4)")
                try await client.send([UInt8(number)])
                #expect(try await client.receive(exactly: 1) == [UInt8(number)])
                open.append(client)
            }
            for number in 0..<4 {
                let client = try await star.connect("in\(number)")
                #expect(try await client.receiveAll().bytes.isEmpty)
            }
            open.removeLast().close()
            try await Polling.wait(until: "a place to be free") {
                try await star.hub.status().tunnels.reduce(0) { $0 + $1.openConnections } == 5
            }
            let client = try await star.connect("in3")
            try await client.send([9])
            #expect(try await client.receive(exactly: 1) == [9])
            try await star.stop()
        }

        /// The embedding program sees one gateway.
        @Test func programsDialAndServeOnEveryLoop() async throws {
            let star = try await GatewayStar(edges: 3, threads: 3, target: nil)
            let accepted = AcceptedStreams()
            for (number, runner) in star.edgeRunners.enumerated() {
                try await runner.gateway.serve("out\(number)") { accepted.append($0) }
                try await star.hub.serve("in\(number)") { accepted.append($0) }
            }
            for (number, runner) in star.edgeRunners.enumerated() {
                for isOutward in [true, false] {
                    let stream =
                        isOutward
                        ? try await star.hub.dial("out\(number)") : try await runner.gateway.dial("in\(number)")
                    try await stream.write(ByteBuffer(string: "to \(number)"))
                    #expect(try await accepted.next().read() == ByteBuffer(string: "to \(number)"))
                    stream.reset()
                }
            }
            await #expect(throws: GatewayError.unknownTunnel("out9")) { try await star.hub.dial("out9") }
            try await star.stop()
        }
    }
}
