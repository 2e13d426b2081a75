import DXSecure
import DXSocket
import DXWire
import Foundation
import Testing

@testable import DXTunnel

extension GroupedGatewayTests {
    /// Members that slept while the group's secret changed come back by themselves; whoever was removed does not.
    @Suite(.serialized) struct StragglerTests {
        /// Where a gateway is, for others to call it.
        private struct Place: Sendable {
            var id: GatewayID
            var port: Int
        }

        private func place(_ name: String, in fleet: Fleet) async throws -> Place {
            try await fleet[name].onLoop { core in
                Place(
                    id: core.secure.identity.gatewayID, port: Int(core.socket?.localEndpoints.first?.port ?? 0))
            }
        }

        private func epochs(_ name: String, in fleet: Fleet) async throws -> [UInt64] {
            try await fleet[name].onLoop { $0.group?.epochs.map(\.number) ?? [] }
        }

        /// Three of twenty were off while five were removed, one after the other, and come back unaided. The removed ones go on
        /// running with their keys and all secrets of their time, call anew, and get no byte from any of the fifteen.
        @Test func stragglersReturnAndRemovedOnesDoNot() async throws {
            let fleet = try await Fleet()
            let names = (1...19).map { "edge-\($0)" }
            let (asleep, removed, awake) = (Array(names[0..<3]), Array(names[3..<8]), Array(names[8...]))
            let staying = ["hq"] + awake + asleep
            try await withThrowingTaskGroup(of: Void.self) { group in
                for name in names { group.addTask { try await fleet.add(name) } }
                try await group.waitForAll()
            }
            try await fleet.waitUntilAlike()
            for name in asleep { try await fleet.stop(name) }
            for (number, name) in removed.enumerated() {
                try await Polling.wait(until: "\(name) to have all secrets of its time") {
                    try await epochs(name, in: fleet) == Array(1...UInt64(number + 1))
                }
                // Without the five seconds that an operator waits, to be told that the three have not heard of it.
                _ = try await fleet["hq"].onReadyGroup { try $0.remove(name) }
            }
            for name in ["hq"] + awake {
                try await Polling.wait(until: "\(name) to have all secrets") {
                    try await epochs(name, in: fleet) == [1, 2, 3, 4, 5, 6]
                }
            }
            // Each epoch by itself says who was removed until then: the records before it may come later.
            #expect(
                try await fleet["hq"].onLoop { $0.group?.state.epochs.map(\.removes.count) } == [0, 1, 2, 3, 4, 5])
            for name in asleep { try await fleet.start(name) }
            for name in asleep {
                try await Polling.wait(until: "\(name) to have slept enough") {
                    let members = try await fleet[name].members().map(\.name)
                    return try await epochs(name, in: fleet) == [1, 2, 3, 4, 5, 6] && members == staying.sorted()
                }
            }
            // Each has the secrets up to its own removal, and no later one.
            for (number, name) in removed.enumerated() {
                #expect(try await epochs(name, in: fleet) == Array(1...UInt64(number + 1)))
            }
            try await expectNoAnswer(to: removed, in: fleet, from: staying, knownBy: asleep[0], asleep[1])
            try await restart(removed, in: fleet, unheardBy: staying)
            try await fleet.stop()
        }

        /// One that joined late, with the newest secret alone, gets those of the time before from the others: so a member that slept
        /// since then comes back although nobody else is there.
        @Test func aLateMemberLetsStragglersIn() async throws {
            let fleet = try await Fleet()
            let token = try await fleet.token()
            for name in ["edge-1", "edge-3", "edge-4"] { try await fleet.add(name) }
            // Where it is stays the same: the straggler knows no other place.
            let settings = LocalSettings(
                listen: HostAddress(host: "127.0.0.1", port: UInt16(try UDPSocket.unusedPort())))
            try await fleet.join("edge-2", token: token)
            try await fleet.start("edge-2", settings: settings)
            try await fleet.waitUntilAlike()
            try await fleet.stop("edge-1")
            for name in ["edge-3", "edge-4"] { _ = try await fleet["hq"].onReadyGroup { try $0.remove(name) } }
            try await Polling.wait(until: "the third epoch") { try await epochs("edge-2", in: fleet) == [1, 2, 3] }
            // Its disk lost the group, not the key; the answer to its joining names one secret.
            try await fleet.stop("edge-2")
            try FileManager.default.removeItem(atPath: fleet.state("edge-2") + "/group.state")
            try await fleet.join("edge-2", token: token)
            #expect(try StateDirectory(reading: fleet.state("edge-2")).epochs().map(\.number) == [3])
            try await fleet.start("edge-2", settings: settings)
            try await Polling.wait(until: "the first epoch") { try await epochs("edge-2", in: fleet) == [1, 2, 3] }
            for name in ["edge-3", "edge-4", "hq"] { try await fleet.stop(name) }
            try await fleet.start("edge-1")
            try await Polling.wait(until: "edge-1 to have slept enough") {
                let members = try await fleet["edge-1"].members().map(\.name)
                return try await epochs("edge-1", in: fleet) == [1, 2, 3] && members == ["edge-1", "edge-2", "hq"]
            }
            try await fleet.stop()
        }

        /// A straggler hears of a late epoch before it hears of the one that was made to keep its neighbour out. Once it told the
        /// neighbour the late secret; now the late epoch names whom those before it kept out, too.
        @Test func whatALateEpochSaysIsEnough() async throws {
            var tuning = GatewayTuning()
            tuning.groupUpkeepInterval = .milliseconds(100)
            let fleet = try await Fleet(tuning: tuning)
            for name in ["edge-1", "edge-2", "edge-3", "removed"] { try await fleet.add(name) }
            try await fleet.waitUntilAlike()
            for name in ["edge-1", "edge-2", "removed"] { try await fleet.stop(name) }
            for name in ["removed", "edge-3"] { _ = try await fleet["hq"].onReadyGroup { try $0.remove(name) } }
            let (records, secret) = try await fleet["hq"].onLoop { core in
                let agent = core.group!
                let records = agent.sync.document.records.values.filter { $0.key.kind == .epoch }
                return (records.sorted { $0.revision < $1.revision }, agent.epochs.last!.secret.secretBytes)
            }
            for name in ["hq", "edge-3"] { try await fleet.stop(name) }
            for name in ["edge-1", "edge-2", "removed"] { try await fleet.start(name) }
            try await Polling.wait(until: "edge-1 to have both for neighbours") {
                try await fleet["edge-1"].onLoop { $0.group?.neighbours.count } == 2
            }
            func tell(_ record: GroupRecord) async throws {
                try await fleet["edge-1"].onLoop { core in
                    let agent = core.group!
                    agent.sync.receive(.records([record]), from: agent.neighbours[0], now: core.currentTime())
                    agent.settle()
                    agent.takeEpoch(3, secret)
                }
            }
            try await tell(records[2])
            #expect(try await epochs("edge-1", in: fleet) == [1, 3])
            // Both hear of it from edge-1, and ask each tenth of a second.
            for name in ["edge-2", "removed"] {
                try await Polling.wait(until: "\(name) to hear of the third epoch") {
                    try await fleet[name].onLoop { $0.group?.state.epochs.map(\.number) } == [1, 3]
                }
            }
            try await Polling.wait(until: "edge-2 to be told") { try await epochs("edge-2", in: fleet) == [1, 3] }
            #expect(try await epochs("removed", in: fleet) == [1])
            try await fleet.stop()
        }

        /// A straggler answers nobody whom it never heard of, whatever secret he calls under: he may have come and been removed
        /// while it slept. It comes back when somebody is there whom it knows.
        @Test func aStragglerWaitsForSomebodyItKnows() async throws {
            let fleet = try await Fleet()
            for name in ["edge-1", "edge-2"] { try await fleet.add(name) }
            try await fleet.waitUntilAlike()
            try await fleet.stop("edge-1")
            _ = try await fleet["hq"].removeMember("edge-2")
            try await fleet.stop("edge-2")
            try await fleet.add("edge-3")
            try await Polling.wait(until: "edge-3 to have all secrets") {
                try await epochs("edge-3", in: fleet) == [1, 2]
            }
            try await fleet.stop("hq")
            try await fleet.start("edge-1")
            try await Polling.wait(until: "edge-3 to have called") {
                try await fleet["edge-1"].status().drops["veil_not_veiled"] ?? 0 > 0
            }
            let first = try #require(try StateDirectory(reading: fleet.state("edge-1")).epochs().first)
            let place = try await place("edge-1", in: fleet)
            let before = try await unknown("edge-1", in: fleet)
            let caller = try HandCaller(
                stateDirectory: fleet.state("edge-3"), epoch: first, peers: [place.id], socket: try UDPSocket())
            try caller.call(place.id, at: place.port)
            try await Polling.wait(until: "the call to be opened") { try await unknown("edge-1", in: fleet) > before }
            #expect(caller.socket.receiveNow() == nil)
            #expect(try await fleet["edge-1"].status().peers.allSatisfy { $0.state != .connected })
            try await fleet.start("hq")
            try await Polling.wait(until: "edge-1 to have slept enough") {
                let members = try await fleet["edge-1"].members().map(\.name)
                return try await epochs("edge-1", in: fleet) == [1, 2] && members == ["edge-1", "edge-3", "hq"]
            }
            try await fleet.stop()
        }

        /// Calls all that stay as each removed one under each secret that it has, from one socket, and then as a member under
        /// the oldest: only that is answered, so the others were not.
        private func expectNoAnswer(
            to removed: [String], in fleet: Fleet, from staying: [String], knownBy members: String...
        ) async throws {
            let socket = try UDPSocket()
            let places = try await withPlaces(staying, in: fleet)
            let peers = Set(places.values.map(\.id))
            var callers: [HandCaller] = []
            for name in removed {
                for epoch in try StateDirectory(reading: fleet.state(name)).epochs() {
                    callers.append(
                        try HandCaller(
                            stateDirectory: fleet.state(name), epoch: epoch, peers: peers, socket: socket))
                }
            }
            #expect(callers.count == 15)
            let controls = try members.map { member in
                let oldest = try #require(try StateDirectory(reading: fleet.state(member)).epochs().first)
                return try HandCaller(
                    stateDirectory: fleet.state(member), epoch: oldest, peers: peers, socket: socket)
            }
            for (name, place) in places {
                // A member does not call itself.
                let control = controls[name == members[0] ? 1 : 0]
                let before = try await unknown(name, in: fleet)
                for caller in callers { try caller.call(place.id, at: place.port) }
                try control.call(place.id, at: place.port)
                let answer = try await Polling.wait(for: "\(name) to answer the member") { socket.receiveNow() }
                // One CHALLENGE (docs/wire-format.md §3.2).
                #expect(answer.bytes.count == 78 && answer.port == place.port)
                // They were opened and looked at.
                #expect(try await unknown(name, in: fleet) >= before + UInt64(callers.count))
                #expect(socket.receiveNow() == nil)
            }
        }

        /// The removed ones' own programs, started again: they call, and hear nothing but each other.
        private func restart(_ removed: [String], in fleet: Fleet, unheardBy staying: [String]) async throws {
            let before = try await unknown("hq", in: fleet)
            let ids = Set(try await withPlaces(staying, in: fleet).values.map(\.id.text))
            for name in removed {
                try await fleet.stop(name)
                try await fleet.start(name)
            }
            // Whoever was started calls the admin.
            try await Polling.wait(until: "the removed ones to have called") {
                try await unknown("hq", in: fleet) >= before + UInt64(removed.count)
            }
            for (number, name) in removed.enumerated() {
                let peers = try await fleet[name].status().peers.filter { ids.contains($0.id) }
                #expect(!peers.isEmpty)
                #expect(peers.allSatisfy { $0.state != .connected && $0.bytesReceived == 0 })
                #expect(try await epochs(name, in: fleet) == Array(1...UInt64(number + 1)))
            }
        }

        private func withPlaces(_ names: [String], in fleet: Fleet) async throws -> [String: Place] {
            var places: [String: Place] = [:]
            for name in names { places[name] = try await place(name, in: fleet) }
            return places
        }

        /// Calls that were opened and are no member's.
        private func unknown(_ name: String, in fleet: Fleet) async throws -> UInt64 {
            try await fleet[name].status().drops["veil_unknown_peer"] ?? 0
        }
    }
}
