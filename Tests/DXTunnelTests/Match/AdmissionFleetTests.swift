import DXMatch
import DXMatchServer
import Testing

@testable import DXTunnel

extension GroupedGatewayTests {
    /// Joining by a matchmaker alone, which serves the group that invites and no others.
    @Suite(.serialized) struct AdmissionFleetTests {
        /// A group whose tokens lead nowhere but to its matchmakers.
        private func fleet() async throws -> Fleet {
            try await Fleet(
                settings: LocalSettings(
                    listen: HostAddress(host: "127.0.0.1", port: 0),
                    advertise: [HostAddress(host: "127.0.0.1", port: 9)]))
        }

        private func key(_ fleet: Fleet) async throws -> String {
            try #require(try await fleet["hq"].requireMatchKey().key)
        }

        @Test func whoeverIsInvitedIsServed() async throws {
            let fleet = try await fleet()
            let matchmaker = try await LoopbackMatchmaker(serving: [try await key(fleet)])
            _ = try await fleet["hq"].changeMatch(MatchChange(add: [matchmaker.address]))
            let token = try await fleet.token()
            #expect(try InviteToken(token).addresses.map(\.description) == ["127.0.0.1:9"])
            // The inviter is there as a member and for those who join, and never asked for what it would not have got.
            try await Polling.wait(until: "hq to be registered twice") {
                try await matchmaker.status().server.registrations == 2
            }
            let before = try await matchmaker.status()
            #expect(before.server.admissions == 1 && before.front.notServed == 0)
            try await fleet.join("edge-1", token: token)
            #expect(try await fleet["hq"].members().map(\.name) == ["edge-1", "hq"])
            #expect(try await matchmaker.status().front.notServed == 0)
            // Both find each other as members from now on.
            try await fleet.start("edge-1")
            try await Polling.wait(until: "edge-1 to be registered and to know the group") {
                try await fleet["edge-1"].members().contains { $0.thisGateway }
            }
            try await fleet.stop()
            try await matchmaker.stop()
        }

        @Test func whoeverComesTooSoonTriesAgain() async throws {
            let fleet = try await fleet()
            let key = try await key(fleet)
            let matchmaker = try await LoopbackMatchmaker(serving: [])
            _ = try await fleet["hq"].changeMatch(MatchChange(add: [matchmaker.address]))
            let token = try await fleet.token()
            async let joined = fleet.join("edge-1", token: token, patience: .seconds(60))
            // Both were refused: the group is not in the list yet.
            try await Polling.wait(until: "both to be refused") { try await matchmaker.status().front.notServed >= 2 }
            #expect(try await matchmaker.status().server.registrations == 0)
            try await matchmaker.serve([key])
            #expect(try await joined.matchKey == key)
            try await fleet.stop()
            try await matchmaker.stop()
        }

        @Test func guestsGoWithTheirHost() async throws {
            let fleet = try await fleet()
            let matchmaker = try await LoopbackMatchmaker(serving: [try await key(fleet)])
            _ = try await fleet["hq"].changeMatch(MatchChange(add: [matchmaker.address]))
            let token = try await fleet.token()
            try await Polling.wait(until: "hq to be registered twice") {
                try await matchmaker.status().server.registrations == 2
            }
            try await matchmaker.serve([])
            let status = try await matchmaker.status()
            #expect(status.server.registrations == 0 && status.server.admissions == 0)
            let refusal = await GroupError.refusal {
                try await fleet.join("edge-1", token: token, patience: .seconds(2))
            }
            #expect(refusal?.message.contains("match key is not in the matchmaker's list") == true)
            try await fleet.stop()
            try await matchmaker.stop()
        }
    }
}
