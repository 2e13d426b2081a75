import DXSecure
import DXWire
import Foundation
import NIOCore
import Testing

@testable import DXTunnel

extension GroupedGatewayTests {
    /// An admin has another admin make invitations, tell of them and take them back.
    @Suite(.serialized) struct InviteAtTests {
        /// A request that nobody answers is there for as long as the test wants to look at it.
        private static let patient: GatewayTuning = {
            var tuning = GatewayTuning()
            tuning.requestPatience = .seconds(600)
            return tuning
        }()

        /// `hq`, the admin `hq-2`, and `edge-1`, which is none.
        private func fleet(_ tuning: GatewayTuning = GatewayTuning()) async throws -> Fleet {
            let fleet = try await Fleet(tuning: tuning)
            try await fleet.add("hq-2", InviteRequest(name: "hq-2", role: "admin"))
            try await fleet.add("edge-1")
            try await fleet.waitUntilAlike()
            _ = try await fleet["hq"].revokeInvitation(nil)
            return fleet
        }

        @Test func anotherAdminMakesIt() async throws {
            let fleet = try await fleet()
            let request = InviteRequest(name: "edge-2", labels: ["kind=plc", "a=b"], ttlSeconds: 600, at: "hq-2")
            let made = try await fleet["hq"].invite(request)
            let token = try #require(made.first?.token)
            #expect(made.count == 1 && made[0].name == "edge-2" && made[0].labels == ["a=b", "kind=plc"])
            // It is hq-2's: its key, its addresses, its book.
            let read = try InviteToken(token)
            let (key, addresses) = try await fleet["hq-2"].onLoop { core in
                (core.secure.identity.publicKey, core.group?.ownAddresses ?? [])
            }
            #expect(read.inviter == key && read.addresses == addresses)
            #expect(try await fleet["hq"].invitations().isEmpty)
            let there = try await fleet["hq-2"].invitations()
            #expect(there.map(\.id) == made.map(\.id) && there.allSatisfy { $0.token == nil })
            #expect(try await fleet["hq"].invitations(at: "hq-2") == there)
            // Whoever joins by it needs hq no more.
            try await fleet.stop("hq")
            try await fleet.join("edge-2", token: token)
            #expect(try await fleet["hq-2"].members().first { $0.name == "edge-2" }?.labels == ["a=b", "kind=plc"])
            try await fleet.stop()
        }

        @Test func theyAreTakenBackThere() async throws {
            let fleet = try await fleet()
            let hq = fleet["hq"]
            let made = try await hq.invite(InviteRequest(count: 100, at: "hq-2"))
            #expect(made.count == 100 && Set(made.compactMap(\.token)).count == 100)
            #expect(try await hq.revokeInvitation(made[0].id, at: "hq-2") == 1)
            let error = await GroupError.refusal { _ = try await hq.revokeInvitation(made[0].id, at: "hq-2") }
            #expect(error?.code == .notFound && error?.message == "hq-2: there is no invitation \(made[0].id)")
            #expect(try await hq.invitations(at: "hq-2").count == 99)
            #expect(try await hq.revokeInvitation(nil, at: "hq-2") == 99)
            #expect(try await fleet["hq-2"].invitations().isEmpty)
            // More than can be told in one answer.
            for _ in 0..<5 { _ = try await fleet["hq-2"].invite(InviteRequest(labels: ["kind=plc"], count: 1_000)) }
            let tooMany = await GroupError.refusal { _ = try await hq.invitations(at: "hq-2") }
            #expect(tooMany?.message == "hq-2: there are more invitations than can be told at once")
            try await fleet.stop()
        }

        /// Each thing that can be wrong has its own words.
        @Test func whatIsWrongIsSaid() async throws {
            let fleet = try await fleet()
            let hq = fleet["hq"]
            func ask(_ at: String, count: Int? = nil, from gateway: Gateway? = nil) async -> GroupError? {
                await GroupError.refusal { _ = try await (gateway ?? hq).invite(InviteRequest(count: count, at: at)) }
            }
            let member = await ask("edge-1")
            #expect(member?.code == .conflict && member?.message == "edge-1 is no admin")
            #expect(member?.hint == "ask one: hq, hq-2")
            #expect(await ask("nobody")?.code == .notFound)
            #expect(await ask("hq", from: fleet["edge-1"])?.code == .notAdmin)
            let many = await ask("hq-2", count: 101)
            #expect(many?.code == .badRequest && many?.message.hasPrefix("hq-2: count 101 is above") ?? false)
            #expect(await ask("hq-2", count: 0)?.message == "hq-2: count 0 is outside 1 to 1000")
            // Its own name is no other admin's.
            #expect(try await hq.invite(InviteRequest(at: "hq")).count == 1)
            try await hq.onLoop { core in
                core.peers.first { $0.name == "hq-2" }?.channel?.peerCapabilities = 0
            }
            #expect(await ask("hq-2")?.message == "hq-2 runs a version that does not know this")
            try await fleet.stop("hq-2")
            let away = await ask("hq-2")
            #expect(
                away?.code == .notConnected && away?.message.hasPrefix("hq-2 is not connected to this gateway") ?? false
            )
            try await fleet.stop()
        }

        /// Admins that are no neighbours: the channel is made for the request.
        @Test func aChannelIsMadeForIt() async throws {
            var tuning = GatewayTuning()
            tuning.groupUpkeepInterval = .milliseconds(200)
            tuning.needlessTime = .seconds(1)
            let fleet = try await Fleet(tuning: tuning)
            for number in 1...11 { try await fleet.add("a\(number)", InviteRequest(role: "admin")) }
            try await fleet.waitUntilAlike()
            // Whoever has said where it is has its place for good.
            try await Polling.wait(until: "all to have said where they are") {
                try await fleet["hq"].members().allSatisfy { !$0.addresses.isEmpty }
            }
            // One with which there is a channel for a while only, as all had asked whether they missed something.
            let far = try await Polling.wait(for: "an admin that is needless") {
                try await fleet["hq"].onLoop { core -> String? in
                    let view = core.group?.view
                    return core.peers.first {
                        view?.wanted.contains($0.id) == false && view?.wantedBy.contains($0.id) == false
                    }?.name
                }
            }
            try await Polling.wait(until: "an admin not to be connected") {
                try await fleet["hq"].members().first { $0.name == far }?.connected == false
            }
            let token = try #require(try await fleet["hq"].invite(InviteRequest(at: far)).first?.token)
            let key = try await fleet[far].onLoop { $0.secure.identity.publicKey }
            #expect(try InviteToken(token).inviter == key)
            // It was for the request only.
            try await Polling.wait(until: "the channel to be gone again") {
                try await fleet["hq"].members().first { $0.name == far }?.connected == false
            }
            try await fleet.stop()
        }

        /// Who is no admin gets nothing, and cannot answer for one.
        @Test func onlyAdminsAskAndAnswer() async throws {
            let fleet = try await fleet(Self.patient)
            let liar = try await HostileMember("edge-1", to: "hq", in: fleet)
            let exchange = try await liar.openExchange()
            try await liar.send([.request(7, AdminRequest.invite(InviteRequest()).encoded)], on: exchange)
            try await liar.send([.request(8, AdminRequest.list.encoded)], on: exchange)
            var heard: [GroupMessage] = []
            var bytes = ByteBuffer()
            while heard.count < 2, let part = try await exchange.read() {
                bytes.writeImmutableBuffer(part)
                heard += messages(&bytes, liar.group).filter { if case .answer = $0 { true } else { false } }
            }
            for case .answer(let number, let body) in heard {
                guard case .refused(let error) = try AdminAnswer(body) else {
                    Issue.record("\(number) was answered")
                    continue
                }
                #expect(error.code == .notAdmin)
            }
            #expect(try await fleet["hq"].invitations().isEmpty)
            // hq asks hq-2, which is silent; others answer in its place.
            try await fleet.stop("hq-2")
            let asking = Task { try await fleet["hq"].invite(InviteRequest(at: "hq-2")) }
            try await Polling.wait(until: "hq to ask") {
                try await fleet["hq"].onLoop { $0.group?.requests.count } == 1
            }
            let outcome = try await fleet["hq"].onLoop { core in
                let agent = try #require(core.group)
                let (number, request) = try #require(agent.requests.first)
                let forged = AdminAnswer.revoked(3).encoded
                let key = request.key
                agent.receiveAnswer(number, forged, from: liar.identity.publicKey)
                agent.receiveAnswer(number &+ 1, forged, from: key)
                // Nothing was sent yet that could be answered.
                agent.receiveAnswer(number, forged, from: key)
                return agent.requests.count
            }
            #expect(outcome == 1)
            try await fleet.stop()
            await #expect(throws: (any Error).self) { _ = try await asking.value }
        }

        /// The messages that are whole.
        private func messages(_ bytes: inout ByteBuffer, _ group: GroupID) -> [GroupMessage] {
            var messages: [GroupMessage] = []
            while true {
                let all = Array(bytes.readableBytesView)
                var reader = unsafe ByteReader(all.span.bytes)
                guard let count = try? reader.readVarInt(), reader.remaining >= Int(count) else { return messages }
                let head = all.count - reader.remaining
                let body = Array(all[head..<head + Int(count)])
                bytes.moveReaderIndex(forwardBy: head + Int(count))
                var inner = unsafe ByteReader(body.span.bytes)
                if let message = try? GroupMessage(reading: &inner, group: group) { messages.append(message) }
            }
        }

        /// Requests that wait are bounded, and end with the gateway.
        @Test func requestsAreBounded() async throws {
            let fleet = try await fleet()
            try await fleet.stop("hq-2")
            let outcomes = try await withThrowingTaskGroup(of: GroupError.Code?.self) { group in
                for _ in 0..<17 {
                    group.addTask {
                        await GroupError.refusal { _ = try await fleet["hq"].invite(InviteRequest(at: "hq-2")) }?.code
                    }
                }
                let first = try await group.next()
                try await fleet.stop("hq")
                return try await group.reduce(into: [first ?? nil]) { $0.append($1) }
            }
            #expect(outcomes.first == .conflict && outcomes.count == 17)
            #expect(outcomes.dropFirst().allSatisfy { $0 == nil })
            try await fleet.stop()
        }
    }
}
