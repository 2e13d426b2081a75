import DXSecure
import Testing

@testable import DXTunnel

extension GatewayTests {
    /// What operators change of the group's matchmakers, at the gateways that follow it.
    @Suite(.serialized) struct MatchPolicyFleetTests {
        private static let pin = "fgb37qjes4oifss24kkcopsvdvwjwkhvrfwn63synvvewwjjw7va"
        private static let server = "match.example:3478#\(pin)"

        private func plan(_ fleet: Fleet, _ name: String) async throws -> MatchPlan? {
            try await fleet[name].onLoop { $0.group?.toldMatchPlan }
        }

        @Test func theyComeAndGoEverywhere() async throws {
            let fleet = try await Fleet()
            try await fleet.add("edge-1")
            #expect(try await plan(fleet, "edge-1") == MatchPlan())
            let added = try await fleet["hq"].changeMatch(MatchChange(add: [Self.server]))
            #expect(added.servers == [Self.server] && added.madeKey && added.key?.utf8.count == 44)
            try await Polling.wait(until: "edge-1 to be told") {
                try await plan(fleet, "edge-1")?.servers.map(\.description) == [Self.server]
            }
            let told = try #require(try await plan(fleet, "edge-1"))
            #expect(try told.key?.identity().publicKey.bytes == Base64URL.bytes(try #require(added.key)))
            #expect(told.epochs.map(\.number) == [1])
            // A new epoch is another place to be found at.
            try await fleet.add("edge-2")
            _ = try await fleet["hq"].removeMember("edge-2")
            try await Polling.wait(until: "edge-1 to be told of the epoch") {
                try await plan(fleet, "edge-1")?.epochs.last?.number == 2
            }
            let removed = try await fleet["hq"].changeMatch(MatchChange(remove: ["match.example:3478"]))
            #expect(removed.servers.isEmpty && removed.key == added.key && !removed.madeKey)
            try await Polling.wait(until: "edge-1 to be told") { try await plan(fleet, "edge-1") == MatchPlan() }
            try await fleet.stop()
        }

        @Test func whatMakesNoSenseIsRefused() async throws {
            let fleet = try await Fleet()
            try await fleet.add("edge-1")
            func refusal(_ name: String, _ change: MatchChange) async -> GroupError? {
                await GroupError.refusal { _ = try await fleet[name].changeMatch(change) }
            }
            let noPin = await refusal("hq", MatchChange(add: ["match.example:3478"]))
            #expect(noPin?.code == .badRequest && noPin?.hint.contains("dxmatchd pin") == true)
            #expect(await refusal("hq", MatchChange())?.code == .badRequest)
            #expect(await refusal("hq", MatchChange(remove: [Self.server]))?.code == .notFound)
            #expect(await refusal("edge-1", MatchChange(add: [Self.server]))?.code == .notAdmin)
            #expect(await GroupError.refusal { _ = try await fleet["edge-1"].requireMatchKey() }?.code == .notAdmin)
            _ = try await fleet["hq"].changeMatch(MatchChange(add: (1...8).map { "192.0.2.\($0):1#\(Self.pin)" }))
            #expect(await refusal("hq", MatchChange(add: [Self.server]))?.code == .conflict)
            #expect(await refusal("hq", MatchChange(add: ["192.0.2.1:1#\(Self.pin)"]))?.code == .conflict)
            // What goes makes room for what comes.
            let changed = try await fleet["hq"].changeMatch(
                MatchChange(add: [Self.server], remove: ["192.0.2.1:1#\(Self.pin)"]))
            #expect(changed.servers.count == 8 && changed.servers.last == Self.server)
            try await fleet.stop()
        }

        @Test func theKeyIsMadeOnceUnlessAskedFor() async throws {
            let fleet = try await Fleet()
            #expect(try await fleet["hq"].matchConfiguration().key == nil)
            let first = try await fleet["hq"].requireMatchKey()
            #expect(first.madeKey && first.key != nil)
            let again = try await fleet["hq"].requireMatchKey()
            #expect(!again.madeKey && again.key == first.key && again.revision == first.revision)
            let other = try await fleet["hq"].changeMatch(MatchChange(newKey: true))
            #expect(other.madeKey && other.key != first.key)
            // It outlives a restart, and is in no export.
            try await fleet.stop("hq")
            try await fleet.start("hq")
            #expect(try await fleet["hq"].matchConfiguration().key == other.key)
            let records = try await fleet["hq"].groupRecords().compactMap { Base64URL.bytes($0[...]) }
            let name = Array("match.key".utf8)
            #expect(!records.contains { record in record.indices.contains { record[$0...].starts(with: name) } })
            #expect(records.count == 5)
            try await fleet.stop()
        }
    }
}
