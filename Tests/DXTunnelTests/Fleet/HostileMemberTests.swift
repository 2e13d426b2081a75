import DXSecure
import DXStream
import DXWire
import Foundation
import NIOCore
import Testing

@testable import DXTunnel

extension GroupedGatewayTests {
    /// A member whose program lies. It is bounded, the rest of the group goes on, and status says who it is.
    @Suite(.serialized) struct HostileMemberTests {
        /// `hq` with a tunnel `t` from `edge-1` and an open connection through it, and `liar`, which is no end of it.
        private struct Scene {
            let fleet: Fleet
            let server: TCPServer
            let client: TCPSocket
            let liar: HostileMember

            init() async throws {
                fleet = try await Fleet()
                server = try TCPServer()
                server.serveEcho()
                for name in ["edge-1", "liar"] { try await fleet.add(name) }
                _ = try await fleet["hq"].setTunnel(
                    TunnelRequest(
                        name: "t", origins: ["edge-1@127.0.0.1:0"], destinations: ["hq@127.0.0.1:\(server.port)"]))
                client = try await .connect(to: try await fleet.port("t", at: "edge-1"))
                try await fleet.waitUntilAlike()
                liar = try await HostileMember("liar", to: "hq", in: fleet)
            }

            func echo(seed: UInt64) async throws {
                let bytes = Pattern.bytes(50_000, seed: seed)
                async let sent: Void = client.send(bytes)
                #expect(try await client.receive(exactly: bytes.count) == bytes)
                try await sent
            }

            /// Changes something at `hq`, and waits until `edge-1` has it.
            func expectConvergence(_ label: String) async throws {
                let change = try await fleet["hq"].changeMember("edge-1", MemberChange(labels: ["a=\(label)"]))
                try await Polling.wait(until: "edge-1 to hear of \(label)") {
                    try await fleet["edge-1"].status().group?.revision ?? 0 >= change.revision
                }
            }

            func statistics(_ name: String) async throws -> GroupSync.Statistics {
                try await fleet[name].onLoop { $0.group?.sync.statistics ?? .init() }
            }

            func problems(_ name: String) async throws -> [String] {
                try await fleet[name].status().group?.problems ?? []
            }

            func drops(_ name: String) async throws -> UInt64 {
                try await fleet["hq"].status().drops[name] ?? 0
            }

            /// What `hq` keeps.
            func expectBounded() async throws {
                let (waiting, notes, queued) = try await fleet["hq"].onLoop { core in
                    let agent = core.group
                    return (
                        agent?.sync.waitingByteCount ?? 0, agent?.presence.notes.count ?? 0,
                        agent?.secretMessages.values.map(\.count).max() ?? 0
                    )
                }
                #expect(waiting <= GroupSync.mostWaiting && notes <= 3 + PresenceMap.mostStrangers && queued <= 64)
            }
        }

        /// What nobody may refuse it to say, its own address, it says without end: a few are taken and passed on, the last one in
        /// the end, and whoever passes them on is not blamed.
        @Test func itsOwnRecordsWithoutEnd() async throws {
            let scene = try await Scene()
            let exchange = try await scene.liar.openExchange()
            let begin = ContinuousClock.now
            let before = (hq: try await scene.statistics("hq"), edge: try await scene.statistics("edge-1"))
            let id = scene.liar.identity.publicKey.bytes
            for round in 0..<20 as Range<UInt64> {
                var batch: [GroupMessage] = []
                for number in 1...250 as ClosedRange<UInt64> {
                    let port = UInt16(1 + round * 250 + number)
                    let body = AddressRecord(addresses: [HostAddress(host: "192.0.2.1", port: port)]).body
                    let record = try scene.liar.record(
                        .address, id: id, revision: 1_000 + round * 250 + number, body: body)
                    batch.append(.records([record]))
                }
                try await scene.liar.send(batch, on: exchange)
                try await scene.echo(seed: round + 1)
                if round == 10 { try await scene.expectConvergence("meanwhile") }
            }
            try await Polling.wait(until: "all to have come") {
                try await scene.statistics("hq").dropped - before.hq.dropped >= 4_000
            }
            let seconds = UInt64((ContinuousClock.now - begin).components.seconds) + 2
            let allowed = UInt64(GroupSync.addressBurst) + seconds
            // 5,000 were sent.
            #expect(try await scene.statistics("hq").looked - before.hq.looked <= allowed)
            #expect(try await scene.statistics("edge-1").looked - before.edge.looked <= allowed + 8)
            #expect(try await scene.problems("hq").contains { $0.hasPrefix("liar sent ") })
            #expect(try await !scene.problems("edge-1").contains { $0.hasPrefix("hq ") })
            // Once it ends, all come to the same.
            let body = AddressRecord(addresses: [HostAddress(host: "192.0.2.1", port: 9_999)]).body
            let last = try scene.liar.record(.address, id: id, revision: 10_000, body: body)
            func hasLast(_ name: String) async throws -> Bool {
                let member = try await scene.fleet[name].members().first { $0.name == "liar" }
                return member?.addresses == ["192.0.2.1:9999"]
            }
            try await Polling.wait(until: "hq to take the last one") {
                if try await hasLast("hq") { return true }
                let before = try await scene.statistics("hq")
                try await scene.liar.send([.records([last])], on: exchange)
                try await Polling.wait(until: "hq to have dealt with it") {
                    let now = try await scene.statistics("hq")
                    return now.looked + now.dropped > before.looked + before.dropped
                }
                return try await hasLast("hq")
            }
            try await Polling.wait(until: "edge-1 to hear of it") { try await hasLast("edge-1") }
            try await scene.fleet.stop()
        }

        /// What it may not say, what was said before and does not count any more, what nobody signed, and who is there, which is
        /// nobody.
        @Test func recordsThatItMayNotSay() async throws {
            let scene = try await Scene()
            let hq = scene.fleet["hq"]
            // Ten statements about one thing: the first six are forgotten.
            let old = try await hq.onLoop { Array($0.group!.sync.document.records.values) }
            for number in 0..<10 { try await scene.expectConvergence("\(number)") }
            let held = try await hq.groupRecords()
            let exchange = try await scene.liar.openExchange()
            let before = try await scene.statistics("hq")
            var batch: [GroupMessage] = []
            for number in 0..<2_000 as Range<UInt64> {
                batch.append(
                    .records([
                        try scene.liar.record(
                            .tunnel, id: MemberRecord.ID.random().bytes, revision: 1_000_000 + number,
                            body: TunnelRecord(name: "x\(number)").body)
                    ]))
            }
            for _ in 0..<100 { batch.append(.records(old)) }
            for number in 0..<3_000 as Range<UInt64> {
                batch.append(
                    .presence([PresenceNote(origin: PresenceTag(value: number), boot: 1, sequence: 1, version: "x")]))
            }
            for start in stride(from: 0, to: batch.count, by: 250) {
                try await scene.liar.send(Array(batch[start..<min(start + 250, batch.count)]), on: exchange)
                try await scene.echo(seed: UInt64(start))
            }
            // Signed by somebody else, as if by the admin.
            let author = try await hq.onLoop { $0.secure.identity.publicKey }
            try await Polling.wait(until: "the notes to be dropped") {
                try await scene.drops("group_notes_dropped") >= 2_900
            }
            var forged: [GroupMessage] = []
            for number in 0..<100 as Range<UInt64> {
                let own = try scene.liar.record(
                    .tunnel, id: MemberRecord.ID.random().bytes, revision: 2_000_000 + number,
                    body: TunnelRecord(name: "y").body)
                forged.append(.records([try forge(own, by: author, group: scene.liar.group)]))
            }
            try await scene.liar.send(forged, on: exchange)
            try await Polling.wait(until: "the forged ones to be refused") {
                try await scene.statistics("hq").invalid - before.invalid == UInt64(GroupSync.mostInvalid)
            }
            let after = try await scene.statistics("hq")
            #expect(after.refused - before.refused >= 2_000 && after.added == before.added)
            #expect(after.looked - before.looked <= UInt64(GroupSync.checkBurst) + 200 * 60)
            try await scene.expectBounded()
            #expect(Set(try await hq.groupRecords()) == Set(held))
            #expect(try await hq.groupTunnels().count == 1)
            #expect(try await scene.problems("hq").contains { $0.hasPrefix("liar sent ") })
            try await scene.expectConvergence("in-the-end")
            #expect(try await !scene.problems("edge-1").contains { $0.hasPrefix("hq ") })
            try await scene.fleet.stop()
        }

        /// The same record with another author, for whom the signature does not hold.
        private func forge(_ record: GroupRecord, by author: PublicKey, group: GroupID) throws -> GroupRecord {
            var bytes = record.encoded
            let own = record.author.bytes
            let places = bytes.indices.filter { bytes[$0...].starts(with: own) }
            for place in places { bytes.replaceSubrange(place..<place + own.count, with: author.bytes) }
            var reader = unsafe ByteReader(bytes.span.bytes)
            return try GroupRecord(reading: &reader, group: group)
        }

        /// Short messages that make much work, more than a gateway has time for: they wait with their sender.
        @Test func messagesWithoutEndAreHeardSlowly() async throws {
            let scene = try await Scene()
            let exchange = try await scene.liar.openExchange()
            // Reads what comes, or the victim would have to wait for it.
            let reading = Task { while try await exchange.read() != nil {} }
            let flood = Task {
                let empty = GroupMessage.list(GroupIndex.Prefix(), [])
                let summary = GroupMessage.summary(.empty)
                for _ in 0..<100_000 {
                    try await scene.liar.send(
                        Array(repeating: [empty, summary], count: 50).flatMap(\.self), on: exchange)
                }
            }
            var round: UInt64 = 0
            try await Polling.wait(until: "it to have to wait") {
                round += 1
                try await scene.echo(seed: round)
                return try await scene.drops("group_pauses") >= 8
            }
            try await scene.expectConvergence("meanwhile")
            #expect(try await scene.problems("hq").contains { $0.hasPrefix("liar sends more than") })
            // Connecting anew does not help: far fewer than at first are too many.
            flood.cancel()
            reading.cancel()
            exchange.reset()
            try await scene.liar.connectAnew()
            let before = try await scene.drops("group_pauses")
            let next = try await scene.liar.openExchange()
            try await scene.liar.send(Array(repeating: .summary(.empty), count: 4_000), on: next)
            try await Polling.wait(until: "it to have to wait again") { try await scene.drops("group_pauses") > before }
            try await scene.echo(seed: 99)
            try await scene.fleet.stop()
        }

        /// Messages that are too long, and such as cannot be read: the channel ends each time, and nothing else.
        @Test func messagesThatMakeNoSense() async throws {
            let scene = try await Scene()
            let tooLong = TunnelMessageWriter.bytes(capacity: 8) {
                $0.writeVarInt(UInt64(GroupMessage.longest + 1))
            }
            // A BRANCHES that ends early; a length that is a lie, then a digit that is none.
            let senseless: [[UInt8]] = [tooLong + [1, 2, 3], [3, 2, 0, 1], [2, 3, 9], [4, 3, 1, 99, 0]]
            for (number, bytes) in senseless.enumerated() {
                let exchange = try await scene.liar.openExchange()
                let half = try await scene.liar.gateway.onLoop { core in
                    core.peers.first { $0.name == "hq" }?.channel?.localHalf
                }
                try? await exchange.write(ByteBuffer(bytes: bytes))
                await #expect(throws: TunnelStreamError.self) {
                    while try await exchange.read() != nil {}
                }
                #expect(try await scene.drops("group_messages_malformed") == UInt64(number + 1))
                try await scene.echo(seed: UInt64(number))
                try await scene.liar.waitForChannel(otherThan: half)
            }
            #expect(try await scene.problems("hq").contains { $0.hasPrefix("liar sent what makes no sense, 4 times") })
            // One that is long and never whole takes no more than its length.
            let exchange = try await scene.liar.openExchange()
            let long = TunnelMessageWriter.bytes(capacity: 8) { $0.writeVarInt(UInt64(GroupMessage.longest)) }
            try await exchange.write(ByteBuffer(bytes: long + [UInt8](repeating: 1, count: GroupMessage.longest - 1)))
            try await scene.expectConvergence("in-the-end")
            let used = try await scene.fleet["hq"].status().memory
            #expect(used.usedBytes < 4 << 20)
            try await scene.fleet.stop()
        }

        /// A channel has one exchange; others are refused, those that are ended leave nothing.
        @Test func manyExchanges() async throws {
            let scene = try await Scene()
            let exchange = try await scene.liar.openExchange()
            let before = try await scene.drops("unknown_internal_port")
            var streams: [TunnelStream] = []
            for _ in 0..<300 { streams.append(try await scene.liar.open(GroupStream.internalPort)) }
            try await Polling.wait(until: "all of them to be refused") {
                try await scene.drops("unknown_internal_port") >= before + 300
            }
            for stream in streams {
                await #expect(throws: TunnelStreamError.reset(.refused)) { _ = try await stream.read() }
            }
            func openAtHQ() async throws -> Int {
                try await scene.fleet["hq"].status().peers.first { $0.name == "liar" }?.openStreams ?? 0
            }
            try await Polling.wait(until: "one to be left") { try await openAtHQ() == 1 }
            // Ending its half alone would have the victim keep the other.
            exchange.finish()
            var kept = [exchange]
            for _ in 0..<50 {
                kept.append(try await scene.liar.openExchange())
                kept.last?.finish()
            }
            try await Polling.wait(until: "none to be left") { try await openAtHQ() == 0 }
            #expect(kept.count == 51)
            try await scene.expectConvergence("in-the-end")
            try await scene.fleet.stop()
        }

        /// A tunnel that does not list it is closed to it: by its id, by guesses, and by the port that another one was told.
        @Test func tunnelsOfOthers() async throws {
            let scene = try await Scene()
            let hq = scene.fleet["hq"]
            let wireName = try #require(try await hq.onLoop { $0.destinations.first?.wireName })
            let before = (
                refused: try await scene.drops("refused_activations"),
                unknown: try await scene.drops("unknown_internal_port")
            )
            for (number, name) in [wireName, "t", "", String(repeating: "x", count: 255)].enumerated() {
                try await scene.liar.send(.activate(request: UInt64(number + 1) << 40, tunnel: name))
            }
            // What the destination told the rightful origin is good in that one's channel alone.
            let told = try await scene.fleet["edge-1"].onLoop { core in
                core.origins.first.flatMap { Mirror(reflecting: $0).descendant("active", 0, "internalPort") as? UInt32 }
            }
            var random = RandomSource(seed: 4)
            let guesses = [try #require(told)] + (0..<500).map { _ in UInt32(truncatingIfNeeded: random.next()) | 1 }
            var streams: [TunnelStream] = []
            for guess in guesses { streams.append(try await scene.liar.open(guess)) }
            for stream in streams {
                try? await stream.write(ByteBuffer(bytes: [1, 2, 3]))
                await #expect(throws: TunnelStreamError.reset(.refused)) { _ = try await stream.read() }
            }
            #expect(try await scene.drops("refused_activations") == before.refused + 4)
            #expect(try await scene.drops("unknown_internal_port") >= before.unknown + UInt64(guesses.count))
            let tunnel = try await hq.status().tunnels.first { $0.name == "t" }
            #expect(tunnel?.totalConnections == 1)
            try await scene.echo(seed: 1)
            try await scene.fleet.stop()
        }
    }
}
