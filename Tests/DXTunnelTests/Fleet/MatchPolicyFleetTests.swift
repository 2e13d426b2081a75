import DXSecure
import Testing

@testable import DXTunnel

extension GroupedGatewayTests {
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

        /// A token tells of two matchmakers and says which it leaves out, and while it is open its maker is to be found by it.
        @Test func tokensTellWhereTheirMakerIsFound() async throws {
            let fleet = try await Fleet()
            let servers = (1...3).map { "match-\($0).example:3478#\(Self.pin)" }
            _ = try await fleet["hq"].changeMatch(MatchChange(add: servers))
            #expect(try await plan(fleet, "hq")?.rendezvous == nil)
            let all = try await fleet["hq"].invite(InviteRequest(count: 2))
            #expect(all.map { $0.leftOut != nil } == [true, false])
            let made = try #require(all.first)
            let text = try #require(made.token)
            let token = try InviteToken(text)
            #expect(text.utf8.count <= InviteToken.longestText)
            #expect(token.matchmakers.map(\.description) == Array(servers.prefix(2)))
            #expect(made.leftOut == ["match-3.example:3478"])
            #expect(try await fleet["hq"].invitations().first?.leftOut == nil)
            #expect(try await plan(fleet, "hq")?.rendezvous?.bytes == token.joinSeed)
            // Whoever joined knows the group's matchmakers before it has exchanged anything: both may be behind NATs.
            let joined = try await fleet.join("edge-1", token: text)
            let known = try await fleet["hq"].matchConfiguration()
            #expect(joined.matchmakers == servers && joined.matchKey == known.key && known.key != nil)
            let file = try StateDirectory(reading: fleet.state("edge-1")).group()
            #expect(file.introducer?.matchmakers == token.matchmakers)
            _ = try await fleet["hq"].revokeInvitation(nil)
            #expect(try await plan(fleet, "hq")?.rendezvous == nil)
            try await fleet.stop()
        }

        /// What another admin signed comes with the root key's word for that one; a list that is too long for one datagram stays behind.
        @Test func whoeverJoinsIsToldWhatFits() async throws {
            let fleet = try await Fleet()
            try await fleet.add("hq-2", InviteRequest(name: "hq-2", role: "admin"))
            try await fleet.waitUntilAlike()
            let label = String(repeating: "a", count: 50)
            let long = (1...8).map { "\(label).\(label).\($0).example:3478#\(Self.pin)" }
            let made = try await fleet["hq-2"].changeMatch(MatchChange(add: long))
            try await fleet.waitUntilAlike()
            let joined = try await fleet.join("edge-1", token: try await fleet.token())
            #expect(joined.matchKey == made.key && made.key != nil && joined.matchmakers.isEmpty)
            let short = try await fleet["hq-2"].changeMatch(MatchChange(add: [Self.server], remove: long))
            try await fleet.waitUntilAlike()
            let other = try await fleet.join("edge-2", token: try await fleet.token())
            #expect(other.matchmakers == short.servers && other.matchKey == made.key)
            try await fleet.stop()
        }

        /// An admin is to be found by members that slept through a removal, and by no others; they look for admins until they have
        /// met one.
        @Test func stragglersAreExpected() async throws {
            let fleet = try await Fleet(tuning: Self.quick)
            for name in ["edge-1", "edge-2", "edge-3"] { try await fleet.add(name) }
            _ = try await fleet["hq"].changeMatch(MatchChange(add: [Self.server]))
            try await fleet.waitUntilAlike()
            let key = try await fleet["edge-1"].onLoop { $0.secure.identity.publicKey }
            let hq = try await fleet["hq"].onLoop { $0.secure.identity.publicKey }
            try await fleet.stop("edge-1")
            try await Polling.wait(until: "all that are there to be known as such") {
                try await plan(fleet, "hq")?.returning.isEmpty == true
            }
            _ = try await fleet["hq"].removeMember("edge-2")
            try await Polling.wait(until: "edge-1 to be expected") { try await plan(fleet, "hq")?.returning == [key] }
            #expect(try await plan(fleet, "edge-3")?.returning.isEmpty == true)
            try await Polling.wait(until: "edge-3 to be up to date") {
                try await plan(fleet, "edge-3")?.returnsTo.isEmpty == true
            }
            // Nobody is there for it to hear.
            try await fleet.stop("hq")
            try await fleet.start("edge-1")
            try await Polling.wait(until: "edge-1 to look for hq") {
                try await plan(fleet, "edge-1")?.returnsTo == [hq]
            }
            try await fleet.start("hq")
            try await Polling.wait(until: "edge-1 to have met an admin") {
                try await plan(fleet, "edge-1")?.returnsTo.isEmpty == true
            }
            try await Polling.wait(until: "nobody to be expected") {
                try await plan(fleet, "hq")?.returning.isEmpty == true
            }
            try await fleet.stop()
        }

        private static let quick: GatewayTuning = {
            var tuning = GatewayTuning()
            tuning.groupUpkeepInterval = .milliseconds(200)
            tuning.returnDelay = .milliseconds(500)
            return tuning
        }()

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
