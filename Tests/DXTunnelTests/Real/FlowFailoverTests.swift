import Testing

@testable import DXTunnel

extension GatewayTests {
    /// Flows of a UDP tunnel with two destinations go where they are served.
    @Suite struct FlowFailoverTests {
        private func trio(_ targets: [UDPEcho]) async throws -> GatewayTrio {
            try await GatewayTrio(targets: targets.map(\.port)) { $0.networkProtocol = .udp }
        }

        /// One that is in use goes elsewhere with its next datagram, and what it leaves behind does not keep the gateway.
        @Test func aFlowLeavesAGatewayThatIsAboutToStop() async throws {
            let targets = [try UDPEcho(), try UDPEcho()]
            let trio = try await trio(targets)
            let client = try UDPSocket()
            try await client.ask([1], at: try await trio.port())
            #expect(targets[0].datagrams.contains([1]))
            async let left = trio.a.drain(timeout: .seconds(600))
            try await trio.waitForStates(["a": .leaving])
            try await client.ask([2], at: try await trio.port())
            #expect(targets[1].datagrams.contains([2]) && !targets[0].datagrams.contains([2]))
            #expect(try await left == 0)
            #expect(try await trio.edge.auditRecords()?.contains { $0.end == .moved } ?? false)
            try await trio.stop()
            for target in targets { target.stop() }
        }

        /// The first target's host refuses what comes: three times in a row, and its flows go to the other.
        @Test func aFlowLeavesATargetThatIsGone() async throws {
            let targets = [try UDPEcho(), try UDPEcho()]
            let trio = try await trio(targets)
            let client = try UDPSocket()
            try await client.ask([1], at: try await trio.port())
            #expect(targets[0].datagrams.contains([1]))
            targets[0].stop()
            let port = try await trio.port()
            try await Polling.wait(until: "the other target to answer") {
                client.send([2], to: port)
                return client.receiveNow() != nil
            }
            #expect(targets[1].datagrams.contains([2]))
            let health = try await trio.a.status().tunnels.first?.health
            #expect(health?.reason?.contains("nobody is at the port") ?? false)
            try await trio.stop()
            targets[1].stop()
        }
    }
}
