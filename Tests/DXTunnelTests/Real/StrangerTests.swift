import DXSecure
import DXWire
import Testing

@testable import DXTunnel

extension GatewayTests {
    /// Datagrams of those who are not allowed: nothing comes back, a counter moves, and the tunnel works on.
    @Suite struct StrangerTests {
        /// A pair over a forwarder that has captured everything since the first HELLO, with some traffic.
        private func capturedPair(_ server: TCPServer) async throws -> GatewayPair {
            var plan = GatewayPair.Plan([
                GatewayPair.tunnel(target: HostAddress(host: "127.0.0.1", port: UInt16(server.port)))
            ])
            plan.isForwarded = true
            plan.isCaptured = true
            let pair = try await GatewayPair(plan)
            try await pair.waitUntilActive()
            try await echo(through: pair, seed: 1)
            return pair
        }

        private func echo(through pair: GatewayPair, seed: UInt64) async throws {
            let bytes = Pattern.bytes(50_000, seed: seed)
            let client = try await pair.connect()
            async let sent: Void = client.send(bytes)
            #expect(try await client.receive(exactly: bytes.count) == bytes)
            try await sent
        }

        /// The sum of the gateway's drop counters, by the words that their names begin with.
        private func drops(_ gateway: Gateway, _ prefix: String) async throws -> UInt64 {
            try await gateway.status().drops.reduce(0) { $0 + ($1.key.hasPrefix(prefix) ? $1.value : 0) }
        }

        /// Sends datagrams to `cloud`, a few at a time so that the kernel's queue takes them, and waits until all are
        /// dropped and counted.
        private func send(
            _ datagrams: [[UInt8]], from stranger: UDPSocket, to pair: GatewayPair, countedBy prefix: String
        ) async throws {
            let port = Int(pair.cloudRunner.address.port)
            var expected = try await drops(pair.cloud, prefix)
            for start in stride(from: 0, to: datagrams.count, by: 64) {
                let batch = datagrams[start..<min(start + 64, datagrams.count)]
                for datagram in batch { stranger.send(datagram, to: port) }
                expected += UInt64(batch.count)
                try await Polling.wait(until: "\(prefix) to reach \(expected)") {
                    try await drops(pair.cloud, prefix) >= expected
                }
            }
        }

        /// Nothing was sent to the stranger: whatever there was to send has gone out before the counters were asked for.
        private func expectSilence(_ stranger: UDPSocket) {
            let answer = stranger.receiveNow()
            #expect(answer == nil, "\(answer?.bytes.count ?? 0) bytes")
        }

        @Test func noiseAndScannersGetNoAnswer() async throws {
            let server = try TCPServer()
            server.serveEcho()
            let pair = try await GatewayPair(targetPort: server.port)
            let stranger = try UDPSocket()
            var random = RandomSource(seed: 11)
            var datagrams = (0..<1_500).map { _ in
                Pattern.bytes(1 + Int(random.below(1_400)), seed: random.next())
            }
            // The first bytes of what is asked of open ports: STUN, a bare ClientHello, QUIC, DNS, SNMP, WireGuard.
            datagrams.append([0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xa4, 0x42] + Pattern.bytes(12, seed: 1))
            datagrams.append(
                [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100, 1, 0, 0, 88, 0, 0, 0, 0, 0, 0, 0, 88, 254, 253]
                    + Pattern.bytes(86, seed: 2))
            datagrams.append([0xc3, 0, 0, 0, 1, 8] + Pattern.bytes(1_194, seed: 3))
            datagrams.append([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 7] + Array("version".utf8))
            datagrams.append([0x30, 0x29, 2, 1, 1, 4, 6] + Array("public".utf8))
            datagrams.append([1, 0, 0, 0] + Pattern.bytes(144, seed: 4))
            datagrams += (1...60).map { [UInt8](repeating: 0, count: $0) }
            try await send(datagrams, from: stranger, to: pair, countedBy: "veil_not_veiled")
            // An empty datagram is not worth a counter.
            stranger.send([], to: Int(pair.cloudRunner.address.port))
            try await echo(through: pair, seed: 2)
            expectSilence(stranger)
            try await pair.stop()
        }

        @Test func replayedDatagramsGetNoAnswer() async throws {
            let server = try TCPServer()
            server.serveEcho()
            let pair = try await capturedPair(server)
            let captured = pair.forwarder?.captured ?? []
            #expect(captured.count > 10)
            let stranger = try UDPSocket()
            let (veiled, sessions) = (try await drops(pair.cloud, "veil_"), try await drops(pair.cloud, "session_"))
            let port = Int(pair.cloudRunner.address.port)
            for datagram in captured { stranger.send(datagram, to: port) }
            try await Polling.wait(until: "all to be dropped") {
                let now = try await (drops(pair.cloud, "veil_"), drops(pair.cloud, "session_"))
                return now.0 - veiled + now.1 - sessions >= UInt64(captured.count)
            }
            #expect(try await drops(pair.cloud, "veil_repeated_nonce") > 0)
            #expect(try await drops(pair.cloud, "session_replayed") > 0)
            try await echo(through: pair, seed: 2)
            expectSilence(stranger)
            // The session did not move to the stranger.
            let remote = try await pair.cloud.status().peers[0].remoteAddress
            #expect(remote == "127.0.0.1:\(pair.forwarder?.outsidePort ?? 0)")
            try await pair.stop()
        }

        /// A live connection id with a bad tag, from elsewhere.
        @Test func changedSessionDataGetsNoAnswer() async throws {
            let server = try TCPServer()
            server.serveEcho()
            let pair = try await capturedPair(server)
            let counts = try await pair.cloud.onLoop { core in
                core.peers[0].channel?.sessions.map { $0.session.receiveID.rawValue } ?? []
            }
            let captured = (pair.forwarder?.captured ?? []).filter { datagram in
                counts.contains(datagram.prefix(8).reduce(0) { $0 << 8 | UInt64($1) })
            }
            #expect(captured.count > 10)
            var random = RandomSource(seed: 12)
            let changed = captured.prefix(200).map { datagram in
                var datagram = datagram
                // A number that was not used yet, so that the tag is looked at; then a changed bit behind it.
                datagram[8] = 0x40
                datagram[14 + Int(random.below(UInt64(datagram.count - 14)))] ^= 1
                return datagram
            }
            let cut = captured.prefix(50).map { Array($0.prefix(9 + Int(random.below(30)))) }
            let stranger = try UDPSocket()
            try await send(changed + cut, from: stranger, to: pair, countedBy: "session_")
            #expect(try await drops(pair.cloud, "session_rejected") >= UInt64(changed.count))
            try await echo(through: pair, seed: 2)
            expectSilence(stranger)
            #expect(try await pair.cloud.status().peers[0].state == .connected)
            try await pair.stop()
        }

        /// After a restart the nonces are forgotten: a replayed first flight may draw one CHALLENGE, smaller than itself,
        /// and nothing else.
        @Test func firstFlightsReplayedAfterARestartDrawOneChallengeAtMost() async throws {
            let server = try TCPServer()
            server.serveEcho()
            let pair = try await capturedPair(server)
            let captured = pair.forwarder?.captured ?? []
            try await pair.edgeRunner.stop()
            try await pair.cloudRunner.stop()
            try await pair.cloudRunner.start()
            let stranger = try UDPSocket()
            let port = Int(pair.cloudRunner.address.port)
            // 143 bytes are a HELLO (docs/wire-format.md §3.2).
            let hellos = captured.filter { $0.count == 143 }
            #expect(!hellos.isEmpty)
            for datagram in captured + captured { stranger.send(datagram, to: port) }
            try await Polling.wait(until: "all but the first HELLOs to be dropped") {
                try await drops(pair.cloud, "veil_") >= UInt64(2 * captured.count - hellos.count)
            }
            var answers = 0
            while let answer = stranger.receiveNow() {
                answers += 1
                #expect(answer.bytes.count == 78)
            }
            #expect(answers <= hellos.count)
            #expect(try await pair.cloud.status().peers[0].state != .connected)
            try await pair.edgeRunner.start()
            try await pair.waitUntilActive()
            try await echo(through: pair, seed: 2)
            try await pair.stop()
        }
    }
}
