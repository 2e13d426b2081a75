import DXTestFiles
import Foundation
import Testing

@testable import DXTunnel

extension GroupedGatewayTests {
    /// Kinds and options of tunnels, as a group's operators ask for them.
    @Suite(.serialized) struct TunnelOptionTests {
        private let directory = TemporaryDirectory()

        private func refusal(_ body: () async throws -> Void) async -> GroupError? {
            do {
                try await body()
                return nil
            } catch { return error as? GroupError }
        }

        @Test func optionsComeThroughTheGroupAndBack() async throws {
            let fleet = try await Fleet()
            try await fleet.add("edge-1")
            let request = TunnelRequest(
                name: "t", origins: ["edge-1@unix:\(directory.file("a@1.sock")),mode=0660", "label:a=b@127.0.0.1:1"],
                destinations: ["hq@unix:\(directory.file("b.sock")),weight=2"], idleSeconds: 600, proxyProtocol: true,
                compression: "deflate")
            _ = try await fleet["hq"].setTunnel(request)
            try await fleet.waitUntilAlike()
            for name in ["hq", "edge-1"] {
                let found = try #require(try await fleet[name].groupTunnels().first?.definition)
                #expect(found.origins == request.origins && found.destinations == request.destinations)
                #expect(found.idleSeconds == 600 && found.proxyProtocol == true && found.compression == "deflate")
            }
            _ = try await Polling.wait(for: "the tunnel to be active") {
                try await fleet["edge-1"].status().tunnels.first { $0.state == .active }
            }
            #expect(TemporaryDirectory.mode(of: directory.file("a@1.sock")) == 0o660)
            // Who may connect is changed without a connection's end; what is said no more is no more.
            var plain = TunnelRequest(
                name: "t", origins: ["edge-1@unix:\(directory.file("a@1.sock"))"],
                destinations: ["hq@unix:\(directory.file("b.sock"))"])
            _ = try await fleet["hq"].setTunnel(plain)
            try await Polling.wait(until: "the mode to be the usual one") {
                TemporaryDirectory.mode(of: directory.file("a@1.sock")) == 0o600
            }
            plain = try #require(try await fleet["hq"].groupTunnels().first?.definition)
            #expect(plain.idleSeconds == nil && plain.proxyProtocol == nil && plain.compression == nil)
            _ = try await fleet["hq"].removeTunnel("t")
            try await Polling.wait(until: "the socket to be gone") {
                TemporaryDirectory.mode(of: directory.file("a@1.sock")) == nil
            }
            try await fleet.stop()
        }

        @Test func nonsenseIsRefused() async throws {
            let fleet = try await Fleet()
            try await fleet.add("edge-1")
            func ask(
                _ origin: String, _ destination: String = "hq@127.0.0.1:1",
                _ change: (inout TunnelRequest) -> Void = { _ in }
            ) async -> String? {
                var request = TunnelRequest(name: "t", origins: [origin], destinations: [destination])
                change(&request)
                return await refusal { [request] in _ = try await fleet["hq"].setTunnel(request) }
                    .map { "\($0.code) \($0.message)" }
            }
            let long = "edge-1@unix:/" + String(repeating: "a", count: 107)
            #expect(await ask(long)?.contains("has a path of 108 bytes") ?? false)
            #expect(await ask("edge-1@unix:app.sock")?.contains("does not begin with /") ?? false)
            #expect(await ask("edge-1@unix:/run/a,mode=0999")?.contains("mode=0999") ?? false)
            #expect(await ask("edge-1@unix:/run/a,weight=1")?.contains("makes no sense") ?? false)
            #expect(await ask("edge-1@127.0.0.1:1,mode=0600")?.contains("makes no sense") ?? false)
            #expect(await ask("edge-1@:1-1025")?.contains("has 1025 ports") ?? false)
            #expect(await ask("edge-1@:1-3", "hq@127.0.0.1:1-2")?.contains("different numbers of ports") ?? false)
            #expect(await ask("edge-1", "hq@127.0.0.1:1")?.contains("has no @") ?? false)
            #expect(await ask("edge-1@127.0.0.1:1") { $0.idleSeconds = 0 }?.contains("idle_timeout_s") ?? false)
            #expect(await ask("edge-1@127.0.0.1:1") { $0.compression = "gzip" }?.contains("gzip") ?? false)
            #expect(try await fleet["hq"].groupTunnels().isEmpty)
            try await fleet.stop()
        }

        /// A newer admin's tunnel is not served, is shown as it can be, and says so.
        @Test func whatANewerVersionNeedsIsNotServed() async throws {
            let fleet = try await Fleet()
            try await fleet.add("edge-1")
            var fields = RecordFields()
            fields.add(1, "new")
            fields.add(23, UInt64(77))
            fields.add(24, [1, 2, 3])
            let body = fields.encoded
            try await fleet["hq"].onLoop { core in
                let agent = core.group!
                try agent.say(.tunnel, id: MemberRecord.ID.random().bytes, body: body)
                agent.settle()
            }
            try await fleet.waitUntilAlike()
            for name in ["hq", "edge-1"] {
                let status = try await fleet[name].status()
                #expect(status.tunnels.isEmpty)
                #expect(status.group?.problems.contains { $0.hasPrefix("the tunnel new needs what") } ?? false)
                #expect(try await fleet[name].groupTunnels().map(\.definition.name) == ["new"])
            }
            let request = TunnelRequest(name: "new", origins: ["edge-1@:0"], destinations: ["hq@127.0.0.1:1"])
            let error = await refusal { _ = try await fleet["hq"].setTunnel(request) }
            #expect(error?.code == .conflict)
            // It can be switched off and on, and removed.
            _ = try await fleet["hq"].setTunnel("new", isEnabled: false)
            let kept = try await fleet["hq"].onLoop { core in core.group!.state.tunnels[0].record.body }
            #expect(try RecordFields(kept).all(24) == [[1, 2, 3]])
            _ = try await fleet["hq"].removeTunnel("new")
            #expect(try await fleet["hq"].groupTunnels().isEmpty)
            try await fleet.stop()
        }

        /// Rules for addresses say nothing of unix sockets: what is not allowed is forbidden, at both ends.
        @Test func theOwnersListForbidsUnixSocketsThatItDoesNotName() async throws {
            var settings = LocalSettings(listen: HostAddress(host: "127.0.0.1", port: 0))
            settings.policy = LocalPolicy(
                targets: [
                    try #require(LocalPolicy.Rule("*")), try #require(LocalPolicy.Rule("unix:\(directory.path)/good/")),
                ],
                listeners: [try #require(LocalPolicy.Rule("unix:\(directory.file("front.sock"))"))])
            directory.makeDirectory("good")
            let server = try TCPServer(path: directory.file("good/a.sock"))
            server.serveEcho()
            let fleet = try await Fleet()
            try await fleet.join("edge-1", token: try await fleet.token())
            try await fleet.start("edge-1", settings: settings)
            for (name, path) in [("good", "good/a.sock"), ("bad", "bad.sock")] {
                _ = try await fleet["hq"].setTunnel(
                    TunnelRequest(
                        name: name, origins: ["hq@127.0.0.1:0"], destinations: ["edge-1@unix:\(directory.file(path))"]))
            }
            for (name, address) in [
                ("mine", "unix:\(directory.file("front.sock"))"), ("taken", "unix:\(directory.file("other.sock"))"),
                ("tcp", "127.0.0.1:0"),
            ] {
                _ = try await fleet["hq"].setTunnel(
                    TunnelRequest(name: name, origins: ["edge-1@\(address)"], destinations: ["hq@127.0.0.1:1"]))
            }
            let client = try await TCPSocket.connect(to: try await fleet.port("good", at: "hq"))
            try await client.send([7])
            #expect(try await client.receive() == .bytes([7]))
            try await Polling.wait(until: "the rest to be refused by name") {
                let edge = try await fleet["edge-1"].status().tunnels
                let hq = try await fleet["hq"].status().tunnels
                let bad = hq.first { $0.name == "bad" }?.lastError ?? ""
                return bad.contains("local policy") && edge.first { $0.name == "mine" }?.state == .active
                    && edge.filter { $0.state == .failed }.map(\.name).sorted() == ["bad", "taken", "tcp"]
            }
            #expect(TemporaryDirectory.mode(of: directory.file("front.sock")) == 0o600)
            #expect(TemporaryDirectory.mode(of: directory.file("other.sock")) == nil)
            try await fleet.stop()
        }

        /// The PROXY protocol is switched on and off under open connections: these go on as they began.
        @Test func optionsChangeHot() async throws {
            let fleet = try await Fleet()
            try await fleet.add("edge-1")
            let server = try TCPServer()
            var request = TunnelRequest(
                name: "t", origins: ["edge-1@127.0.0.1:0"], destinations: ["hq@127.0.0.1:\(server.port)"])
            _ = try await fleet["hq"].setTunnel(request)
            let client = try await TCPSocket.connect(to: try await fleet.port("t", at: "edge-1"))
            let target = try await server.accept()
            request.proxyProtocol = true
            request.idleSeconds = 600
            _ = try await fleet["hq"].setTunnel(request)
            /// What the target of a new connection hears first.
            func first() async throws -> UInt8? {
                guard let port = try? await fleet.port("t", at: "edge-1"),
                    let client = try? await TCPSocket.connect(to: port)
                else { return nil }
                try? await client.send([7])
                let answer = try await Polling.wait(for: "the target or a refusal") { () -> UInt8?? in
                    if let connection = try server.acceptNow() { return try await connection.receive(exactly: 1).first }
                    if case .failed = client.receiveNow() { return .some(nil) }
                    return nil
                }
                return answer
            }
            try await Polling.wait(until: "a header to come") { try await first() == 13 }
            #expect(try await fleet["hq"].status().tunnels.first?.idleTimeoutSeconds == 600)
            request.proxyProtocol = nil
            _ = try await fleet["hq"].setTunnel(request)
            try await Polling.wait(until: "no header to come") { try await first() == 7 }
            // The first connection has never noticed.
            try await client.send([1])
            #expect(try await target.receive() == .bytes([1]))
            try await target.send([2])
            #expect(try await client.receive() == .bytes([2]))
            try await fleet.stop()
        }
    }
}
