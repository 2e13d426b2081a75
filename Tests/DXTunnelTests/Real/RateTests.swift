import NIOCore
import Testing

@testable import DXTunnel

extension GatewayTests {
    /// A tunnel with a rate, through two gateways: everything arrives, and the limiter had a hand in it. That the rate is
    /// kept is shown on a clock of its own, in `RateTurnsTests` and `RateBucketTests`.
    @Suite struct RateTests {
        /// So slow that nothing but the first 16 KiB passes while a test runs.
        private static let crawl: UInt64 = 8_000

        /// Both ends with this rate, or only the origin's.
        private func pair(
            _ rate: UInt64, to server: TCPServer?, onlyAtOrigin: Bool = false
        ) async throws -> GatewayPair {
            let target = server.map { HostAddress(host: "127.0.0.1", port: UInt16($0.port)) }
            let listen = server.map { _ in HostAddress(host: "127.0.0.1", port: 0) }
            var plan = GatewayPair.Plan([
                GatewayPair.tunnel(target: target, listen: listen) { $0.maximumRate = rate }
            ])
            if onlyAtOrigin { plan.cloudTunnels = [GatewayPair.tunnel(target: target, listen: listen)] }
            let pair = try await GatewayPair(plan)
            try await pair.waitUntilActive()
            return pair
        }

        private func waitUntilNoneIsOpen(_ pair: GatewayPair) async throws {
            try await Polling.wait(until: "no connection to be open") {
                let (origin, destination) = try await (pair.originStatus(), pair.destinationStatus())
                return origin.openConnections == 0 && destination.openConnections == 0
            }
        }

        /// Waits until the origin has held bytes back more often than `count` times.
        private func waitUntilHeldBack(_ pair: GatewayPair, beyond count: UInt64 = 0) async throws {
            try await Polling.wait(until: "the rate to hold something back") {
                try await pair.originStatus().rateWaits ?? 0 > count
            }
        }

        @Test func carriesEverythingBothWays() async throws {
            let server = try TCPServer()
            // Far less than any machine carries.
            let pair = try await pair(8_000_000, to: server)
            let client = try await pair.connect()
            let target = try await server.accept()
            let (up, down) = (Pattern.bytes(400_001, seed: 1), Pattern.bytes(300_003, seed: 2))
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
            for status in [try await pair.originStatus(), try await pair.destinationStatus()] {
                #expect(status.rateBitsPerSecond == 8_000_000)
                #expect(status.rateWaits ?? 0 > 0)
                #expect(status.bytesToTarget == UInt64(up.count) && status.bytesToClient == UInt64(down.count))
            }
            try await pair.stop()
        }

        @Test func limitsOnlyTheEndThatSaysSo() async throws {
            let server = try TCPServer()
            let pair = try await pair(40_000_000, to: server, onlyAtOrigin: true)
            let client = try await pair.connect()
            let target = try await server.accept()
            let bytes = Pattern.bytes(3_000_000, seed: 3)
            async let sent: Void = target.send(bytes)
            #expect(try await client.receive(exactly: bytes.count) == bytes)
            try await sent
            #expect(try await pair.originStatus().rateWaits == 0)
            let destination = try await pair.destinationStatus()
            #expect(destination.rateBitsPerSecond == nil && destination.rateWaits == nil)
            #expect(destination.rateWaitMilliseconds == nil)
            try await pair.stop()
        }

        @Test func carriesManyConnectionsAtOnce() async throws {
            let server = try TCPServer()
            server.serveEcho()
            let pair = try await pair(100_000_000, to: server)
            try await pair.echoThroughConnections(100)
            try await waitUntilNoneIsOpen(pair)
            try await pair.stop()
        }

        /// FIN comes while most of the bytes wait: SwiftNIO then reads all that the kernel has. Nothing is lost, and FIN
        /// comes last; also when the other direction ended before, or ends meanwhile: then SwiftNIO closes the connection
        /// while bytes wait.
        @Test(arguments: ["before", "meanwhile", "after"])
        func aFINWaitsForWhatIsHeld(otherEnds: String) async throws {
            let server = try TCPServer()
            let pair = try await pair(10_000_000, to: server)
            let client = try await pair.connect()
            let target = try await server.accept()
            if otherEnds == "before" {
                target.finish()
                #expect(try await client.receive() == .end)
            }
            let bytes = Pattern.bytes(300_000, seed: 4)
            async let got = target.receiveAll()
            try await client.send(bytes)
            client.finish()
            if otherEnds == "meanwhile" { target.finish() }
            let (all, last) = try await got
            #expect(all == bytes && last == .end)
            target.close()
            if otherEnds != "before" { #expect(try await client.receive() == .end) }
            try await waitUntilNoneIsOpen(pair)
            try await pair.stop()
        }

        /// A connection that is reset while it waits goes at both ends, and the tunnel goes on.
        @Test func aResetDoesNotWait() async throws {
            let server = try TCPServer()
            let pair = try await pair(Self.crawl, to: server)
            let client = try await pair.connect()
            let target = try await server.accept()
            let sending = Task { try await client.send([UInt8](repeating: 1, count: 100_000)) }
            try await waitUntilHeldBack(pair)
            try await sending.value
            client.reset()
            guard case .failed = try await target.receiveAll().last else {
                Issue.record("the reset was taken for an end")
                return
            }
            // The target's end, while the client's bytes wait.
            let other = try await pair.connect()
            let otherTarget = try await server.accept()
            try await other.send([UInt8](repeating: 2, count: 100_000))
            otherTarget.reset()
            guard case .failed = try await other.receiveAll().last else {
                Issue.record("the reset was taken for an end")
                return
            }
            try await waitUntilNoneIsOpen(pair)
            try await pair.stop()
        }

        /// The channel ends while a connection waits: it is reset, as any other.
        @Test func theChannelMayEndMeanwhile() async throws {
            let server = try TCPServer()
            let pair = try await pair(Self.crawl, to: server)
            let client = try await pair.connect()
            try await client.send([UInt8](repeating: 1, count: 100_000))
            try await waitUntilHeldBack(pair)
            try await pair.cloudRunner.stop()
            guard case .failed = try await client.receiveAll().last else {
                Issue.record("the reset was taken for an end")
                return
            }
            try await Polling.wait(until: "no connection to be open") {
                try await pair.originStatus().openConnections == 0
            }
            try await pair.stop()
        }

        /// Stopping a gateway whose connections wait lets go of everything: the port, and the limiter with its timer.
        @Test func stoppingLeavesNothing() async throws {
            let server = try TCPServer()
            let pair = try await pair(Self.crawl, to: server)
            let clients = [try await pair.connect(), try await pair.connect()]
            for client in clients { try await client.send([UInt8](repeating: 1, count: 100_000)) }
            try await waitUntilHeldBack(pair)
            try await pair.stop()
            for client in clients {
                guard case .failed = try await client.receiveAll().last else {
                    Issue.record("the reset was taken for an end")
                    return
                }
            }
        }

        // MARK: The embedding program

        @Test func writesOfAProgramWait() async throws {
            let pair = try await pair(80_000_000, to: nil)
            let accepted = AcceptedStreams()
            try await pair.cloud.serve("app") { accepted.append($0) }
            let stream = try await pair.edge.dial("app")
            let other = try await accepted.next()
            let bytes = ByteBuffer(bytes: Pattern.bytes(1_000_000, seed: 5))
            async let written: Void = stream.write(bytes)
            var all = ByteBuffer()
            while all.readableBytes < bytes.readableBytes, let part = try await other.read() {
                all.writeImmutableBuffer(part)
            }
            try await written
            #expect(all == bytes)
            #expect(try await pair.originStatus().rateWaits ?? 0 > 0)
            try await pair.stop()
        }

        /// `finish` comes after a write that waits; a reset does not wait.
        @Test func endsOfAProgramStream() async throws {
            let pair = try await pair(Self.crawl, to: nil)
            let accepted = AcceptedStreams()
            try await pair.cloud.serve("app") { accepted.append($0) }
            let stream = try await pair.edge.dial("app")
            let other = try await accepted.next()
            // More than the burst by one piece: a second and a half.
            let bytes = ByteBuffer(bytes: Pattern.bytes(16_384 + 1_500, seed: 6))
            let writing = Task { try await stream.write(bytes) }
            try await waitUntilHeldBack(pair)
            stream.finish()
            var all = ByteBuffer()
            for try await part in other.inbound { all.writeImmutableBuffer(part) }
            try await writing.value
            #expect(all == bytes)

            let second = try await pair.edge.dial("app")
            let secondOther = try await accepted.next()
            let waits = try await pair.originStatus().rateWaits ?? 0
            let waiting = Task { try await second.write(ByteBuffer(repeating: 1, count: 50_000)) }
            try await waitUntilHeldBack(pair, beyond: waits)
            second.reset()
            await #expect(throws: TunnelStreamError.reset(.aborted)) { try await waiting.value }
            await #expect(throws: TunnelStreamError.reset(.aborted)) { try await secondOther.read() }
            try await pair.stop()
        }
    }
}
