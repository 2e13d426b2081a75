import DXSecure
import DXWire
import Foundation
import Testing

@testable import DXTunnel

extension GroupedGatewayTests {
    /// Members that get other names, labels, roles and hardware, and who is there.
    @Suite(.serialized) struct MemberTests {
        private func member(_ name: String, at gateway: Gateway) async throws -> GroupMember? {
            try await gateway.members().first { $0.name == name }
        }

        private func refusal(_ body: () async throws -> Void) async -> GroupError.Code? {
            do {
                try await body()
                return nil
            } catch { return (error as? GroupError)?.code }
        }

        @Test func namesAndLabelsChangeEverywhere() async throws {
            let fleet = try await Fleet()
            let target = try TCPServer()
            target.serveEcho()
            try await fleet.add("edge-1", InviteRequest(labels: ["site=south", "kind=plc"]))
            _ = try await fleet["hq"].setTunnel(
                TunnelRequest(
                    name: "out", origins: ["edge-1@127.0.0.1:0"], destinations: ["hq@127.0.0.1:\(target.port)"]))
            let port = try await fleet.port("out", at: "edge-1")
            _ = try await fleet["hq"].changeMember(
                "edge-1", MemberChange(name: "mill", labels: ["site=north"], removeLabels: ["kind"]))
            try await fleet.waitUntilAlike()
            for name in ["hq", "edge-1"] {
                #expect(try await member("mill", at: fleet[name])?.labels == ["site=north"])
            }
            // The tunnel is the same one, at the same port.
            #expect(try await fleet.port("out", at: "edge-1") == port)
            try await TCPSocket.connect(to: port).send(Pattern.bytes(10, seed: 1))
            #expect(
                await refusal { _ = try await fleet["hq"].changeMember("mill", MemberChange(name: "hq")) } == .conflict)
            #expect(
                await refusal { _ = try await fleet["hq"].changeMember("mill", MemberChange(removeLabels: ["x"])) }
                    == .notFound)
            #expect(
                await refusal { _ = try await fleet["edge-1"].changeMember("mill", MemberChange(name: "y")) }
                    == .notAdmin)
            #expect(
                await refusal { _ = try await fleet["hq"].changeMember("mill", MemberChange(role: "king")) }
                    == .badRequest)
            try await fleet.stop()
        }

        @Test func rolesComeAndGo() async throws {
            let fleet = try await Fleet()
            try await fleet.add("edge-1")
            let hq = fleet["hq"]
            _ = try await hq.changeMember("edge-1", MemberChange(role: "forwarder"))
            #expect(try await member("edge-1", at: hq)?.role == "forwarder")
            _ = try await hq.changeMember("edge-1", MemberChange(role: "admin"))
            try await fleet.waitUntilAlike()
            // What it says now counts, and goes on counting when it is no admin any more.
            _ = try await fleet["edge-1"].changeMember("edge-1", MemberChange(labels: ["by=itself"]))
            try await fleet.waitUntilAlike()
            #expect(await refusal { _ = try await hq.changeMember("hq", MemberChange(role: "member")) } == .conflict)
            _ = try await hq.changeMember("edge-1", MemberChange(role: "member"))
            try await fleet.waitUntilAlike()
            let left = try #require(try await member("edge-1", at: hq))
            #expect(left.role == "member" && left.labels == ["by=itself"])
            #expect(
                await refusal {
                    _ = try await fleet["edge-1"].changeMember("edge-1", MemberChange(labels: ["a=b"]))
                } == .notAdmin)
            #expect(
                await refusal { _ = try await hq.changeMember("edge-1", MemberChange(role: "admin")) } == .conflict)
            try await fleet.stop()
        }

        /// Who is there has all the time that it needs to follow a removal.
        private static let patient: GatewayTuning = {
            var tuning = GatewayTuning()
            tuning.removalPatience = .seconds(120)
            return tuning
        }()

        /// The new hardware has the name, the label and the tunnel; the old one is out and stays out.
        @Test(arguments: [false, true]) func newHardwareTakesAPlace(isCut: Bool) async throws {
            let fleet = try await Fleet(tuning: Self.patient)
            let target = try TCPServer()
            target.serveEcho()
            try await fleet.add("edge-1", InviteRequest(labels: ["kind=plc"]))
            try await fleet.add("edge-2")
            _ = try await fleet["hq"].setTunnel(
                TunnelRequest(
                    name: "out", origins: ["edge-1@127.0.0.1:0"], destinations: ["hq@127.0.0.1:\(target.port)"]))
            _ = try await fleet.port("out", at: "edge-1")
            let old = try #require(try await member("edge-1", at: fleet["hq"]))
            if isCut {
                let change = try await fleet["hq"].cutMember("edge-1")
                #expect(change.notAcknowledged.filter { $0 != "edge-1" }.isEmpty)
                #expect(try await !fleet["hq"].status().peers.contains { $0.id == old.gateway })
            }
            let token = try await fleet.token(InviteRequest(replaces: "edge-1"))
            try await fleet.join("spare", token: token)
            try await fleet.start("spare")
            let bytes = Pattern.bytes(1_000, seed: 3)
            let client = try await TCPSocket.connect(to: try await fleet.port("out", at: "spare"))
            try await client.send(bytes)
            #expect(try await client.receive(exactly: bytes.count) == bytes)
            let new = try #require(try await member("edge-1", at: fleet["hq"]))
            #expect(new.gateway != old.gateway && new.labels == old.labels)
            try await Polling.wait(until: "the old hardware to be out") {
                for name in ["hq", "edge-2", "spare"] {
                    let status = try await fleet[name].status()
                    guard status.peers.allSatisfy({ $0.id != old.gateway }),
                        status.group?.epoch == (isCut ? 3 : 2)
                    else { return false }
                }
                return true
            }
            // Asking again with the same key is no second member, and the old hardware has no way back.
            try await fleet.stop("spare")
            try FileManager.default.removeItem(atPath: fleet.state("spare") + "/group.state")
            try await fleet.join("spare", token: token)
            try await fleet.start("spare")
            _ = try await fleet.port("out", at: "spare")
            #expect(try await fleet["hq"].members().count == 3)
            try await fleet.stop("edge-1")
            let refused = try await refusedCalls(at: fleet["hq"])
            try await fleet.start("edge-1")
            try await Polling.wait(until: "the old hardware to have called in vain") {
                try await refusedCalls(at: fleet["hq"]) > refused
            }
            #expect(try await fleet["edge-1"].status().peers.allSatisfy { $0.state != .connected })
            try await fleet.stop()
        }

        /// Calls that were opened and are no member's.
        private func refusedCalls(at gateway: Gateway) async throws -> UInt64 {
            try await gateway.status().drops["veil_unknown_peer"] ?? 0
        }

        @Test func allSeeWhoIsThere() async throws {
            let fleet = try await Fleet(tuning: Self.patient)
            for name in ["edge-1", "edge-2", "edge-3"] { try await fleet.add(name) }
            try await Polling.wait(until: "all to be seen by all") {
                for name in ["hq", "edge-1", "edge-2", "edge-3"] {
                    let members = try await fleet[name].members()
                    guard
                        members.allSatisfy({ $0.presence.online && $0.presence.version == DXVersion.current })
                    else { return false }
                }
                return true
            }
            #expect(try await member("edge-1", at: fleet["hq"])?.presence.path == .lan)
            try await fleet.stop("edge-3")
            try await Polling.wait(until: "the others to miss it") {
                for name in ["hq", "edge-1", "edge-2"] {
                    guard let presence = try await member("edge-3", at: fleet[name])?.presence, !presence.online,
                        presence.lastSeen != nil
                    else { return false }
                }
                return true
            }
            // Who has heard of a removal is known, and who has not.
            try await fleet.add("edge-4")
            try await fleet.waitUntilAlike()
            let change = try await fleet["hq"].removeMember("edge-4")
            #expect(change.notAcknowledged == ["edge-3"])
            try await fleet.stop()
        }

        /// When the other gateway with a peer's key was heard last.
        private func heardTwin(of name: String, at gateway: Gateway) async throws -> Instant {
            try await gateway.onLoop { core in core.peers.first { $0.name == name }?.twin?.at ?? .zero }
        }

        /// A copied state directory: whoever meets both says so, and stays with one of them.
        @Test func twoGatewaysWithOneKeyAreTold() async throws {
            let fleet = try await Fleet()
            for name in ["edge-1", "edge-2"] { try await fleet.add(name) }
            try await fleet.stop("edge-1")
            try fleet.copyState(from: "edge-1", to: "twin")
            try await fleet.start("edge-1")
            try await Polling.wait(until: "edge-1 to be there") {
                try await fleet["hq"].status().peers.first { $0.name == "edge-1" }?.state == .connected
            }
            try await fleet.start("twin")
            try await Polling.wait(until: "hq to tell of both") {
                let group = try await fleet["hq"].status().group
                return group?.problems.contains { $0.hasPrefix("edge-1 runs twice with one key, at 127.0.0.1:") }
                    ?? false
            }
            let error = try await fleet["hq"].status().peers.first { $0.name == "edge-1" }?.lastError ?? ""
            #expect(error.hasPrefix("its key is used twice, at 127.0.0.1:"))
            try await Polling.wait(until: "members to tell each other") {
                try await member("edge-1", at: fleet["edge-2"])?.presence.twiceAt.isEmpty == false
            }
            // Neither throws the other out.
            let since = try await fleet["hq"].status().peers.first { $0.name == "edge-1" }?.since
            let refused = try await heardTwin(of: "edge-1", at: fleet["hq"])
            try await Polling.wait(until: "the twin to be refused again") {
                try await heardTwin(of: "edge-1", at: fleet["hq"]) > refused
            }
            #expect(try await fleet["hq"].status().peers.first { $0.name == "edge-1" }?.since == since)
            try await fleet.stop()
        }
    }
}
