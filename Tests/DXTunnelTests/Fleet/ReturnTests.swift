import DXMatch
import DXSecure
import DXWire
import Foundation
import NIOCore
import Testing

@testable import DXTunnel

extension GroupedGatewayTests {
    /// Members that slept find an admin at a matchmaker, under return tags (`docs/matchmaking.md` §6), when everybody has moved
    /// meanwhile; removed ones find nobody.
    @Suite(.serialized) struct ReturnTests {
        private static let settings = LocalSettings(
            listen: HostAddress(host: "127.0.0.1", port: 0), advertise: [HostAddress(host: "127.0.0.1", port: 9)],
            lan: false, mapsPorts: false)
        private static let tuning: GatewayTuning = {
            var tuning = GatewayTuning()
            tuning.groupUpkeepInterval = .milliseconds(200)
            tuning.returnDelay = .milliseconds(500)
            tuning.matchKeepalive = .seconds(1)
            return tuning
        }()
        /// More than may begin to be expected at a time.
        private static let asleep = (1...6).map { "edge-\($0)" }
        private static let removed = ["gone-1", "gone-2", "gone-3"]
        private static let alone = asleep.map { _ in UInt16?(1) }

        /// Its members, `asleep` off, `removed` removed one after the other, hq started anew at another port; a matchmaker that
        /// serves it and has forgotten everything.
        private struct Scene {
            var fleet: Fleet
            var matchmaker: LoopbackMatchmaker
        }

        private func scene(changesKey: Bool = false) async throws -> Scene {
            let fleet = try await Fleet(settings: Self.settings, tuning: Self.tuning)
            var key = try #require(try await fleet["hq"].requireMatchKey().key)
            let matchmaker = try await LoopbackMatchmaker(serving: [key])
            _ = try await fleet["hq"].changeMatch(MatchChange(add: [matchmaker.address]))
            for name in Self.asleep + Self.removed { try await fleet.add(name) }
            try await fleet.waitUntilAlike()
            for name in Self.asleep { try await fleet.stop(name) }
            for (number, name) in Self.removed.enumerated() {
                try await waitForEpochs(Array(1...UInt64(number + 1)), name, fleet)
                _ = try await fleet["hq"].onReadyGroup { try $0.remove(name) }
            }
            for name in Self.removed { try await fleet.stop(name) }
            if changesKey {
                key = try #require(try await fleet["hq"].changeMatch(MatchChange(newKey: true)).key)
            }
            try await move("hq", fleet) { try await matchmaker.restart(serving: [key]) }
            return Scene(fleet: fleet, matchmaker: matchmaker)
        }

        /// Starts a gateway anew where nobody knows it, without what it remembers of others, and does something in between.
        private func move(_ name: String, _ fleet: Fleet, _ between: () async throws -> Void = {}) async throws {
            try await fleet.stop(name)
            try await between()
            try forget(name, fleet)
            try await fleet.start(name)
        }

        private func forget(_ name: String, _ fleet: Fleet) throws {
            let path = fleet.state(name) + "/reach.state"
            if FileManager.default.fileExists(atPath: path) { try FileManager.default.removeItem(atPath: path) }
        }

        private func waitForEpochs(_ epochs: [UInt64], _ name: String, _ fleet: Fleet) async throws {
            try await Polling.wait(until: "\(name) to have the epochs \(epochs)") {
                try await fleet[name].onLoop { $0.group?.epochs.map(\.number) } == epochs
            }
        }

        /// How many are registered under each return tag of a gateway's, itself among them.
        private func pairs(_ name: String, _ fleet: Fleet) async throws -> [UInt16?] {
            try await fleet[name].onLoop { core in
                let links = core.match?.links.filter { $0.purpose.isOfPair && $0.isWanted } ?? []
                return links.map { $0.isRegistered ? $0.client.status.memberCount : nil }
            }
        }

        private func start(_ names: [String], _ fleet: Fleet) async throws {
            for name in names {
                try forget(name, fleet)
                try await fleet.start(name)
            }
        }

        /// They were off while three were removed. Then the admin moved and the matchmaker forgot everything, and in the second case
        /// serves the group under another match key than they know: nothing but the return tags is left.
        @Test(arguments: [false, true]) func stragglersComeBack(changesKey: Bool) async throws {
            let scene = try await scene(changesKey: changesKey)
            let fleet = scene.fleet
            try await Polling.wait(until: "hq to expect all") { try await pairs("hq", fleet) == Self.alone }
            try await start(Self.asleep, fleet)
            for name in Self.asleep {
                try await waitForEpochs([1, 2, 3, 4], name, fleet)
                try await Polling.wait(until: "\(name) to know who is left") {
                    try await fleet[name].members().map(\.name) == Self.asleep + ["hq"]
                }
            }
            // Nobody is expected and nobody looked for any more.
            for name in ["hq"] + Self.asleep {
                try await Polling.wait(until: "\(name) to have given its return tags up") {
                    try await pairs(name, fleet).isEmpty
                }
            }
            // Whoever registers last is told how many there are.
            try await Polling.wait(until: "the members to be found under the group's tag") {
                var counts: [UInt16] = []
                for name in ["hq"] + Self.asleep {
                    counts += try await fleet[name].onLoop { core in
                        core.match?.links.filter(\.purpose.isOfGroup).compactMap(\.client.status.memberCount) ?? []
                    }
                }
                return counts.contains(UInt16(Self.asleep.count + 1))
            }
            try await fleet.stop()
            try await scene.matchmaker.stop()
        }

        /// A removed one has every secret of its time and looks for the admin as stragglers do. It is alone under its return tag, is
        /// introduced to nobody, and nobody answers it.
        @Test func removedOnesFindNobody() async throws {
            let scene = try await scene()
            let fleet = scene.fleet
            try await Polling.wait(until: "hq to expect all") { try await pairs("hq", fleet) == Self.alone }
            try await start(Self.removed, fleet)
            for name in Self.removed {
                try await Polling.wait(until: "\(name) to look for hq") { try await pairs(name, fleet) == [1] }
            }
            // The same place and time let a member in.
            try await start(["edge-1"], fleet)
            try await waitForEpochs([1, 2, 3, 4], "edge-1", fleet)
            let hq = try await fleet["hq"].onLoop { $0.secure.identity.gatewayID }
            for (number, name) in Self.removed.enumerated() {
                #expect(try await pairs(name, fleet) == [1])
                let (isListed, received) = try await fleet[name].onLoop { core in
                    (
                        core.match?.links.contains { $0.listings[hq] != nil },
                        core.peersByID[hq]?.isConnected ?? false
                    )
                }
                #expect(isListed == false && !received)
                let peer = try await fleet[name].status().peers.first { $0.id == hq.text }
                #expect(peer?.bytesReceived == 0)
                try await waitForEpochs(Array(1...UInt64(number + 1)), name, fleet)
            }
            // It was not told of them either.
            let known = try await fleet["hq"].onLoop { core in
                core.match?.links.filter(\.purpose.isOfPair).flatMap { $0.listings.values.map(\.key) } ?? []
            }
            for name in Self.removed {
                let key = try await fleet[name].onLoop { $0.secure.identity.publicKey }
                #expect(!known.contains(key))
            }
            try await fleet.stop()
            try await scene.matchmaker.stop()
        }

        /// Neither an admin that stays at an epoch in which all are, nor a member that has met an admin, is there under a return tag.
        @Test func nobodyLooksInVain() async throws {
            let fleet = try await Fleet(settings: Self.settings, tuning: Self.tuning)
            let key = try #require(try await fleet["hq"].requireMatchKey().key)
            let matchmaker = try await LoopbackMatchmaker(serving: [key])
            _ = try await fleet["hq"].changeMatch(MatchChange(add: [matchmaker.address]))
            for name in ["edge-1", "edge-2"] { try await fleet.add(name) }
            try await fleet.stop("edge-1")
            try await Polling.wait(until: "edge-2 to have heard all") {
                try await fleet["edge-2"].onLoop { $0.group?.sleep.isOver ?? false }
            }
            try await Polling.wait(until: "hq to have looked around") {
                try await fleet["hq"].onLoop { core in
                    core.currentTime() > core.group!.startedAt + Self.tuning.returnDelay * 3
                }
            }
            for name in ["hq", "edge-2"] {
                try await Polling.wait(until: "\(name) to want nobody") { try await pairs(name, fleet).isEmpty }
                let plan = try await fleet[name].onLoop { $0.group?.matchPlan }
                #expect(plan?.pairs.isEmpty == true)
            }
            try await fleet.stop()
            try await matchmaker.stop()
        }
    }
}
