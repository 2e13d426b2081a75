import Glibc
import Testing

@testable import DXTunnel

extension GatewayTests {
    /// Resets, refusals and limits, as applications see them.
    @Suite struct TCPFailureTests {
        @Test func theTargetSeesTheClientsReset() async throws {
            let server = try TCPServer()
            let pair = try await GatewayPair(targetPort: server.port)
            let client = try await pair.connect()
            try await client.send([1, 2, 3])
            let target = try await server.accept()
            #expect(try await target.receive() == .bytes([1, 2, 3]))
            client.reset()
            #expect(try await target.receive() == .failed(ECONNRESET))
            try await pair.stop()
        }

        @Test func theClientSeesTheTargetsReset() async throws {
            let server = try TCPServer()
            let pair = try await GatewayPair(targetPort: server.port)
            let client = try await pair.connect()
            let target = try await server.accept()
            try await target.send([1, 2, 3])
            #expect(try await client.receive() == .bytes([1, 2, 3]))
            target.reset()
            #expect(try await client.receive() == .failed(ECONNRESET))
            try await pair.stop()
        }

        /// A reset after the other half has ended is still a reset.
        @Test func aResetAfterAFinishIsSeen() async throws {
            let server = try TCPServer()
            let pair = try await GatewayPair(targetPort: server.port)
            let client = try await pair.connect()
            let target = try await server.accept()
            target.finish()
            #expect(try await client.receive() == .end)
            try await client.send([1])
            #expect(try await target.receive() == .bytes([1]))
            client.reset()
            #expect(try await target.receive() == .failed(ECONNRESET))

            let second = try await pair.connect()
            let secondTarget = try await server.accept()
            second.finish()
            #expect(try await secondTarget.receive() == .end)
            secondTarget.reset()
            #expect(try await second.receive() == .failed(ECONNRESET))
            try await pair.stop()
        }

        @Test func aTargetThatRefusesIsAReset() async throws {
            let pair = try await GatewayPair(targetPort: try TCPServer.unusedPort())
            for _ in 0..<5 {
                let client = try await pair.connect()
                try? await client.send([1, 2, 3])
                #expect(try await client.receive() == .failed(ECONNRESET))
            }
            #expect(try await pair.destinationStatus().refusedConnections == 5)
            #expect(try await pair.destinationStatus().lastError?.contains("Connection refused") ?? false)
            try await Polling.wait(until: "no connection to be open") {
                let (origin, destination) = try await (pair.originStatus(), pair.destinationStatus())
                return origin.openConnections == 0 && destination.openConnections == 0
            }
            try await pair.stop()
        }

        /// A listener whose queue is full answers nothing.
        @Test func aTargetThatDoesNotAnswerIsAReset() async throws {
            let server = try TCPServer(backlog: 0)
            // The first one fills the queue: Linux keeps one more than the backlog says.
            let filler = try await TCPSocket.connect(to: server.port)
            var plan = GatewayPair.Plan([
                GatewayPair.tunnel(target: HostAddress(host: "127.0.0.1", port: UInt16(server.port)))
            ])
            plan.limits.connectTimeout = .seconds(1)
            let pair = try await GatewayPair(plan)
            try await pair.waitUntilActive()
            let client = try await pair.connect()
            #expect(try await client.receive() == .failed(ECONNRESET))
            #expect(try await pair.destinationStatus().lastError?.contains("no answer in time") ?? false)
            filler.close()
            try await pair.stop()
        }

        @Test func aTargetNameThatDoesNotExistIsAReset() async throws {
            let pair = try await GatewayPair(target: HostAddress(host: "nowhere.invalid", port: 1))
            let client = try await pair.connect()
            #expect(try await client.receive() == .failed(ECONNRESET))
            try await pair.stop()
        }

        /// The client goes while the target has not answered: the target, when it accepts, sees a reset, not silence.
        @Test func aClientThatGoesEarlyIsNotForgotten() async throws {
            let server = try TCPServer()
            let pair = try await GatewayPair(targetPort: server.port)
            let client = try await pair.connect()
            try await client.send([1])
            // Of one that goes before that the target hears nothing at all.
            try await Polling.wait(until: "the target to be connected to") {
                try await pair.destinationStatus().openConnections == 1
            }
            client.reset()
            let target = try await server.accept()
            let (_, last) = try await target.receiveAll()
            #expect(last == .failed(ECONNRESET))
            try await pair.stop()
        }

        @Test func oneConnectionTooManyIsReset() async throws {
            let server = try TCPServer()
            let pair = try await GatewayPair(target: HostAddress(host: "127.0.0.1", port: UInt16(server.port))) {
                $0.maximumConnections = 2
            }
            let first = try await pair.connect()
            let second = try await pair.connect()
            let firstTarget = try await server.accept()
            _ = try await server.accept()
            let third = try await pair.connect()
            #expect(try await third.receive() == .failed(ECONNRESET))
            #expect(try await pair.originStatus().refusedConnections == 1)
            // The others are unharmed, and a place becomes free.
            try await first.send([7])
            #expect(try await firstTarget.receive() == .bytes([7]))
            second.reset()
            try await Polling.wait(until: "a place to be free") {
                let (origin, destination) = try await (pair.originStatus(), pair.destinationStatus())
                return origin.openConnections == 1 && destination.openConnections == 1
            }
            let fourth = try await pair.connect()
            let fourthTarget = try await server.accept()
            try await fourth.send([8])
            #expect(try await fourthTarget.receive() == .bytes([8]))
            try await pair.stop()
        }

        /// The destination's own limit holds too: an origin is not trusted to keep it.
        @Test func theDestinationKeepsItsOwnLimit() async throws {
            let server = try TCPServer()
            let target = HostAddress(host: "127.0.0.1", port: UInt16(server.port))
            var plan = GatewayPair.Plan([GatewayPair.tunnel(target: target)])
            plan.cloudTunnels = [GatewayPair.tunnel(target: target) { $0.maximumConnections = 1 }]
            let pair = try await GatewayPair(plan)
            try await pair.waitUntilActive()
            let first = try await pair.connect()
            let firstTarget = try await server.accept()
            let second = try await pair.connect()
            #expect(try await second.receive() == .failed(ECONNRESET))
            #expect(try await pair.destinationStatus().refusedConnections == 1)
            try await first.send([7])
            #expect(try await firstTarget.receive() == .bytes([7]))
            try await pair.stop()
        }

        /// Both applications see a reset when the gateway between them goes in the middle.
        @Test(arguments: [true, false])
        func aGatewayThatStopsResetsBothEnds(stopsEdge: Bool) async throws {
            let server = try TCPServer()
            let pair = try await GatewayPair(targetPort: server.port)
            let client = try await pair.connect()
            let target = try await server.accept()
            let sending = Task { try await client.send(Pattern.bytes(100_000_000, seed: 9)) }
            _ = try await target.receive(exactly: 500_000)
            try await (stopsEdge ? pair.edgeRunner : pair.cloudRunner).stop()
            await #expect(throws: SocketFailure.self) { try await sending.value }
            let (_, last) = try await target.receiveAll()
            #expect(last == .failed(ECONNRESET))
            try await pair.stop()
        }
    }
}
