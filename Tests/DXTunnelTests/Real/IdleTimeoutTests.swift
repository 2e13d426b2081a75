import DXTestFiles
import Glibc
import Testing

@testable import DXTunnel

extension GatewayTests {
    /// Connections without a byte end; where clients may come from. When they end exactly is shown on a clock of its own, in
    /// `IdleListTests`.
    @Suite struct IdleTimeoutTests {
        private func pair(
            _ server: TCPServer, _ change: @escaping (inout GatewayConfiguration.Tunnel) -> Void
        ) async throws -> GatewayPair {
            try await GatewayPair(target: HostAddress(host: "127.0.0.1", port: UInt16(server.port)), change: change)
        }

        @Test func anIdleConnectionIsResetAtBothEnds() async throws {
            let server = try TCPServer()
            let pair = try await pair(server) { $0.idleTimeout = .seconds(600) }
            let client = try await pair.connect()
            let target = try await server.accept()
            try await client.send([1])
            #expect(try await target.receive() == .bytes([1]))
            // Shorter from now on: a machine that stands still for a second must not end it before that.
            for gateway in [pair.edge, pair.cloud] {
                try await gateway.onLoop { core in
                    for usage in core.origins.map(\.usage) + core.destinations.map(\.usage) {
                        usage.idle.update(.seconds(1), on: core.eventLoop)
                    }
                }
            }
            #expect(try await client.receive() == .failed(ECONNRESET))
            #expect(try await target.receive() == .failed(ECONNRESET))
            #expect(try await pair.originStatus().idleTimeoutSeconds == 1)
            try await Polling.wait(until: "no connection to be open") {
                let (origin, destination) = try await (pair.originStatus(), pair.destinationStatus())
                return origin.openConnections == 0 && destination.openConnections == 0
            }
            try await pair.stop()
        }

        /// A byte now and then, either way, keeps it; so does half of it that has ended.
        @Test func aConnectionWithBytesStays() async throws {
            let server = try TCPServer()
            let pair = try await pair(server) { $0.idleTimeout = .seconds(600) }
            let client = try await pair.connect()
            let target = try await server.accept()
            func activity() async throws -> [Int64] {
                try await pair.edge.onLoop { core in
                    core.origins.map { $0.usage.idle.lastActivities.map(\.nanoseconds).max() ?? 0 }
                }
            }
            let before = try await activity()
            try await client.send([1])
            #expect(try await target.receive() == .bytes([1]))
            try await Polling.wait(until: "the byte to be noticed") { try await activity()[0] > before[0] }
            let between = try await activity()
            client.finish()
            #expect(try await target.receive() == .end)
            try await target.send([2])
            #expect(try await client.receive() == .bytes([2]))
            try await Polling.wait(until: "the other one to be noticed") { try await activity()[0] > between[0] }
            try await pair.stop()
        }

        @Test func aConnectionOfTheProgramEndsToo() async throws {
            let server = try TCPServer()
            let pair = try await pair(server) { $0.idleTimeout = .seconds(1) }
            let stream = try await pair.edge.dial("app")
            let target = try await server.accept()
            await #expect(throws: TunnelStreamError.self) { _ = try await stream.read() }
            #expect(try await target.receive() == .failed(ECONNRESET))
            try await pair.stop()
        }

        @Test(arguments: [(["127.0.0.0/8"], true), (["10.0.0.0/8", "2001:db8::/32"], false)])
        func onlyClientsOfTheAllowListAreLetIn(ranges: [String], isLetIn: Bool) async throws {
            let server = try TCPServer()
            server.serveEcho()
            let allowed = try ranges.map { try #require(AddressRange($0)) }
            let pair = try await pair(server) { $0.allowed = allowed }
            let client = try await pair.connect()
            try? await client.send([1])
            #expect(try await client.receive() == (isLetIn ? .bytes([1]) : .failed(ECONNRESET)))
            #expect(try await pair.originStatus().refusedConnections == (isLetIn ? 0 : 1))
            try await pair.stop()
        }
    }
}
