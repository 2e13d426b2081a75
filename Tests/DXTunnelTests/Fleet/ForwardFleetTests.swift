import DXSecure
import DXStream
import DXWire
import Foundation
import NIOCore
import Testing

@testable import DXTunnel

extension GroupedGatewayTests {
    /// Two members that do not reach each other, and a third one that both reach.
    @Suite(.serialized) struct ForwardFleetTests {
        /// An address at which nobody is: all that the group knows of the edges.
        private static let nowhere = HostAddress(host: "127.0.0.1", port: 9)

        private static func settings(
            advertise: [HostAddress] = [], forward: LocalSettings.Forward? = nil
        ) -> LocalSettings {
            LocalSettings(
                listen: HostAddress(host: "127.0.0.1", port: 0), advertise: advertise, lan: false, forward: forward)
        }

        /// `hq` and `hub`, which both edges reach, the edges, and a tunnel `t` from one to the other with an echo at its end. Where the
        /// edges are nobody tells them: the group has another address, and loopback is no candidate.
        private struct Scene {
            let fleet: Fleet
            let server: TCPServer
            let forwarders: [String]

            init(forwarders: [String]) async throws {
                var tuning = GatewayTuning()
                tuning.directPatience = .milliseconds(100)
                fleet = try await Fleet(settings: ForwardFleetTests.settings(), tuning: tuning)
                server = try TCPServer()
                server.serveEcho()
                self.forwarders = forwarders
                for name in ["hub", "edge-1", "edge-2"] { try await fleet.add(name) }
                for name in ["edge-1", "edge-2"] {
                    try await fleet.stop(name)
                    try await fleet.start(
                        name, settings: ForwardFleetTests.settings(advertise: [ForwardFleetTests.nowhere]))
                }
                try await Polling.wait(until: "all to know nothing but that") { [fleet] in
                    for name in ["hq", "hub", "edge-1", "edge-2"] {
                        let isMisled = try await fleet[name].onLoop { core in
                            core.peers.allSatisfy {
                                !$0.name.hasPrefix("edge") || $0.addresses == [ForwardFleetTests.nowhere]
                            }
                        }
                        guard isMisled else { return false }
                    }
                    return true
                }
                try await restart()
                _ = try await fleet["hq"].setTunnel(
                    TunnelRequest(
                        name: "t", origins: ["edge-1@127.0.0.1:0"], destinations: ["edge-2@127.0.0.1:\(server.port)"]))
            }

            /// Starts all of them anew, without memory of where the others were.
            private func restart() async throws {
                for name in ["edge-1", "edge-2", "hub", "hq"] {
                    try await fleet.stop(name)
                    try? FileManager.default.removeItem(atPath: fleet.state(name) + "/reach.state")
                }
                for name in ["hq", "hub"] {
                    let forward = forwarders.contains(name) ? LocalSettings.Forward() : nil
                    try await fleet.start(name, settings: ForwardFleetTests.settings(forward: forward))
                }
                for name in ["edge-1", "edge-2"] {
                    try await fleet.start(
                        name, settings: ForwardFleetTests.settings(advertise: [ForwardFleetTests.nowhere]))
                }
            }

            /// How `edge-1` reaches `edge-2`.
            func peer() async throws -> PeerStatus? {
                try await fleet["edge-1"].status().peers.first { $0.name == "edge-2" }
            }

            func connect() async throws -> TCPSocket { try await .connect(to: try await fleet.port("t", at: "edge-1")) }

            func echo(_ client: TCPSocket, seed: UInt64, byteCount: Int = 300_000) async throws {
                let bytes = Pattern.bytes(byteCount, seed: seed)
                async let sent: Void = client.send(bytes)
                #expect(try await client.receive(exactly: bytes.count) == bytes)
                try await sent
            }

            func forwarding(_ name: String) async throws -> ForwardingStatus? {
                try await fleet[name].status().forwarding
            }
        }

        /// Bytes go both ways through the member that forwards, which is named; a direct way takes over without a break as soon as there
        /// is one.
        @Test func aMemberForwardsUntilThereIsADirectWay() async throws {
            let scene = try await Scene(forwarders: ["hq"])
            let client = try await scene.connect()
            try await scene.echo(client, seed: 1)
            let peer = try #require(try await scene.peer())
            #expect(peer.pathKind == .forwarded && peer.forwardedBy == "hq" && peer.remoteAddress == nil)
            let explanation = try await scene.fleet["edge-1"].explain("edge-2")
            #expect(explanation.conclusion.hasPrefix("forwarded by hq, because "))
            #expect(explanation.connection?.remote == "through hq" && explanation.connection?.found == .member)
            let hq = try #require(try await scene.forwarding("hq"))
            #expect(hq.isWilling && hq.bytesPassed > 600_000 && hq.pairs >= 1)
            let hub = try await scene.forwarding("hub")
            #expect(hub?.isWilling != true && hub?.bytesPassed ?? 0 == 0)
            // The member that forwards says so to the others, and that the two are not its own peers' direct ones.
            try await Polling.wait(until: "edge-2 to be seen as forwarded") {
                try await scene.fleet["hub"].onLoop { core in
                    core.group?.presence.notes.values.contains { note in note.links.contains { $0.kind == .forwarded } }
                        ?? false
                }
            }
            try await directWay(scene)
            try await Polling.wait(until: "the direct way to be used") {
                try await scene.peer()?.pathKind == .lan
            }
            let passed = try await scene.forwarding("hq")?.bytesPassed ?? 0
            try await scene.echo(client, seed: 2)
            // What was on its way, and no more.
            #expect(try await scene.forwarding("hq")?.bytesPassed ?? 0 < passed + 100_000)
            #expect(try await scene.peer()?.forwardedBy == nil)
            client.close()
            try await scene.fleet.stop()
        }

        /// Has both find a way between their sockets, as an introduction does.
        private func directWay(_ scene: Scene) async throws {
            var places: [String: Endpoint] = [:]
            for name in ["edge-1", "edge-2"] {
                places[name] = try await scene.fleet[name].onLoop { $0.boundEndpoints.first }
            }
            for (name, other) in [("edge-1", "edge-2"), ("edge-2", "edge-1")] {
                let (base, remote) = (try #require(places[name]), try #require(places[other]))
                try await scene.fleet[name].onLoop { core in
                    let link = core.peers.first { $0.name == other }
                    link?.onWay(PeerLink.Way(base: base, remote: remote, priority: 1), now: core.currentTime())
                }
            }
        }

        /// When the member that forwards goes away another one takes its place, under an open connection; after the last one it is said
        /// that there is none.
        @Test func anotherMemberTakesOver() async throws {
            let scene = try await Scene(forwarders: ["hq", "hub"])
            let client = try await scene.connect()
            try await scene.echo(client, seed: 1)
            let first = try #require(try await scene.peer()?.forwardedBy)
            let second = first == "hq" ? "hub" : "hq"
            try await scene.fleet.stop(first)
            try await scene.echo(client, seed: 2)
            try await Polling.wait(until: "the other one to forward") {
                try await scene.peer()?.forwardedBy == second
            }
            client.close()
            try await scene.fleet.stop(second)
            try await Polling.wait(until: "edge-2 to be out of reach") {
                let explanation = try await scene.fleet["edge-1"].explain("edge-2")
                return explanation.conclusion.hasSuffix("no member that reaches both forwards")
            }
            try await scene.fleet.stop()
        }

        /// Nobody forwards unless told to, whatever it is asked.
        @Test func nobodyForwardsUnasked() async throws {
            let scene = try await Scene(forwarders: [])
            try await Polling.wait(until: "edge-1 to be connected with hq, and in vain with edge-2") {
                try await scene.fleet["edge-1"].onLoop { core in
                    core.peers.contains { $0.name == "hq" && $0.isHeard }
                        && core.peers.contains { $0.name == "edge-2" && $0.hasFailed && !$0.isConnected }
                }
            }
            let ways = try await scene.fleet["edge-1"].onLoop { core in
                core.peers.first { $0.name == "edge-2" }.map { core.forwarding.ways(to: $0.id) } ?? []
            }
            #expect(ways.isEmpty)
            try await say(
                scene, at: "edge-1", to: "hq", flow: .pass, naming: "edge-2", [UInt8](repeating: 7, count: 100))
            try await Polling.wait(until: "hq to refuse") {
                try await scene.fleet["hq"].onLoop { $0.forwarding.refusals[.off] == 1 }
            }
            #expect(try await scene.peer()?.state != .connected)
            try await scene.fleet.stop()
        }

        // MARK: Hostile frames

        /// Has a member say to another one by hand what its program would not.
        private func say(
            _ scene: Scene, at name: String, to other: String, flow: ForwardMessage.Flow, naming member: String,
            _ datagram: [UInt8]
        ) async throws {
            try await Polling.wait(until: "\(name) to have a channel with \(other)") {
                try await scene.fleet[name].onLoop { core in core.peers.first { $0.name == other }?.channel != nil }
            }
            try await scene.fleet[name].onLoop { core in
                let id = member == name ? core.ownID : core.peers.first { $0.name == member }?.id
                let tag = id.map(PresenceTag.init) ?? PresenceTag(value: 0x0bad)
                guard let channel = core.peers.first(where: { $0.name == other })?.channel else { return }
                var bytes = ByteBuffer(integer: tag.value)
                bytes.writeBytes(datagram)
                try channel.transport.sendMessage(flow: flow.rawValue, bytes, now: core.currentTime())
                core.mark(channel)
            }
        }

        /// What goes against the rules is dropped and counted by its reason, at the member that forwards and at those that it
        /// forwards to; what is forwarded meanwhile goes on.
        @Test func whatGoesAgainstTheRulesIsDropped() async throws {
            let scene = try await Scene(forwarders: ["hq"])
            let client = try await scene.connect()
            try await scene.echo(client, seed: 1)
            let junk = [UInt8](repeating: 7, count: 100)
            for name in ["edge-1", "hq", "stranger"] {
                try await say(scene, at: "edge-1", to: "hq", flow: .pass, naming: name, junk)
            }
            try await say(scene, at: "edge-1", to: "hq", flow: .pass, naming: "edge-2", [])
            try await Polling.wait(until: "hq to refuse") {
                let refused = try await scene.fleet["hq"].onLoop { $0.forwarding.refusals }
                return [.toSender, .toItself, .notConnected, .malformed].allSatisfy { refused[$0] ?? 0 >= 1 }
            }
            // From one that does not forward, as if it did; and from one that does, of itself, of the receiver, of a stranger.
            let before = try await scene.forwarding("edge-1")?.datagramsRefused ?? 0
            try await say(scene, at: "hub", to: "edge-1", flow: .passed, naming: "edge-2", junk)
            for name in ["hq", "edge-1", "stranger"] {
                try await say(scene, at: "hq", to: "edge-1", flow: .passed, naming: name, junk)
            }
            try await Polling.wait(until: "edge-1 to refuse") {
                try await scene.forwarding("edge-1")?.datagramsRefused ?? 0 >= before + 4
            }
            // Session data of the channel with hq itself, said to be edge-2's: reflected.
            let id = try await scene.fleet["edge-1"].onLoop { core in
                core.peers.first { $0.name == "hq" }?.channel?.sessionInUse?.ids.first?.rawValue
            }
            try await say(
                scene, at: "hq", to: "edge-1", flow: .passed, naming: "edge-2",
                Array(ByteBuffer(integer: try #require(id)).readableBytesView) + junk)
            try await Polling.wait(until: "edge-1 to refuse that, too") {
                try await scene.forwarding("edge-1")?.datagramsRefused ?? 0 >= before + 5
            }
            try await scene.echo(client, seed: 2)
            client.close()
            try await scene.fleet.stop()
        }
    }
}
