import Testing

@testable import DXTunnel

extension GatewayTests {
    /// Bytes and ends of TCP connections through two gateways.
    @Suite struct TCPTransferTests {
        @Test func carriesMegabytesBothWaysAtOnce() async throws {
            let server = try TCPServer()
            let pair = try await GatewayPair(targetPort: server.port)
            let client = try await pair.connect()
            let target = try await server.accept()
            let (up, down) = (Pattern.bytes(6_000_001, seed: 1), Pattern.bytes(5_000_003, seed: 2))
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
            try await Polling.wait(until: "the connection to end at both gateways") {
                let (origin, destination) = try await (pair.originStatus(), pair.destinationStatus())
                return origin.openConnections == 0 && destination.openConnections == 0
            }
            let (origin, destination) = try await (pair.originStatus(), pair.destinationStatus())
            #expect(origin.bytesToTarget == UInt64(up.count) && origin.bytesToClient == UInt64(down.count))
            #expect(destination.bytesToTarget == UInt64(up.count) && destination.bytesToClient == UInt64(down.count))
            #expect(origin.totalConnections == 1 && destination.totalConnections == 1)
            try await pair.stop()
        }

        /// As `nc -N`: the client ends its half at once, the answer comes after that.
        @Test func answersAHalfClosedClient() async throws {
            let server = try TCPServer()
            let pair = try await GatewayPair(targetPort: server.port)
            let (question, answer) = (Pattern.bytes(70_000, seed: 3), Pattern.bytes(1_000_000, seed: 4))
            let client = try await pair.connect()
            async let sent: Void = client.send(question)
            let target = try await server.accept()
            try await sent
            client.finish()
            let asked = try await target.receiveAll()
            #expect(asked.bytes == question && asked.last == .end)
            try await target.send(answer)
            target.close()
            let got = try await client.receiveAll()
            #expect(got.bytes == answer && got.last == .end)
            try await pair.stop()
        }

        /// The answer's last bytes wait in the gateway for a slow client that has ended its half long before: NIO's
        /// half-close of a channel whose input has ended is a full close, which would throw them away.
        @Test func losesNothingOfAnAnswerToASlowHalfClosedClient() async throws {
            let server = try TCPServer()
            let pair = try await GatewayPair(targetPort: server.port)
            let answer = Pattern.bytes(4_000_000, seed: 5)
            let client = try await TCPSocket.connect(to: try await pair.originPort(), receiveBuffer: 4_096)
            let target = try await server.accept()
            client.finish()
            #expect(try await target.receive() == .end)
            async let got = client.receiveAll()
            try await target.send(answer)
            target.close()
            let (bytes, last) = try await got
            #expect(last == .end)
            #expect(bytes == answer)
            try await pair.stop()
        }

        /// The target ends its half first and then still takes what the client sends, up to the client's FIN.
        @Test func carriesBytesToATargetThatHasFinished() async throws {
            let server = try TCPServer()
            let pair = try await GatewayPair(targetPort: server.port)
            let client = try await pair.connect()
            let target = try await server.accept()
            target.finish()
            #expect(try await client.receive() == .end)
            let late = Pattern.bytes(3_000_000, seed: 6)
            async let got = target.receiveAll()
            try await client.send(late)
            client.close()
            let (bytes, last) = try await got
            #expect(last == .end)
            #expect(bytes == late)
            try await pair.stop()
        }

        /// The target sits in the backlog and is accepted late.
        @Test func keepsEarlyBytesForALateTarget() async throws {
            let server = try TCPServer()
            let pair = try await GatewayPair(targetPort: server.port)
            let early = Pattern.bytes(200_000, seed: 7)
            let client = try await pair.connect()
            try await client.send(early)
            client.finish()
            try await Polling.wait(until: "the bytes to be taken") {
                try await pair.originStatus().bytesToTarget == UInt64(early.count)
            }
            let target = try await server.accept()
            let got = try await target.receiveAll()
            #expect(got.bytes == early && got.last == .end)
            try await pair.stop()
        }

        @Test func carriesTwoHundredConnectionsAtOnce() async throws {
            let server = try TCPServer()
            server.serveEcho()
            let pair = try await GatewayPair(targetPort: server.port)
            try await pair.echoThroughConnections(200)
            let status = try await pair.originStatus()
            #expect(status.totalConnections == 200 && status.refusedConnections == 0)
            try await pair.stop()
        }

        /// A client that does not read stops its own connection and nothing else, and what waits for it is bounded.
        @Test func aSlowReaderStopsNobodyElse() async throws {
            let server = try TCPServer()
            var plan = GatewayPair.Plan([
                GatewayPair.tunnel(target: HostAddress(host: "127.0.0.1", port: UInt16(server.port)))
            ])
            plan.limits.memoryBytes = 8 << 20
            let pair = try await GatewayPair(plan)
            try await pair.waitUntilActive()
            let port = try await pair.originPort()
            let slow = try await TCPSocket.connect(to: port, receiveBuffer: 4_096)
            let slowTarget = try await server.accept()
            let all = Pattern.bytes(40_000_000, seed: 8)
            let sending = Task { try await slowTarget.send(all) }
            let fast = try await TCPSocket.connect(to: port)
            let fastTarget = try await server.accept()
            var largest = 0
            for round in 0..<8 as Range<UInt64> {
                let bytes = Pattern.bytes(1_000_000, seed: 200 + round)
                async let sent: Void = fastTarget.send(bytes)
                async let got = fast.receive(exactly: bytes.count)
                try await sent
                #expect(try await got == bytes)
                for gateway in [pair.edge, pair.cloud] {
                    largest = max(largest, try await gateway.status().memory.usedBytes)
                }
            }
            #expect(largest > 0 && largest <= 8 << 20)
            // All of the slow one's bytes cannot have been taken.
            #expect(try await pair.destinationStatus().bytesToClient < 40_000_000)
            let begun = try await slow.receive(exactly: 100_000)
            #expect(begun == Array(all.prefix(100_000)))
            slow.reset()
            await #expect(throws: SocketFailure.self) { try await sending.value }
            try await pair.stop()
        }
    }
}
