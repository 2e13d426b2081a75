import DXStream
import FoundationEssentials
import NIOCore
import Testing

@testable import DXTunnel

extension GatewayTests {
    /// Traces of the channel between two running gateways.
    @Suite(.serialized) struct TraceTests {
        /// An event as far as these tests read it.
        private struct Event: Decodable {
            struct Content: Decodable {
                var reason: String?
                var remote: String?
                var local: String?
            }
            var time: Double
            var name: String
            var data: Content
        }

        private func echo() throws -> TCPServer {
            let server = try TCPServer()
            server.serveEcho()
            return server
        }

        private func events(_ parts: [ByteBuffer]) throws -> [Event] {
            let text = parts.map { String(buffer: $0) }.joined()
            #expect(text.hasSuffix("\n"))
            let records = text.split(separator: "\u{1E}").map(String.init)
            #expect(records.first?.contains(#""qlog_version":"0.3""#) ?? false)
            return try records.dropFirst().map { try JSONDecoder().decode(Event.self, from: Data($0.utf8)) }
        }

        private func read(_ trace: ChannelTrace) async -> [ByteBuffer] {
            var parts: [ByteBuffer] = []
            for await part in trace { parts.append(part) }
            return parts
        }

        private func isTraced(_ gateway: Gateway, _ peer: String) async throws -> Bool {
            try await gateway.onLoop { core in
                core.peers.contains { $0.name == peer && $0.channel?.transport.isTraced ?? false }
            }
        }

        @Test func tellsOfATransfer() async throws {
            let server = try echo()
            let pair = try await GatewayPair(targetPort: server.port)
            let trace = try await pair.edge.trace(of: "cloud", for: .seconds(600))
            let reader = Task { await read(trace) }
            try await pair.echoThroughConnections(8)
            reader.cancel()
            let told = try events(await reader.value)
            let names = Set(told.map(\.name))
            for name in [
                "dx:path_updated", "recovery:metrics_updated", "transport:packet_sent", "transport:packet_received",
                "transport:stream_state_updated", "recovery:congestion_state_updated",
            ] { #expect(names.contains(name), "\(name)") }
            #expect(told.allSatisfy { $0.data.local == nil && $0.data.remote == nil })
            #expect(zip(told, told.dropFirst()).allSatisfy { $0.time <= $1.time })
            try await pair.stop()
        }

        @Test func endsWhenItsTimeIsOver() async throws {
            let server = try echo()
            let pair = try await GatewayPair(targetPort: server.port)
            let told = try events(await read(try await pair.edge.trace(of: "cloud", for: .seconds(1))))
            #expect(told.last?.name == "dx:trace_ended" && told.last?.data.reason == "time")
            #expect(pair.edge.traceSlots.count == 0)
            let isTraced = try await isTraced(pair.edge, "cloud")
            #expect(!isTraced)
            try await pair.stop()
        }

        @Test func endsWithTheChannelAndTellsAddressesIfAsked() async throws {
            let server = try echo()
            let pair = try await GatewayPair(targetPort: server.port)
            let trace = try await pair.cloud.trace(of: "edge", for: .seconds(600), addresses: true)
            async let parts = read(trace)
            try await pair.edgeRunner.stop()
            let told = try events(await parts)
            #expect(told.last?.name == "dx:trace_ended" && told.last?.data.reason == "channel")
            #expect(told.contains { $0.name == "connectivity:connection_closed" })
            let remotes = told.filter { $0.name == "dx:path_updated" }.compactMap(\.data.remote)
            #expect(!remotes.isEmpty && remotes.allSatisfy { $0.hasPrefix("127.0.0.1:") })
            #expect(pair.cloud.traceSlots.count == 0)
            try await pair.cloudRunner.stop()
        }

        @Test func isRefusedWhereItCannotBe() async throws {
            let server = try echo()
            let pair = try await GatewayPair(targetPort: server.port)
            await #expect(throws: GatewayError.unknownPeer("nobody")) {
                try await pair.edge.trace(of: "nobody", for: .seconds(1))
            }
            var trace: ChannelTrace? = try await pair.edge.trace(of: "cloud", for: .seconds(600))
            #expect(trace != nil)
            await #expect(throws: GatewayError.tracing("cloud")) {
                try await pair.edge.trace(of: "cloud", for: .seconds(1))
            }
            #expect(pair.edge.traceSlots.count == 1)
            // Who lets go of it ends it, though it was never read.
            trace = nil
            try await Polling.wait(until: "the trace to end") { try await !isTraced(pair.edge, "cloud") }
            #expect(pair.edge.traceSlots.count == 0)
            while pair.edge.traceSlots.take() {}
            await #expect(throws: GatewayError.tooManyTraces(TraceSlots.most)) {
                try await pair.edge.trace(of: "cloud", for: .seconds(1))
            }
            try await pair.stop()
        }

        @Test func endsWithItsReader() async throws {
            let server = try echo()
            let pair = try await GatewayPair(targetPort: server.port)
            let trace = try await pair.edge.trace(of: "cloud", for: .seconds(600))
            let reader = Task { await read(trace) }
            try await pair.echoThroughConnections(1)
            reader.cancel()
            let told = try events(await reader.value)
            #expect(told.last?.data.reason == "reader")
            try await Polling.wait(until: "the trace to end") { try await !isTraced(pair.edge, "cloud") }
            try await pair.stop()
        }
    }
}
