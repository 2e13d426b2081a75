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
