import DXWire
import Testing

@testable import DXTunnel

/// What two real gateways tell of themselves.
@Suite struct GatewayEventTests {
    /// The first event of each of these kinds, in the order in which they come.
    private func kinds(_ gateway: Gateway, until last: GatewayEventRecord.Kind) async throws -> [GatewayEventRecord] {
        var records: [GatewayEventRecord] = []
        for await case .event(let record) in try gateway.events() {
            records.append(record)
            if record.event == last { break }
        }
        return records
    }

    @Test func aPeerThatComesAndGoes() async throws {
        let pair = try await GatewayPair(targetPort: 9)
        let up = try await kinds(pair.edge, until: .peerUp)
        #expect(up.map(\.event) == [.peerUp])
        #expect(up[0].peer == "cloud" && up[0].path == .lan && up[0].address != nil)
        _ = try await pair.edge.setDraining(true)
        let drained = try await kinds(pair.edge, until: .draining)
        #expect(drained.last?.state == "on")
        let id = try #require(drained.last?.id)
        try await pair.cloudRunner.stop()
        let down = try await {
            var records: [GatewayEventRecord] = []
            for await case .event(let record) in try pair.edge.events(after: id) {
                records.append(record)
                if record.event == .peerDown { break }
            }
            return records
        }()
        #expect(down.last?.peer == "cloud" && down.last?.reason?.isEmpty == false)
        // That its tunnels have no destination goes without saying.
        #expect(!down.contains { $0.event == .peerUp || $0.event == .lost || $0.event == .destinationHealth })
        #expect(pair.edge.recentEvents(after: down.last?.id).allSatisfy { $0.event != .peerDown })
        try await pair.edgeRunner.stop()
        // A gateway that has stopped has said all.
        var isOver = false
        for await _ in try pair.edge.events() {}
        isOver = true
        #expect(isOver)
    }
}
