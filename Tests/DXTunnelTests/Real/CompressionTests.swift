import DXTestFiles
import DXWire
import Glibc
import NIOCore
import Testing

@testable import DXTunnel

extension GatewayTests {
    /// Tunnels whose bytes are compressed on their way, as applications see them: as if they were not.
    @Suite struct CompressionTests {
        private let directory = TemporaryDirectory()

        private func tunnel(
            _ target: TunnelAddress?, _ change: (inout GatewayConfiguration.Tunnel) -> Void = { _ in }
        ) -> GatewayConfiguration.Tunnel {
            GatewayPair.tunnel(target: nil) { tunnel in
                tunnel.destinations[0].address = target
                tunnel.compression = .deflate
                change(&tunnel)
            }
        }

        private func target(_ server: TCPServer) -> TunnelAddress {
            .tcp(HostAddress(host: "127.0.0.1", port: UInt16(server.port)))
        }

        private func pair(
            _ target: TunnelAddress?, _ change: (inout GatewayConfiguration.Tunnel) -> Void = { _ in }
        ) async throws -> GatewayPair {
            let pair = try await GatewayPair(GatewayPair.Plan([tunnel(target, change)]))
            try await pair.waitUntilActive()
            return pair
        }

        /// Half text, half noise.
        private func mixture(_ count: Int, seed: UInt64) -> [UInt8] {
            var random = RandomSource(seed: seed)
            var bytes: [UInt8] = []
            while bytes.count < count {
                if random.chance(0.5) {
                    bytes += Array("valve=open pressure=\(random.below(9)) ".utf8)
                } else {
                    bytes += Pattern.bytes(100, seed: random.next())
                }
            }
            return Array(bytes.prefix(count))
        }

        private func bytesSent(_ gateway: Gateway) async throws -> UInt64 {
            try await gateway.status().peers.first?.bytesSent ?? 0
        }

        private func waitUntilNoneIsOpen(_ pair: GatewayPair) async throws {
            try await Polling.wait(until: "no connection to be open") {
                let (origin, destination) = try await (pair.originStatus(), pair.destinationStatus())
                return origin.openConnections == 0 && destination.openConnections == 0
            }
        }

        @Test func carriesEverythingBothWays() async throws {
            let server = try TCPServer()
            let pair = try await pair(target(server))
            #expect(try await pair.originStatus().compression == "deflate")
            #expect(try await pair.destinationStatus().compression == "deflate")
            let client = try await pair.connect()
            let target = try await server.accept()
            let (up, down) = (mixture(3_000_001, seed: 1), mixture(2_000_003, seed: 2))
            async let sentUp: Void = client.send(up)
            async let sentDown: Void = target.send(down)
            async let gotUp = target.receive(exactly: up.count)
            async let gotDown = client.receive(exactly: down.count)
            _ = try await (sentUp, sentDown)
            #expect(try await gotUp == up)
            #expect(try await gotDown == down)
            client.finish()
            #expect(try await target.receive() == .end)
            target.finish()
            #expect(try await client.receive() == .end)
            try await waitUntilNoneIsOpen(pair)
            // What applications see is counted.
            #expect(try await pair.originStatus().bytesToTarget == 3_000_001)
            #expect(try await pair.destinationStatus().bytesToTarget == 3_000_001)
            try await pair.stop()
        }

        /// Question and answer: nothing waits for more. And what is all alike goes as next to nothing.
        @Test func nothingWaitsAndFewerBytesGo() async throws {
            let server = try TCPServer()
            server.serveEcho()
            let pair = try await pair(target(server))
            let client = try await pair.connect()
            for round in 0..<50 {
                let question = Array("question \(round)".utf8)
                try await client.send(question)
                #expect(try await client.receive(exactly: question.count) == question)
            }
            let before = try await bytesSent(pair.edge)
            let zeros = [UInt8](repeating: 0, count: 4 << 20)
            async let sent: Void = client.send(zeros)
            #expect(try await client.receive(exactly: zeros.count) == zeros)
            try await sent
            #expect(try await bytesSent(pair.edge) - before < 1 << 20)
            client.close()
            try await waitUntilNoneIsOpen(pair)
            try await pair.stop()
        }

        /// A target that takes nothing stops what swells, and gets it all when it takes it.
        @Test func aSlowTargetGetsAllOfIt() async throws {
            let server = try TCPServer()
            let pair = try await pair(target(server))
            let client = try await pair.connect()
            let target = try await server.accept()
            let zeros = [UInt8](repeating: 0, count: 32 << 20)
            async let sent: Void = client.send(zeros)
            // The first bytes are there, and much more waits at the destination, compressed.
            var got = try await target.receive(exactly: 1).count
            while got < zeros.count, case .bytes(let part) = try await target.receive() {
                #expect(part.allSatisfy { $0 == 0 })
                got += part.count
            }
            try await sent
            #expect(got == zeros.count)
            client.finish()
            #expect(try await target.receive() == .end)
            target.close()
            try await waitUntilNoneIsOpen(pair)
            try await pair.stop()
        }

        @Test(arguments: [true, false])
        func worksWhereOneEndDoesNotWantIt(isOriginWilling: Bool) async throws {
            let server = try TCPServer()
            server.serveEcho()
            var plan = GatewayPair.Plan([tunnel(target(server)) { if !isOriginWilling { $0.compression = nil } }])
            plan.cloudTunnels = [tunnel(target(server)) { if isOriginWilling { $0.compression = nil } }]
            let pair = try await GatewayPair(plan)
            try await pair.waitUntilActive()
            #expect(try await pair.originStatus().compression == nil)
            let client = try await pair.connect()
            let bytes = mixture(100_000, seed: 3)
            async let sent: Void = client.send(bytes)
            #expect(try await client.receive(exactly: bytes.count) == bytes)
            try await sent
            try await pair.stop()
        }

        /// With all the rest: a rate, the PROXY protocol, a unix socket.
        @Test func goesWithOtherOptions() async throws {
            let server = try TCPServer()
            let path = directory.file("front.sock")
            let pair = try await pair(target(server)) { tunnel in
                tunnel.origins[0].address = .unix(path: path)
                tunnel.proxyProtocol = true
                tunnel.maximumRate = 80_000_000
            }
            let bytes = mixture(1_000_003, seed: 4)
            let client = try await TCPSocket.connect(toPath: path)
            async let sent: Void = client.send(bytes)
            let target = try await server.accept()
            let header = try await target.receive(exactly: 16)
            #expect(Array(header.suffix(4)) == [0x21, 0, 0, 0])
            #expect(try await target.receive(exactly: bytes.count) == bytes)
            try await sent
            client.close()
            #expect(try await target.receive() == .end)
            target.close()
            try await waitUntilNoneIsOpen(pair)
            try await pair.stop()
        }

        @Test func programsAtBothEndsSeeNothingOfIt() async throws {
            let plan = GatewayPair.Plan([
                GatewayPair.tunnel(target: nil, listen: nil) { $0.compression = .deflate }
            ])
            let pair = try await GatewayPair(plan)
            try await pair.cloud.serve("app") { stream in
                Task {
                    for try await bytes in stream.inbound { try await stream.write(bytes) }
                    stream.finish()
                }
            }
            try await pair.waitUntilActive()
            let stream = try await pair.edge.dial("app")
            let bytes = mixture(500_000, seed: 5)
            async let sent: Void = {
                try await stream.write(ByteBuffer(bytes: bytes))
                stream.finish()
            }()
            var got: [UInt8] = []
            for try await part in stream.inbound { got += Array(buffer: part) }
            try await sent
            #expect(got == bytes)
            try await pair.stop()
        }

        /// A hostile origin sends what is not compressed: the connection ends, the target gets nothing made up.
        @Test func whatIsNotCompressedEndsTheConnection() async throws {
            let server = try TCPServer()
            let pair = try await pair(target(server))
            let stream = try await pair.edge.onLoop { core in
                let tunnel = core.origins[0]
                var made: ProgramBridge?
                try tunnel.connect(head: StreamHead()) { channel, id, _, _ in
                    let bridge = ProgramBridge(channel: channel, id: id, usage: tunnel.usage, core: core)
                    made = bridge
                    return bridge
                }
                return made.map { TunnelStream(bridge: $0, gate: core.gate) }
            }
            try await stream?.write(ByteBuffer(bytes: [0x07, 0xff, 0xff, 0xff]))
            let target = try await server.accept()
            #expect(try await target.receive() == .failed(ECONNRESET))
            await #expect(throws: TunnelStreamError.self) { _ = try await stream?.read() }
            stream?.reset()
            try await waitUntilNoneIsOpen(pair)
            try await pair.stop()
        }
    }
}
