import Foundation
import Testing

@testable import DXTunnel

extension GroupedGatewayTests {
    /// A group of real gateways: joining, tunnels by command, removal.
    @Suite(.serialized) struct FleetTests {
        /// An echoing target, and where it is.
        private func target() throws -> (server: TCPServer, address: String) {
            let server = try TCPServer()
            server.serveEcho()
            return (server, "127.0.0.1:\(server.port)")
        }

        private func echo(_ client: TCPSocket, seed: UInt64 = 1) async throws {
            let bytes = Pattern.bytes(200_000, seed: seed)
            async let sent: Void = client.send(bytes)
            #expect(try await client.receive(exactly: bytes.count) == bytes)
            try await sent
        }

        @Test func joinsAndCarriesTunnelsBothWays() async throws {
            let fleet = try await Fleet()
            try await fleet.add("edge-1", InviteRequest(name: "edge-1", labels: ["kind=plc"]))
            try await fleet.add("edge-2", InviteRequest(labels: ["kind=plc"]))
            try await fleet.waitUntilAlike()
            let names = try await fleet["edge-2"].members().map(\.name)
            #expect(names == ["edge-1", "edge-2", "hq"])
            let (first, second) = (try target(), try target())
            _ = try await fleet["hq"].setTunnel(
                TunnelRequest(name: "out", origins: ["edge-1@127.0.0.1:0"], destinations: ["hq@\(first.address)"]))
            _ = try await fleet["hq"].setTunnel(
                TunnelRequest(
                    name: "in", origins: ["hq@127.0.0.1:0"], destinations: ["label:kind=plc@\(second.address)"]))
            try await echo(try await .connect(to: try await fleet.port("out", at: "edge-1")))
            try await echo(try await .connect(to: try await fleet.port("in", at: "hq")))
            // Between two that did not invite each other.
            _ = try await fleet["hq"].setTunnel(
                TunnelRequest(
                    name: "across", origins: ["edge-1@127.0.0.1:0"], destinations: ["edge-2@\(first.address)"]))
            try await echo(try await .connect(to: try await fleet.port("across", at: "edge-1")))
            try await fleet.stop()
        }

        @Test func membersFindEachOtherAgainAfterARestart() async throws {
            let fleet = try await Fleet()
            let target = try target()
            try await fleet.add("edge-1")
            _ = try await fleet["hq"].setTunnel(
                TunnelRequest(name: "out", origins: ["edge-1@127.0.0.1:0"], destinations: ["hq@\(target.address)"]))
            _ = try await fleet.port("out", at: "edge-1")
            try await fleet.stop()
            try await fleet.start("edge-1")
            try await fleet.start("hq")
            try await echo(try await .connect(to: try await fleet.port("out", at: "edge-1")))
            try await fleet.stop()
        }

        /// Another tunnel, and a connection through this one, go on while it changes.
        @Test func changesTakeEffectWithoutDisturbingTheRest() async throws {
            let fleet = try await Fleet()
            let (first, second) = (try target(), try target())
            try await fleet.add("edge-1")
            func request(_ name: String, _ target: String, origins: [String] = ["edge-1@127.0.0.1:0"]) -> TunnelRequest
            {
                TunnelRequest(name: name, origins: origins, destinations: ["hq@\(target)"])
            }
            _ = try await fleet["hq"].setTunnel(request("kept", first.address))
            _ = try await fleet["hq"].setTunnel(request("moved", first.address))
            let kept = try await TCPSocket.connect(to: try await fleet.port("kept", at: "edge-1"))
            try await echo(kept)
            let keptPort = try await fleet.port("kept", at: "edge-1")
            let port = try TCPServer.unusedPort()
            _ = try await fleet["hq"].setTunnel(
                request("moved", second.address, origins: ["edge-1@127.0.0.1:\(port)"]))
            try await Polling.wait(until: "the tunnel to have moved") {
                try await fleet.port("moved", at: "edge-1") == port
            }
            try await echo(try await .connect(to: port))
            _ = try await fleet["hq"].setTunnel("moved", isEnabled: false)
            try await Polling.wait(until: "the disabled tunnel to be gone") {
                try await fleet["edge-1"].status().tunnels.map(\.name) == ["kept"]
            }
            _ = try await fleet["hq"].setTunnel("moved", isEnabled: true)
            try await echo(try await .connect(to: try await fleet.port("moved", at: "edge-1")))
            _ = try await fleet["hq"].removeTunnel("moved")
            try await Polling.wait(until: "the removed tunnel to be gone") {
                try await fleet["edge-1"].status().tunnels.map(\.name) == ["kept"]
            }
            try await echo(kept, seed: 2)
            #expect(try await fleet.port("kept", at: "edge-1") == keptPort)
            try await fleet.stop()
        }

        @Test func aRemovedMemberIsCutOffAndStaysOut() async throws {
            let fleet = try await Fleet()
            let target = try target()
            for name in ["edge-1", "edge-2"] { try await fleet.add(name) }
            _ = try await fleet["hq"].setTunnel(
                TunnelRequest(
                    name: "out", origins: ["edge-1@127.0.0.1:0", "edge-2@127.0.0.1:0"],
                    destinations: ["hq@\(target.address)"]))
            let lost = try await TCPSocket.connect(to: try await fleet.port("out", at: "edge-1"))
            try await echo(lost)
            let other = try await TCPSocket.connect(to: try await fleet.port("out", at: "edge-2"))
            _ = try await fleet["hq"].removeMember("edge-1")
            try await Polling.wait(until: "the others to have cut it off") {
                for name in ["hq", "edge-2"] {
                    guard try await fleet[name].members().allSatisfy({ $0.name != "edge-1" }) else { return false }
                }
                return true
            }
            #expect(try await !fleet["hq"].status().peers.contains { $0.name == "edge-1" })
            try await echo(other)
            // The others have a secret that it has not.
            try await Polling.wait(until: "the new secret to be with those that stay") {
                try await fleet["edge-2"].onLoop { $0.group?.epochs.count } == 2
            }
            try await fleet.stop("edge-1")
            try await fleet.start("edge-1")
            let epochs = try await fleet["edge-1"].onLoop { $0.group?.epochs.map(\.number) }
            #expect(epochs == [1])
            try await fleet.stop()
        }

        @Test func onlyAdminsChangeTheGroup() async throws {
            let fleet = try await Fleet()
            try await fleet.add("edge-1")
            await #expect(throws: GroupError.self) {
                _ = try await fleet["edge-1"].setTunnel(
                    TunnelRequest(name: "x", origins: ["hq@127.0.0.1:0"], destinations: ["edge-1@127.0.0.1:1"]))
            }
            await #expect(throws: GroupError.self) { _ = try await fleet["edge-1"].invite(InviteRequest()) }
            try await fleet.add("edge-2", InviteRequest(role: "admin"))
            try await Polling.wait(until: "edge-2 to be an admin") {
                try await fleet["edge-2"].members().contains { $0.thisGateway && $0.admin }
            }
            _ = try await fleet["edge-2"].setTunnel(
                TunnelRequest(name: "x", origins: ["hq@127.0.0.1:0"], destinations: ["edge-1@127.0.0.1:1"]))
            _ = try await fleet.port("x", at: "hq")
            try await fleet.stop()
        }

        /// Status tells of the group, and of what somebody has to mend.
        @Test func statusTellsOfTheGroup() async throws {
            let fleet = try await Fleet()
            try await fleet.add("edge-1")
            try await fleet.add("edge-2", InviteRequest(name: "edge-2"))
            try await fleet.waitUntilAlike()
            let group = try #require(try await fleet["edge-1"].status().group)
            #expect(group.name == "plant" && group.members == 3 && group.epoch == 1 && !group.admin)
            #expect(try await fleet["hq"].status().group?.admin == true)
            try await Polling.wait(until: "hq to have two neighbours") {
                try await fleet["hq"].status().group?.neighbours == 2
            }
            // One that is away is no problem; to be alone is one.
            try await fleet.stop("edge-2")
            try await Polling.wait(until: "edge-2 to be gone") {
                try await fleet["hq"].status().group?.neighbours == 1
            }
            #expect(try await fleet["hq"].status().isHealthy)
            try await fleet.stop("edge-1")
            try await Polling.wait(until: "hq to be alone") { try await !fleet["hq"].status().isHealthy }
            // An address that somebody else has is named at the origin alone, and taken once it is free.
            try await fleet.start("edge-1")
            let squatter = try TCPServer()
            let target = try target()
            _ = try await fleet["hq"].setTunnel(
                TunnelRequest(
                    name: "taken", origins: ["edge-1@127.0.0.1:\(squatter.port)"],
                    destinations: ["hq@\(target.address)"]))
            try await Polling.wait(until: "the conflict to be named") {
                try await fleet["edge-1"].status().problems.contains { $0.contains("in use by another program") }
            }
            squatter.close()
            try await echo(try await .connect(to: try await fleet.port("taken", at: "edge-1")))
            try await fleet.stop()
        }

        /// Channels are for tunnels and for the document to spread: none has more than four to call and four that call it, an
        /// admin neither, though all call it at first.
        @Test func aGatewayKeepsFewChannels() async throws {
            var tuning = GatewayTuning()
            tuning.groupUpkeepInterval = .milliseconds(200)
            tuning.needlessTime = .seconds(1)
            let fleet = try await Fleet(tuning: tuning)
            let names = (1...12).map { "e\($0)" }
            for name in names { try await fleet.add(name) }
            try await fleet.waitUntilAlike()
            try await Polling.wait(until: "all to have let needless channels go") {
                for name in names + ["hq"] {
                    let connected = try await fleet[name].status().peers.filter { $0.state == .connected }.count
                    guard (1...8).contains(connected) else { return false }
                }
                return true
            }
            // What is said at one still reaches all.
            _ = try await fleet["hq"].setTunnel(
                TunnelRequest(name: "x", origins: ["e1@127.0.0.1:0"], destinations: ["e7@127.0.0.1:1"]))
            try await fleet.waitUntilAlike()
            _ = try await fleet.port("x", at: "e1")
            try await fleet.stop()
        }

        /// An admin that came back from an old backup hears what the others know before it signs: what it says then counts.
        @Test func anAdminFromABackupHearsBeforeItSigns() async throws {
            // Long enough for a machine that stands still in between.
            var tuning = GatewayTuning()
            (tuning.settleTime, tuning.lonelyTime) = (.seconds(6), .seconds(60))
            let fleet = try await Fleet(tuning: tuning)
            try await fleet.add("edge-1")
            func request(_ port: Int) -> TunnelRequest {
                TunnelRequest(name: "t", origins: ["edge-1@127.0.0.1:0"], destinations: ["hq@127.0.0.1:\(port)"])
            }
            _ = try await fleet["hq"].setTunnel(request(1))
            try await fleet.waitUntilAlike()
            try await fleet.stop("hq")
            try fleet.copyState(from: "hq", to: "backup")
            try await fleet.start("hq")
            for port in 2...6 { _ = try await fleet["hq"].setTunnel(request(port)) }
            try await fleet.waitUntilAlike()
            let revision = try #require(try await fleet["edge-1"].status().group?.revision)
            try await fleet.stop("hq")
            try FileManager.default.removeItem(atPath: fleet.state("hq"))
            try fleet.copyState(from: "backup", to: "hq")
            try await fleet.start("hq")
            let change = try await fleet["hq"].setTunnel(request(7))
            #expect(change.revision == revision + 1)
            try await fleet.waitUntilAlike()
            #expect(try await fleet["edge-1"].groupTunnels().map(\.definition.destinations) == [["hq@127.0.0.1:7"]])
            try await fleet.stop()
        }

        /// Two admins remove somebody at the same time, apart from each other: of the two new secrets each is known to one of
        /// the removed ones at most until there is a third.
        @Test func twoSecretsAtOnceBecomeAThird() async throws {
            var tuning = GatewayTuning()
            tuning.groupUpkeepInterval = .milliseconds(200)
            let fleet = try await Fleet(tuning: tuning)
            try await fleet.add("admin-2", InviteRequest(role: "admin"))
            for name in ["edge-1", "edge-2", "edge-3"] { try await fleet.add(name) }
            try await fleet.waitUntilAlike()
            try await fleet.stop("hq")
            _ = try await fleet["admin-2"].removeMember("edge-1")
            for name in ["admin-2", "edge-1", "edge-2", "edge-3"] { try await fleet.stop(name) }
            try await fleet.start("hq")
            _ = try await fleet["hq"].removeMember("edge-2")
            try await fleet.start("admin-2")
            try await fleet.start("edge-3")
            try await Polling.wait(until: "all to have a third secret") {
                for name in ["hq", "admin-2", "edge-3"] {
                    let epochs = try await fleet[name].onLoop { $0.group?.epochs.map(\.number) ?? [] }
                    guard epochs.last ?? 0 >= 3, epochs.filter({ $0 == epochs.last }).count == 1 else { return false }
                }
                return true
            }
            #expect(try await fleet["edge-3"].members().map(\.name) == ["admin-2", "edge-3", "hq"])
            try await fleet.stop()
        }

        /// A member whose program lies: it sends records that nobody signed, asks for secrets, speaks for others, without end.
        /// The rest of the group goes on, and says who it is.
        @Test func aHostileMemberIsBoundedAndTold() async throws {
            let fleet = try await Fleet()
            let target = try target()
            for name in ["edge-1", "liar"] { try await fleet.add(name) }
            _ = try await fleet["hq"].setTunnel(
                TunnelRequest(name: "t", origins: ["edge-1@127.0.0.1:0"], destinations: ["hq@\(target.address)"]))
            let client = try await TCPSocket.connect(to: try await fleet.port("t", at: "edge-1"))
            try await fleet.waitUntilAlike()
            let before = try await fleet["hq"].groupRecords().count
            for round in 0..<20 as Range<UInt64> {
                try await fleet["liar"].onLoop { core in
                    let agent = core.group!
                    var messages: [GroupMessage] = []
                    for number in 0..<200 as Range<UInt64> {
                        let id = round * 200 + number
                        // As an admin would say it, and a member may not; and its own address, again and again.
                        messages.append(
                            .records([
                                try GroupRecord(
                                    .tunnel, id: MemberRecord.ID.random().bytes, revision: 1_000_000 + id,
                                    body: TunnelRecord(name: "x\(id)").body, signedBy: agent.identity,
                                    group: agent.group)
                            ]))
                        messages.append(
                            .presence([
                                PresenceNote(origin: PresenceTag(value: id), boot: 1, sequence: 1, version: "liar")
                            ]))
                        messages.append(.epochWanted(agent.state.epochs.last?.recordID ?? []))
                        messages.append(.reached([.init(member: PresenceTag(value: id), epoch: 1 << 60)]))
                    }
                    for neighbour in agent.neighbours { agent.secretMessages[neighbour] = messages }
                    agent.settle()
                }
                try await echo(client, seed: round + 1)
            }
            try await Polling.wait(until: "all of it to have been sent") {
                try await fleet["liar"].onLoop { $0.group!.secretMessages.values.allSatisfy(\.isEmpty) }
            }
            for name in ["hq", "edge-1"] {
                let (waiting, notes, queued) = try await fleet[name].onLoop { core in
                    let agent = core.group!
                    return (
                        agent.sync.waitingByteCount, agent.presence.notes.count,
                        agent.secretMessages.values.map(\.count).max() ?? 0
                    )
                }
                #expect(waiting <= GroupSync.mostWaiting && notes <= 3 + PresenceMap.mostStrangers && queued <= 64)
                #expect(try await fleet[name].groupRecords().count <= before + 1)
                #expect(try await fleet[name].groupTunnels().count == 1)
                #expect(try await fleet[name].status().group?.problems.contains { $0.contains("liar") } ?? false)
            }
            try await echo(client, seed: 99)
            try await fleet.stop()
        }
    }
}
