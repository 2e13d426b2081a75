import DXWire
import NIOConcurrencyHelpers
import Testing

@testable import DXTunnel

extension GatewayTests {
    /// A gateway is restarted without a break (`docs/restart.md`): open connections go on in the earlier start, new ones begin in the later
    /// one, and no client is refused.
    @Suite struct SuccessionTests {
        enum End: CaseIterable { case origin, destination }

        private func succeed(_ end: End, of pair: GatewayPair) async throws -> GatewayRunner.Predecessor {
            switch end {
            case .origin: try await pair.edgeRunner.succeed()
            case .destination: try await pair.cloudRunner.succeed()
            }
        }

        /// So long clients wait for the other gateway where none of them may be refused.
        private static let patience = Interval.seconds(120)

        private func echoPair(_ change: (inout GatewayTuning) -> Void = { _ in }) async throws -> (
            GatewayPair, TCPServer
        ) {
            let server = try TCPServer()
            server.serveEcho()
            var plan = GatewayPair.Plan([
                GatewayPair.tunnel(target: HostAddress(host: "127.0.0.1", port: UInt16(server.port)))
            ])
            change(&plan.tuning)
            let pair = try await GatewayPair(plan)
            try await pair.waitUntilActive()
            return (pair, server)
        }

        /// Sends and gets back, in steps that the caller knows of.
        private func echo(_ count: Int, seed: UInt64, on client: TCPSocket) async throws {
            let bytes = Pattern.bytes(count, seed: seed)
            async let sent: Void = client.send(bytes)
            let got = try await client.receive(exactly: count)
            try await sent
            #expect(got == bytes)
        }

        /// A transfer in both directions goes on across two restarts of either end, byte for byte.
        @Test(arguments: End.allCases, [1, 2]) func transfersGoOn(_ end: End, _ stripeCount: Int) async throws {
            let server = try TCPServer()
            server.serveEcho()
            var plan = GatewayPair.Plan([
                GatewayPair.tunnel(target: HostAddress(host: "127.0.0.1", port: UInt16(server.port)))
            ])
            plan.tuning.stripeCount = stripeCount
            plan.tuning.inheritedPatience = Self.patience
            let pair = try await GatewayPair(plan)
            try await pair.waitUntilActive()
            let client = try await pair.connect()
            try await echo(1_000, seed: 1, on: client)
            async let moving: Void = echo(6_000_000, seed: 2, on: client)
            let first = try await succeed(end, of: pair)
            // Over the successor, while the first one goes on.
            try await pair.waitUntilActive()
            let second = try await pair.connect()
            try await echo(100_000, seed: 3, on: second)
            let next = try await succeed(end, of: pair)
            try await pair.waitUntilActive()
            try await pair.echoThroughConnections(5)
            try await moving
            try await echo(100_000, seed: 4, on: client)
            try await echo(100_000, seed: 5, on: second)
            #expect(try await first.gateway.onLoop { $0.unfinishedCount } > 0)
            client.close()
            second.close()
            try await first.drain()
            try await next.drain()
            try await pair.echoThroughConnections(5)
            try await pair.stop()
        }

        /// One client after the other, and some at a time, while the gateway is restarted: none is refused, and none waits for long.
        @Test(arguments: End.allCases) func noClientIsRefused(_ end: End) async throws {
            let (pair, server) = try await echoPair { $0.inheritedPatience = Self.patience }
            let port = try await pair.originPort()
            let isOver = Flag()
            let clients = Task {
                try await withThrowingTaskGroup(of: Int.self) { group in
                    for worker in 0..<4 {
                        group.addTask {
                            var count = 0
                            while !isOver.isSet {
                                let client = try await TCPSocket.connect(to: port)
                                try await echo(2_000, seed: UInt64(worker * 10_000 + count), on: client)
                                client.close()
                                count += 1
                            }
                            return count
                        }
                    }
                    return try await group.reduce(0, +)
                }
            }
            for _ in 0..<3 {
                let old = try await succeed(end, of: pair)
                // It ends as soon as it may.
                try await old.drain()
            }
            isOver.set()
            #expect(try await clients.value > 0)
            #expect(try await pair.originStatus().refusedConnections == 0)
            try await pair.stop()
            server.close()
        }

        /// What a successor does not want of the listeners is closed, and clients that wait for a destination which never comes are refused.
        @Test func aSuccessorWithoutItsPeerRefuses() async throws {
            let (pair, server) = try await echoPair()
            let port = try await pair.originPort()
            try await pair.cloudRunner.stop()
            let old = try await pair.edgeRunner.succeed()
            try await Polling.wait(until: "clients to be refused") {
                guard let client = try? await TCPSocket.connect(to: port) else { return true }
                client.close()
                return false
            }
            try await old.drain()
            try await pair.edgeRunner.stop()
            server.close()
        }

        /// The listener is another one by now, at the same port: what is open goes on, and clients come as soon as the port is free.
        @Test func aListenerMayChange() async throws {
            let (pair, server) = try await echoPair {
                $0.inheritedPatience = .milliseconds(500)
                $0.groupUpkeepInterval = .milliseconds(100)
            }
            let port = try await pair.originPort()
            let client = try await pair.connect()
            try await echo(1_000, seed: 1, on: client)
            pair.edgeRunner.change { configuration in
                configuration.tunnels[0].origins[0].address = .tcp(
                    HostAddress(host: "", port: UInt16(port)), portCount: 1)
            }
            let old = try await pair.edgeRunner.succeed()
            try await echo(1_000, seed: 2, on: client)
            try await Polling.wait(until: "clients to be let in") {
                guard let next = try? await TCPSocket.connect(to: port) else { return false }
                defer { next.close() }
                try? await next.send([7])
                return await (try? next.receive()) == .bytes([7])
            }
            try await echo(1_000, seed: 3, on: client)
            client.close()
            try await old.drain()
            #expect(try await pair.originStatus().state == .active)
            try await pair.stop()
            server.close()
        }

        /// Who is no peer any more, for the successor, is none for the start before it either: what it has open there ends.
        @Test func whoIsNoPeerAnyMoreIsCutOff() async throws {
            let server = try TCPServer()
            server.serveEcho()
            var plan = GatewayPair.Plan([
                GatewayPair.tunnel(target: HostAddress(host: "127.0.0.1", port: UInt16(server.port)))
            ])
            plan.otherPeer = "other"
            // With fewer peers there would be fewer event loops.
            plan.limits.threads = 1
            let pair = try await GatewayPair(plan)
            try await pair.waitUntilActive()
            let client = try await pair.connect()
            try await echo(1_000, seed: 1, on: client)
            pair.cloudRunner.change { configuration in
                configuration.peers.removeAll { $0.name == "edge" }
                configuration.tunnels = []
            }
            let old = try await pair.cloudRunner.succeed()
            try await Polling.wait(until: "its connection to end") {
                try await old.gateway.onLoop { $0.unfinishedCount == 0 && $0.peers.allSatisfy { $0.name != "edge" } }
            }
            try await old.drain()
            client.close()
            try await pair.stop()
            server.close()
        }

        /// One end has sent all and has heard the end of the other; the other has not delivered all yet: it is still delivered.
        @Test(arguments: End.allCases) func whatIsStillToBeDeliveredIs(_ end: End) async throws {
            let server = try TCPServer()
            let pair = try await GatewayPair(
                GatewayPair.Plan([GatewayPair.tunnel(target: HostAddress(host: "127.0.0.1", port: UInt16(server.port)))]
                ))
            try await pair.waitUntilActive()
            let reply = Pattern.bytes(200_000, seed: 9)
            let client = try await pair.connect()
            let target = try await server.accept()
            try await client.send([1])
            #expect(try await target.receive() == .bytes([1]))
            client.finish()
            #expect(try await target.receive() == .end)
            try await target.send(reply)
            target.finish()
            let old = try await succeed(end, of: pair)
            async let drained: Void = old.drain()
            // Not before everything else that could end the channel has happened.
            try await pair.waitUntilActive()
            try await pair.echoOnce(to: server)
            #expect(try await client.receive(exactly: reply.count) == reply)
            #expect(try await client.receive() == .end)
            try await drained
            try await pair.stop()
            server.close()
        }

        /// A peer that is restarted again and again with connections open has its last starts' channels, and no more.
        @Test func startsThatAreTooManyAreLeft() async throws {
            let (pair, server) = try await echoPair()
            var held: [(GatewayRunner.Predecessor, TCPSocket)] = []
            for round in 0..<6 {
                let client = try await pair.connect()
                try await echo(1_000, seed: UInt64(round), on: client)
                held.append((try await pair.edgeRunner.succeed(), client))
                try await pair.waitUntilActive()
            }
            try await Polling.wait(until: "the oldest two to be left") {
                try await pair.cloud.onLoop { $0.peers[0].channels.count } == 5
            }
            // Nothing more comes, or a reset.
            let left = try await held[0].1.receive()
            if case .bytes = left { Issue.record("the oldest start's connection goes on") }
            for (_, client) in held[2...] { try await echo(1_000, seed: 9, on: client) }
            for (_, client) in held { client.close() }
            for (old, _) in held { try await old.drain() }
            try await pair.stop()
            server.close()
        }

        /// The successor has the sockets: without it nothing comes for the one before, which ends.
        @Test func endsWithItsSuccessor() async throws {
            let (pair, server) = try await echoPair()
            let client = try await pair.connect()
            try await echo(1_000, seed: 1, on: client)
            let old = try await pair.cloudRunner.succeed()
            try await pair.cloudRunner.stop()
            try await old.task.value
            // Its peer is told.
            #expect(try await client.receive() != .bytes([]))
            try await pair.edgeRunner.stop()
            server.close()
        }

        /// Whether something is over, for other tasks.
        private final class Flag: Sendable {
            private let value = NIOLockedValueBox(false)
            var isSet: Bool { value.withLockedValue { $0 } }
            func set() { value.withLockedValue { $0 = true } }
        }
    }
}
