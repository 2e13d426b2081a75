import Foundation
import Logging
import NIOCore
import Testing

@testable import DXTunnel

extension GroupedGatewayTests {
    /// What operators do with tunnels beyond adding them: confirming, going back, sharing out, limiting.
    @Suite(.serialized) struct GroupTunnelTests {
        private func target() throws -> (server: TCPServer, address: String) {
            let server = try TCPServer()
            server.serveEcho()
            return (server, "127.0.0.1:\(server.port)")
        }

        /// Asks over a connection which target answers: each says its own port.
        private func serveOwnPort() throws -> TCPServer {
            let server = try TCPServer()
            Task {
                while let client = try? await server.accept() {
                    try? await client.send(Array("\(server.port);".utf8))
                    client.close()
                }
            }
            return server
        }

        private func whoAnswers(_ port: Int) async throws -> Int? {
            let client = try await TCPSocket.connect(to: port)
            defer { client.close() }
            var text = ""
            while let byte = try? await client.receive(exactly: 1).first, byte != UInt8(ascii: ";") {
                text.append(Character(UnicodeScalar(byte)))
            }
            return Int(text)
        }

        private func refusal(_ body: () async throws -> Void) async -> GroupError.Code? {
            do {
                try await body()
                return nil
            } catch { return (error as? GroupError)?.code }
        }

        /// Before it runs a gateway does not know what its group has for it; while it runs it does.
        @Test func servesBeforeTheGroupIsKnown() async throws {
            let fleet = try await Fleet()
            let settings = LocalSettings(listen: HostAddress(host: "127.0.0.1", port: 0))
            await #expect(throws: GatewayError.unknownTunnel("t")) { try await fleet["hq"].serve("t") { _ in } }
            try await fleet.stop("hq")
            let gateway = try Gateway(
                stateDirectory: fleet.state("hq"), settings: settings, logger: Logger(label: "fleet"))
            try await gateway.serve("t") { _ in }
            let running = Task { try await gateway.run() }
            try await Polling.wait(until: "it to start") { (try? await gateway.status()) != nil }
            #expect(try await gateway.onLoop { $0.acceptors.keys.sorted() } == ["t"])
            running.cancel()
            try await running.value
            try await fleet.stop()
        }

        @Test func connectionsAreSharedOutByOrderAndWeight() async throws {
            let fleet = try await Fleet()
            for name in ["a", "b", "c"] { try await fleet.add(name) }
            let servers = try (0..<3).map { _ in try serveOwnPort() }
            _ = try await fleet["hq"].setTunnel(
                TunnelRequest(
                    name: "t", origins: ["hq@127.0.0.1:0"],
                    destinations: [
                        "c@127.0.0.1:\(servers[2].port),order=1", "a@127.0.0.1:\(servers[0].port),weight=3",
                        "b@127.0.0.1:\(servers[1].port)",
                    ]))
            let port = try await fleet.port("t", at: "hq")
            // All that there are, or the first would get what the second should have.
            try await Polling.wait(until: "all destinations to have activated it") {
                try await fleet["hq"].onLoop { core in
                    core.origins.first?.activeNames == ["a", "b", "c"]
                }
            }
            var counts: [Int: Int] = [:]
            for _ in 0..<16 {
                if let answer = try await whoAnswers(port) { counts[answer, default: 0] += 1 }
            }
            #expect(counts == [servers[0].port: 12, servers[1].port: 4])
            // Named, whatever the order; and those of the next order when the others are gone.
            let said = try await fleet["hq"].dial("t", to: "c").read()
            #expect(said.map { String(buffer: $0) } == "\(servers[2].port);")
            await #expect(throws: GatewayError.notADestination("hq", tunnel: "t")) {
                _ = try await fleet["hq"].dial("t", to: "hq")
            }
            for name in ["a", "b"] { try await fleet.stop(name) }
            try await Polling.wait(until: "the others to be missed") {
                try await fleet["hq"].onLoop { $0.origins.first?.activeNames == ["c"] }
            }
            #expect(try await whoAnswers(port) == servers[2].port)
            try await fleet.stop()
        }

        /// A change holds for its time, then what was there before; once confirmed for good.
        @Test func changesThatAreNotConfirmedGoBack() async throws {
            let fleet = try await Fleet()
            try await fleet.add("edge-1")
            let (first, second) = (try serveOwnPort(), try serveOwnPort())
            func request(_ target: Int, _ seconds: Int?) -> TunnelRequest {
                TunnelRequest(
                    name: "t", origins: ["edge-1@127.0.0.1:0"], destinations: ["hq@127.0.0.1:\(target)"],
                    confirmSeconds: seconds)
            }
            func waitFor(_ server: TCPServer) async throws {
                try await Polling.wait(until: "connections to go to \(server.port)") {
                    let port = try await fleet.port("t", at: "edge-1")
                    return (try? await whoAnswers(port)) == server.port
                }
            }
            /// The time of what waits is over.
            func endTrials() async throws {
                for name in ["hq", "edge-1"] {
                    try await fleet[name].onLoop { core in
                        guard let agent = core.group else { return }
                        let now = core.currentTime()
                        agent.trials = agent.trials.mapValues { _ in now }
                        agent.settle()
                    }
                }
            }
            // One that was not there before is not there afterwards.
            _ = try await fleet["hq"].setTunnel(request(first.port, 600))
            try await waitFor(first)
            try await endTrials()
            try await Polling.wait(until: "the tunnel to be gone again") {
                let (edge, hq) = (try await fleet["edge-1"].status(), try await fleet["hq"].status())
                return edge.tunnels.isEmpty && hq.tunnels.isEmpty
            }
            _ = try await fleet["hq"].setTunnel(request(first.port, nil))
            try await waitFor(first)
            _ = try await fleet["hq"].setTunnel(request(second.port, 600))
            #expect(await refusal { _ = try await fleet["hq"].setTunnel("t", isEnabled: false) } == .conflict)
            let waiting = try await fleet["hq"].groupTunnels().first?.trial
            #expect(waiting != nil)
            try await waitFor(second)
            try await endTrials()
            try await waitFor(first)
            let problems = try await fleet["hq"].status().group?.problems ?? []
            #expect(problems.contains { $0.hasPrefix("the change of the tunnel t was not confirmed") })
            // A restart does not begin the time anew.
            try await fleet.stop("edge-1")
            try await fleet.start("edge-1")
            try await waitFor(first)
            let change = try await fleet["hq"].confirm("t")
            #expect(change.changed == ["tunnel t confirmed"])
            try await waitFor(second)
            #expect(await refusal { _ = try await fleet["hq"].confirm(nil) } == .conflict)
            try await fleet.stop()
        }

        @Test func tunnelsGoBackToARevision() async throws {
            let fleet = try await Fleet()
            try await fleet.add("edge-1")
            let hq = fleet["hq"]
            func request(_ name: String, _ port: Int) -> TunnelRequest {
                TunnelRequest(name: name, origins: ["edge-1@127.0.0.1:0"], destinations: ["hq@127.0.0.1:\(port)"])
            }
            _ = try await hq.setTunnel(request("kept", 1))
            _ = try await hq.setTunnel(request("changed", 2))
            let removed = try await hq.setTunnel(request("removed", 3))
            _ = try await hq.setTunnel(request("changed", 4))
            _ = try await hq.removeTunnel("removed")
            _ = try await hq.setTunnel(request("new", 5))
            _ = try await hq.changeMember("edge-1", MemberChange(labels: ["kind=plc"]))
            let history = try await hq.groupHistory(limit: 4)
            #expect(
                history.map(\.what) == [
                    "member edge-1 changed", "tunnel new added", "tunnel removed removed", "tunnel changed changed",
                ])
            #expect(history.allSatisfy { $0.by == "hq" && $0.time != nil && $0.inForce })
            let change = try await hq.rollBack(to: removed.revision)
            #expect(change.changed.count == 3)
            try await fleet.waitUntilAlike()
            let tunnels = try await fleet["edge-1"].groupTunnels()
            #expect(tunnels.map(\.definition.name) == ["changed", "kept", "removed"])
            #expect(tunnels.first?.definition.destinations == ["hq@127.0.0.1:2"])
            // Members stay as they are, and going back can be undone like anything else.
            #expect(try await hq.members().first { $0.name == "edge-1" }?.labels == ["kind=plc"])
            #expect(await refusal { _ = try await hq.rollBack(to: change.revision) } == .badRequest)
            _ = try await hq.rollBack(to: change.revision - 1)
            // What is not held any more is not made up.
            for port in 10..<20 { _ = try await hq.setTunnel(request("kept", port)) }
            #expect(await refusal { _ = try await hq.rollBack(to: removed.revision) } == .conflict)
            try await fleet.stop()
        }

        @Test func aCheckpointForgetsWhatIsNotInForce() async throws {
            let fleet = try await Fleet()
            for name in ["edge-1", "edge-2"] { try await fleet.add(name) }
            let hq = fleet["hq"]
            let used = try await fleet.token()
            try await fleet.join("edge-3", token: used)
            _ = try await hq.removeMember("edge-3")
            for port in 1...9 {
                _ = try await hq.setTunnel(
                    TunnelRequest(name: "t", origins: ["edge-1@127.0.0.1:0"], destinations: ["hq@127.0.0.1:\(port)"]))
            }
            try await fleet.waitUntilAlike()
            try await fleet.stop("edge-2")
            let before = try await hq.groupRecords().count
            _ = try await hq.makeCheckpoint()
            // Whoever slept brings nothing back, and the token of whoever was removed is no way in.
            try await fleet.start("edge-2")
            try await fleet.waitUntilAlike()
            #expect(try await fleet["edge-2"].groupRecords().count < before - 3)
            #expect(try await hq.members().map(\.name) == ["edge-1", "edge-2", "hq"])
            #expect(try await fleet["edge-2"].groupTunnels().map(\.definition.destinations) == [["hq@127.0.0.1:9"]])
            await #expect(throws: (any Error).self) {
                try FileManager.default.removeItem(atPath: fleet.state("edge-3") + "/group.state")
                try await fleet.join("edge-3", token: used, patience: .seconds(3))
            }
            try await fleet.stop()
        }

        /// The group says otherwise, and the gateway's owner has the last word.
        @Test func theOwnerHasTheLastWord() async throws {
            let (allowed, other) = (try target(), try target())
            let listen = try TCPServer.unusedPort()
            var settings = LocalSettings(listen: HostAddress(host: "127.0.0.1", port: 0))
            settings.policy = LocalPolicy(
                targets: [try #require(LocalPolicy.Rule(allowed.address))],
                listeners: [try #require(LocalPolicy.Rule("127.0.0.1:\(listen)"))])
            let fleet = try await Fleet()
            try await fleet.join("edge-1", token: try await fleet.token())
            try await fleet.start("edge-1", settings: settings)
            for (name, address) in [("good", allowed.address), ("bad", other.address)] {
                _ = try await fleet["hq"].setTunnel(
                    TunnelRequest(name: name, origins: ["hq@127.0.0.1:0"], destinations: ["edge-1@\(address)"]))
            }
            let name = "localhost:\(other.server.port)"
            _ = try await fleet["hq"].setTunnel(
                TunnelRequest(name: "named", origins: ["hq@127.0.0.1:0"], destinations: ["edge-1@\(name)"]))
            for (name, port) in [("mine", listen), ("taken", try TCPServer.unusedPort())] {
                _ = try await fleet["hq"].setTunnel(
                    TunnelRequest(
                        name: name, origins: ["edge-1@127.0.0.1:\(port)"], destinations: ["hq@\(other.address)"]))
            }
            let bytes = Pattern.bytes(1_000, seed: 1)
            for (tunnel, gateway) in [("good", "hq"), ("mine", "edge-1")] {
                let client = try await TCPSocket.connect(to: try await fleet.port(tunnel, at: gateway))
                try await client.send(bytes)
                #expect(try await client.receive(exactly: bytes.count) == bytes)
            }
            try await Polling.wait(until: "the rest to be refused by name") {
                let edge = try await fleet["edge-1"].status().tunnels
                let hq = try await fleet["hq"].status().tunnels
                func error(_ list: [TunnelStatus], _ name: String) -> String {
                    list.first { $0.name == name }?.lastError ?? ""
                }
                return error(edge, "bad").contains("local policy") && error(hq, "bad").contains("local policy")
                    && error(edge, "taken").contains("local policy")
                    && edge.filter { $0.state == .failed }.map(\.name).sorted() == ["bad", "taken"]
            }
            // A name is judged by what it leads to.
            let client = try await TCPSocket.connect(to: try await fleet.port("named", at: "hq"))
            let answer = try? await client.receive(exactly: 1)
            #expect(answer?.isEmpty ?? true)
            let named = try await fleet["edge-1"].status().tunnels.first { $0.name == "named" }
            #expect(named?.lastError?.contains("local policy") ?? false)
            try await fleet.stop()
        }

        /// An end that has come is an end everywhere; a gateway whose clock is behind opens nothing that ends.
        @Test func whatEndsStaysClosedWhereTheClockIsBehind() async throws {
            let fleet = try await Fleet()
            try await fleet.add("edge-1")
            let target = try target()
            var request = TunnelRequest(
                name: "t", origins: ["edge-1@127.0.0.1:0"], destinations: ["hq@\(target.address)"])
            request.until = Timestamp(unixMilliseconds: (Timestamp.now().wholeSeconds + 3_600) * 1_000)
            _ = try await fleet["hq"].setTunnel(request)
            _ = try await fleet.port("t", at: "edge-1")
            // An admin of the year 2096.
            try await fleet["hq"].onLoop { core in
                let agent = core.group!
                let tunnel = agent.state.tunnels[0]
                try agent.say(.tunnel, id: tunnel.id.bytes, body: tunnel.record.body, calendar: 4_000_000_000)
                agent.settle()
            }
            try await Polling.wait(until: "it to be closed at both") {
                for name in ["hq", "edge-1"] {
                    let status = try await fleet[name].status()
                    let problems = status.group?.problems ?? []
                    guard status.tunnels.isEmpty,
                        problems.contains(where: { $0.hasPrefix("this gateway's clock is behind 2096") })
                    else { return false }
                }
                return true
            }
            try await fleet.stop()
        }
    }
}
