import Glibc
import Testing

@testable import DXTunnel

extension GatewayTests {
    /// Gateways that go and come back.
    @Suite struct RecoveryTests {
        private func echo(through pair: GatewayPair, seed: UInt64) async throws {
            let bytes = Pattern.bytes(10_000, seed: seed)
            let client = try await pair.connect()
            async let sent: Void = client.send(bytes)
            async let got = client.receive(exactly: bytes.count)
            try await sent
            #expect(try await got == bytes)
            client.close()
        }

        @Test func comesBackAfterTheDestinationRestarted() async throws {
            let server = try TCPServer()
            server.serveEcho()
            let pair = try await GatewayPair(targetPort: server.port)
            try await echo(through: pair, seed: 1)
            for round in 0..<2 as Range<UInt64> {
                try await pair.cloudRunner.stop()
                try await pair.waitUntilRefused()
                try await pair.cloudRunner.start()
                try await pair.waitUntilActive()
                try await echo(through: pair, seed: 2 + round)
            }
            try await pair.stop()
        }

        @Test func comesBackAfterTheOriginRestarted() async throws {
            let server = try TCPServer()
            server.serveEcho()
            let pair = try await GatewayPair(targetPort: server.port)
            try await echo(through: pair, seed: 1)
            try await pair.edgeRunner.stop()
            try await Polling.wait(until: "the destination to notice") {
                try await pair.cloud.status().peers[0].state != .connected
            }
            try await pair.edgeRunner.start()
            try await pair.waitUntilActive()
            try await echo(through: pair, seed: 2)
            try await pair.stop()
        }

        /// The origin is there first, and nobody answers: clients are refused. Then the destination starts.
        @Test func findsADestinationThatStartsLater() async throws {
            let server = try TCPServer()
            server.serveEcho()
            let pair = try await GatewayPair(targetPort: server.port)
            try await pair.edgeRunner.stop()
            try await pair.cloudRunner.stop()
            try await pair.edgeRunner.start()
            try await pair.waitUntilRefused()
            try await pair.cloudRunner.start()
            try await pair.waitUntilActive()
            try await echo(through: pair, seed: 1)
            try await pair.stop()
        }

        /// A peer that vanishes without a word, as after `kill -9`, is given up; its clients see a reset, new ones are
        /// refused; and it is found again.
        @Test func noticesAPeerThatVanished() async throws {
            let server = try TCPServer()
            server.serveEcho()
            var plan = GatewayPair.Plan([
                GatewayPair.tunnel(target: HostAddress(host: "127.0.0.1", port: UInt16(server.port)))
            ])
            plan.isForwarded = true
            plan.tuning.handshakeTimeout = .seconds(1)
            let pair = try await GatewayPair(plan)
            try await pair.waitUntilActive()
            try await echo(through: pair, seed: 1)
            let client = try await pair.connect()
            try await client.send([1])
            #expect(try await client.receive() == .bytes([1]))
            pair.forwarder?.cut(true)
            // Something must be asked for the silence to be noticed.
            try await client.send([2])
            try await pair.waitUntilRefused()
            pair.forwarder?.cut(false)
            // The connection that was open waited.
            #expect(try await client.receive() == .bytes([2]))
            try await pair.waitUntilActive()
            try await echo(through: pair, seed: 2)
            try await pair.stop()
        }

        /// Silence for the idle timeout ends the channel, and open connections with it.
        @Test func givesAPeerUpThatStaysAway() async throws {
            let server = try TCPServer()
            server.serveEcho()
            var plan = GatewayPair.Plan([
                GatewayPair.tunnel(target: HostAddress(host: "127.0.0.1", port: UInt16(server.port)))
            ])
            plan.isForwarded = true
            plan.tuning.handshakeTimeout = .seconds(1)
            // Also before the cut and after it a machine may stand still for a while.
            plan.tuning.idleTimeout = .seconds(8)
            let pair = try await GatewayPair(plan)
            try await pair.waitUntilActive()
            let client = try await pair.connect()
            try await client.send([1])
            #expect(try await client.receive() == .bytes([1]))
            pair.forwarder?.cut(true)
            try await client.send([2])
            #expect(try await client.receive() == .failed(ECONNRESET))
            try await pair.waitUntilRefused()
            #expect(try await pair.edge.status().peers[0].state != .connected)
            pair.forwarder?.cut(false)
            try await pair.waitUntilActive()
            try await echo(through: pair, seed: 4)
            try await pair.stop()
        }

        /// A short cut harms nothing: the connection goes on.
        @Test func aShortCutIsOnlyAPause() async throws {
            let server = try TCPServer()
            server.serveEcho()
            var plan = GatewayPair.Plan([
                GatewayPair.tunnel(target: HostAddress(host: "127.0.0.1", port: UInt16(server.port)))
            ])
            plan.isForwarded = true
            let pair = try await GatewayPair(plan)
            try await pair.waitUntilActive()
            let client = try await pair.connect()
            let bytes = Pattern.bytes(3_000_000, seed: 3)
            try await client.send(Array(bytes[..<500_000]))
            var got = try await client.receive(exactly: 500_000)
            pair.forwarder?.cut(true)
            async let sent: Void = client.send(Array(bytes[500_000...]))
            // Long enough for the path to be suspect: a probe has gone unanswered.
            try await Polling.wait(until: "probe timeouts") {
                let peer = try await pair.edge.status().peers[0]
                return peer.counters["probe_timeouts", default: 0] >= 2
            }
            pair.forwarder?.cut(false)
            got += try await client.receive(exactly: bytes.count - got.count)
            try await sent
            #expect(got == bytes)
            try await pair.stop()
        }
    }
}
