import DXStream
import Testing

@testable import DXTunnel

extension GatewayTests {
    /// Sessions are replaced under running connections, and nobody notices.
    @Suite struct RekeyTests {
        private func plan(_ server: TCPServer) -> GatewayPair.Plan {
            GatewayPair.Plan([
                GatewayPair.tunnel(target: HostAddress(host: "127.0.0.1", port: UInt16(server.port)))
            ])
        }

        /// Sends `count` bytes both ways on one connection and checks them.
        private func transfer(_ count: Int, through pair: GatewayPair, _ server: TCPServer, seed: UInt64) async throws {
            let (up, down) = (Pattern.bytes(count, seed: seed), Pattern.bytes(count, seed: seed + 1))
            let client = try await pair.connect()
            let target = try await server.accept()
            async let sentUp: Void = client.send(up)
            async let sentDown: Void = target.send(down)
            async let gotUp = target.receive(exactly: count)
            async let gotDown = client.receive(exactly: count)
            _ = try await (sentUp, sentDown)
            #expect(try await gotUp == up)
            #expect(try await gotDown == down)
            client.close()
        }

        @Test func byRecordsDuringATransfer() async throws {
            let server = try TCPServer()
            var plan = plan(server)
            // A record is a packet of up to 16 KiB: some 2,500 records, ACKs among them.
            plan.tuning.rekeyRecords = 100
            plan.tuning.rekeyCheckInterval = .milliseconds(5)
            let pair = try await GatewayPair(plan)
            try await pair.waitUntilActive()
            try await transfer(20_000_000, through: pair, server, seed: 1)
            let counts = try await pair.sessions()
            #expect(counts.allSatisfy { $0.established >= 4 }, "\(counts)")
            try await pair.waitUntilOneSession()
            #expect(try await pair.edge.status().drops["seal_failures"] == nil)
            try await pair.stop()
        }

        @Test func byAgeWhileIdle() async throws {
            let server = try TCPServer()
            var plan = plan(server)
            plan.tuning.rekeyInterval = .milliseconds(100)
            plan.tuning.rekeyCheckInterval = .milliseconds(20)
            let pair = try await GatewayPair(plan)
            try await pair.waitUntilActive()
            let client = try await pair.connect()
            let target = try await server.accept()
            // Of those that give way some are still answered: three probe timeouts each, which are long on a busy machine.
            let most = MessageChannel.maximumPaths + PeerLink.maximumBinding
            try await Polling.wait(until: "many sessions, one after the other") {
                let counts = try await pair.sessions()
                #expect(counts.allSatisfy { $0.registered <= most }, "\(counts)")
                return counts.allSatisfy { $0.established >= 2 * UInt64(most) }
            }
            try await client.send([1])
            #expect(try await target.receive() == .bytes([1]))
            try await target.send([2])
            #expect(try await client.receive() == .bytes([2]))
            try await pair.stop()
        }

        /// Both ends begin a successor at once, again and again, in the middle of a transfer.
        @Test func fromBothEndsAtOnce() async throws {
            let server = try TCPServer()
            let pair = try await GatewayPair(plan(server))
            try await pair.waitUntilActive()
            let moving = Task { try await transfer(8_000_000, through: pair, server, seed: 3) }
            for _ in 0..<10 {
                let before = try await pair.sessions()
                async let first: Void = pair.edge.onLoop { $0.peers[0].renew() }
                async let second: Void = pair.cloud.onLoop { $0.peers[0].renew() }
                _ = try await (first, second)
                try await Polling.wait(until: "both to be established") {
                    let counts = try await pair.sessions()
                    return zip(counts, before).allSatisfy { $0.established >= $1.established + 2 }
                }
                try await pair.waitUntilOneSession()
            }
            try await moving.value
            try await pair.stop()
        }
    }
}
