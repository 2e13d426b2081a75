import DXTestFiles
import DXWire
import Glibc
import NIOCore
import Testing

@testable import DXTunnel

extension GatewayTests {
    /// What a gateway does at its limits of memory and file descriptors, as applications and operators see it.
    @Suite struct LimitTests {
        private static let pieceByteCount = 30_000

        /// A pair that may hold `ceiling` bytes, whose destination is the program.
        private func pair(ceiling: Int, isOnlyAtOrigin: Bool = false) async throws -> (
            pair: GatewayPair, accepted: AcceptedStreams
        ) {
            var plan = GatewayPair.Plan([GatewayPair.tunnel(target: nil)])
            plan.edgeTuning = plan.tuning
            plan.edgeTuning?.memoryCeiling = ceiling
            if !isOnlyAtOrigin { plan.tuning.memoryCeiling = ceiling }
            let pair = try await GatewayPair(plan)
            try await pair.waitUntilActive()
            let accepted = AcceptedStreams()
            try await pair.cloud.serve("app") { accepted.append($0) }
            return (pair, accepted)
        }

        /// Waits until a client's connection ends, which must be by a reset.
        private func expectReset(_ client: TCPSocket) async throws {
            guard case .failed(ECONNRESET) = try await client.receiveAll().last else {
                Issue.record("the connection was not reset")
                return
            }
        }

        /// Connections whose target does not read fill the destination's memory: further ones are refused, for a reason that both
        /// ends know; those that are open have every byte, and when they are read all is as before.
        @Test func aFullMemoryRefusesNewConnections() async throws {
            let (pair, accepted) = try await pair(ceiling: 1 << 20)
            var clients: [TCPSocket] = []
            var streams: [TunnelStream] = []
            var held = 0
            while held < (1 << 20) / 8 * 7 {
                // On a busy machine the origin may still hold what is on its way.
                try await Polling.wait(until: "the origin to have room") {
                    try await pair.edge.status().memory.state != .full
                }
                let client = try await pair.connect()
                let bytes = Pattern.bytes(Self.pieceByteCount, seed: UInt64(clients.count))
                try await client.send(bytes)
                streams.append(try await accepted.next())
                clients.append(client)
                let before = held
                held = try await Polling.wait(for: "the bytes to be held") {
                    let used = try await pair.cloud.status().memory.usedBytes
                    return used >= before + Self.pieceByteCount ? used : nil
                }
            }
            // The level is known a moment after the bytes are there.
            try await Polling.wait(until: "it to be full") { try await pair.cloud.status().memory.state == .full }
            let refused = try await pair.connect()
            try await expectReset(refused)
            let cloud = try await pair.cloud.status()
            #expect(!cloud.isHealthy && cloud.problems.contains { $0.hasPrefix("memory is full") }, "\(cloud.problems)")
            #expect(cloud.memory.refusedConnections ?? 0 >= 1)
            #expect(cloud.tunnels[0].lastError?.hasPrefix("memory is full") ?? false)
            let record = try await Polling.wait(for: "the record of the refusal") {
                try await pair.edge.auditRecords()?.last { $0.end == .refused }
            }
            #expect(record.reason == "by the other gateway: limit")
            let there = try await pair.cloud.auditRecords()?.last { $0.end == .refused }
            #expect(there?.reason?.hasPrefix("memory is full") ?? false)

            for (index, stream) in streams.enumerated() {
                var got: [UInt8] = []
                while got.count < Self.pieceByteCount, let bytes = try await stream.read() {
                    got.append(contentsOf: bytes.readableBytesView)
                }
                #expect(got == Pattern.bytes(Self.pieceByteCount, seed: UInt64(index)), "connection \(index)")
            }
            try await Polling.wait(until: "there to be plenty") {
                try await pair.cloud.status().memory.state == .plenty
            }
            #expect(try await pair.cloud.status().isHealthy)
            let late = try await pair.connect()
            try await late.send([1, 2, 3])
            let stream = try await accepted.next()
            #expect(try await stream.read().map { Array($0.readableBytesView) } == [1, 2, 3])
            try await pair.stop()
        }

        /// What clients send and the destination does not take fills the origin's memory: it refuses by itself.
        @Test func anOriginThatIsFullRefuses() async throws {
            let (pair, accepted) = try await pair(ceiling: 1 << 20, isOnlyAtOrigin: true)
            // More than the memory has room for, however much each has in the kernel's buffers.
            var senders: [Task<Void, any Error>] = []
            for _ in 0..<40 {
                guard let client = try? await pair.connect() else { break }
                senders.append(
                    Task {
                        // Until it is reset: nobody reads.
                        let bytes = Pattern.bytes(100_000, seed: 1)
                        while true { try await client.send(bytes) }
                    })
            }
            try await Polling.wait(until: "it to be full") { try await pair.edge.status().memory.state == .full }
            try await expectReset(try await pair.connect())
            let edge = try await pair.edge.status()
            #expect(edge.tunnels[0].lastError?.contains("memory") ?? false, "\(edge.tunnels[0].lastError ?? "nothing")")
            try await pair.stop()
            for sender in senders { _ = await sender.result }
            _ = accepted
        }

        /// Memory is short from now on, and of these peers their part is held, until status is asked for, which measures it.
        private static func shorten(_ core: GatewayCore, heldOf names: [String]) {
            _ = core.memory.budget.update(used: core.memory.budget.limit / 2)
            core.memory.nextLook = core.currentTime() + .seconds(3_600)
            for peer in core.peers {
                peer.channel?.heldByteCount = names.contains(peer.name) ? core.memory.budget.part : 0
            }
        }

        /// Of several destinations one that holds its part is left out; when all do, the client is refused.
        @Test func aPeerThatHoldsItsPartIsNotChosen() async throws {
            let targets = [try NamedTarget(), try NamedTarget()]
            let trio = try await GatewayTrio(targets: targets.map(\.port))
            let port = try await trio.port()
            for (held, answer) in [([], 0), (["a"], 1)] {
                try await trio.edge.onLoop { Self.shorten($0, heldOf: held) }
                #expect(try await GatewayTrio.whoAnswers(at: port) == targets[answer].port)
            }
            try await trio.edge.onLoop { Self.shorten($0, heldOf: ["a", "b"]) }
            try await expectReset(try await TCPSocket.connect(to: port))
            let status = try await trio.edge.status()
            #expect(status.memory.refusedConnections == 1)
            #expect(status.tunnels[0].lastError?.contains("memory is short") ?? false)
            try await trio.stop()
        }

        /// No flow begins to a peer that holds its part; those that there are go on.
        @Test func aPeerThatHoldsItsPartGetsNoFlow() async throws {
            let target = try UDPEcho()
            let pair = try await GatewayPair(target: HostAddress(host: "127.0.0.1", port: UInt16(target.port))) {
                $0.networkProtocol = .udp
            }
            let port = try await pair.originPort()
            let (first, second) = (try UDPSocket(), try UDPSocket())
            try await first.ask(Pattern.bytes(100, seed: 1), at: port)
            try await pair.edge.onLoop { Self.shorten($0, heldOf: ["cloud"]) }
            second.send(Pattern.bytes(100, seed: 2), to: port)
            try await Polling.wait(until: "the datagram to be dropped") {
                try await pair.edge.onLoop { $0.origins[0].udp?.drops[.limit] == 1 }
            }
            try await first.ask(Pattern.bytes(100, seed: 3), at: port)
            let status = try await pair.edge.status()
            #expect(status.tunnels[0].lastError?.contains("memory is short") ?? false)
            #expect(status.memory.refusedConnections == 1 && status.tunnels[0].openConnections == 1)
            try await pair.stop()
            target.stop()
        }

        /// Memory is asked first: no flow gives its place to one for which there is none.
        @Test func memoryIsAskedBeforeConnectionsAreCounted() async throws {
            let pair = try await GatewayPair(target: nil) { $0.maximumConnections = 1 }
            let refusals = try await pair.edge.onLoop { core in
                let usage = core.origins[0].usage
                usage.opened()
                defer { usage.closed() }
                let before = core.refusal(of: usage, over: nil, needsDescriptor: false)
                _ = core.memory.budget.update(used: core.memory.budget.limit)
                core.memory.nextLook = core.currentTime() + .seconds(3_600)
                return [before, core.refusal(of: usage, over: nil, needsDescriptor: false)]
            }
            #expect(refusals == [.connections, .memory])
            try await pair.stop()
        }

        /// While memory is short it is looked at again, also when another timer comes before that is due.
        @Test func aShortMemoryIsLookedAtAgain() async throws {
            let directory = TemporaryDirectory()
            try KeyFiles.createVeil(at: directory.file("veil.key"))
            _ = try KeyFiles.createIdentity(at: directory.file("cloud.key"))
            // Its peer has no address and does not call: there is nothing else to wait for.
            let edge = try KeyFiles.createIdentity(at: directory.file("edge.key"))
            let runner = GatewayRunner(
                GatewayConfiguration(
                    name: "cloud", identity: .file(path: directory.file("cloud.key")),
                    veils: [.file(path: directory.file("veil.key"))], listen: HostAddress(host: "127.0.0.1", port: 0),
                    peers: [.init(name: "edge", id: edge)], tunnels: [GatewayPair.tunnel(target: nil)]))
            try await runner.start()
            let (idle, short, look) = try await runner.gateway.onLoop { core in
                let later = core.currentTime() + .seconds(3_600)
                core.memory.nextLook = later
                core.wakeupFired(now: core.currentTime())
                let idle = core.nextDeadline
                _ = core.memory.budget.update(used: core.memory.budget.limit)
                core.wakeupFired(now: core.currentTime())
                return (idle, core.nextDeadline, later)
            }
            #expect(idle > look && short == look)
            try await runner.stop()
        }

        /// What waits for the name of a UDP tunnel's target is memory that is held.
        @Test func datagramsThatWaitForANameAreHeld() async throws {
            let pair = try await GatewayPair(target: HostAddress(host: "localhost", port: 9)) {
                $0.networkProtocol = .udp
            }
            let held = try await pair.cloud.onLoop { core in
                let channel = try #require(core.peers[0].channel)
                let before = channel.measureHeldBytes()
                let bytes = Pattern.bytes(1_000, seed: 1)
                let span = unsafe bytes.span.bytes
                core.destinations[0].udp?.received(span, of: 1, internalPort: 7, on: channel)
                core.destinations[0].udp?.received(span, of: 1, internalPort: 7, on: channel)
                return channel.measureHeldBytes() - before
            }
            #expect(held == 2_000)
            try await Polling.wait(until: "them to be sent") {
                try await pair.cloud.onLoop { $0.peers[0].channel?.flows.heldByteCount == 0 }
            }
            try await pair.stop()
        }

        @Test func withoutDescriptorsAnOriginRefuses() async throws {
            let server = try TCPServer()
            var plan = GatewayPair.Plan([
                GatewayPair.tunnel(target: HostAddress(host: "127.0.0.1", port: UInt16(server.port)))
            ])
            plan.tuning.descriptorLimit = 1
            let pair = try await GatewayPair(plan)
            try await pair.waitUntilActive()
            try await expectReset(try await pair.connect())
            let edge = try await pair.edge.status()
            #expect(edge.tunnels[0].lastError?.contains("no file descriptors are left") ?? false)
            #expect(edge.descriptors?.refusedConnections == 1 && edge.descriptors?.limit == 1)
            #expect(edge.problems.contains { $0.hasPrefix("no file descriptors are left") }, "\(edge.problems)")

            // The program's connection needs none here, and one at the destination.
            let stream = try await pair.edge.dial("app")
            await #expect(throws: TunnelStreamError.reset(.limit)) { try await stream.read() }
            let cloud = try await pair.cloud.status()
            #expect(cloud.descriptors?.refusedConnections == 1)
            #expect(cloud.tunnels[0].lastError?.contains("no file descriptors are left") ?? false)
            // That this host has none says nothing of the target.
            #expect(cloud.tunnels[0].health?.state != .down)
            try await pair.stop()
        }

        /// A tunnel whose target is down is no healthy tunnel, at either end, until it is up again.
        @Test func aTargetThatIsDownIsNotHealthy() async throws {
            let port = try TCPServer.unusedPort()
            let pair = try await GatewayPair(target: HostAddress(host: "127.0.0.1", port: UInt16(port))) {
                $0.healthCheck = GatewayConfiguration.HealthCheck(.tcp, interval: .milliseconds(200))
            }
            func problems(_ gateway: Gateway) async throws -> [String] { try await gateway.status().problems }
            try await Polling.wait(until: "both to say so") {
                let (edge, cloud) = try await (problems(pair.edge), problems(pair.cloud))
                return edge.count == 1 && cloud.count == 1
            }
            let cloud = try #require(try await problems(pair.cloud).first)
            #expect(
                cloud.hasPrefix("tunnel app: its target 127.0.0.1:\(port) is down (Connection refused)"), "\(cloud)")
            let edge = try #require(try await problems(pair.edge).first)
            #expect(
                edge.hasPrefix("tunnel app leads nowhere: the target of cloud is down (Connection refused)"), "\(edge)")
            let server = try TCPServer(port: port)
            server.serveEcho()
            try await Polling.wait(until: "both to be healthy") {
                let (edge, cloud) = try await (pair.edge.status(), pair.cloud.status())
                return edge.isHealthy && cloud.isHealthy
            }
            try await pair.stop()
        }
    }
}
