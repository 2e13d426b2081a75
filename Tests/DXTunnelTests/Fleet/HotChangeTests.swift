import Foundation
import Testing

@testable import DXTunnel

extension GroupedGatewayTests {
    /// A tunnel changes under open connections: they go on, unless the end that they use is gone.
    @Suite(.serialized) struct HotChangeTests {
        /// Gateways `hq`, `edge-1` and `edge-2`, and a tunnel `t` from `edge-1` to a target beside `hq`.
        private struct Scene {
            let fleet: Fleet
            let server: TCPServer
            var request: TunnelRequest

            init() async throws {
                fleet = try await Fleet()
                for name in ["edge-1", "edge-2"] { try await fleet.add(name) }
                server = try TCPServer()
                server.serveEcho()
                request = TunnelRequest(
                    name: "t", origins: ["edge-1@127.0.0.1:0"], destinations: ["hq@127.0.0.1:\(server.port)"])
                try await apply()
            }

            /// Says the tunnel, and waits until all three do so.
            func apply() async throws { try await wait(for: try await fleet["hq"].setTunnel(request)) }

            /// Waits until a change is with all three.
            func wait(for change: GroupChange) async throws {
                for name in ["hq", "edge-1", "edge-2"] {
                    try await Polling.wait(until: "\(name) to follow") {
                        try await fleet[name].status().group?.revision ?? 0 >= change.revision
                    }
                }
            }

            func connect(at name: String = "edge-1") async throws -> TCPSocket {
                try await .connect(to: try await fleet.port("t", at: name))
            }

            func status(at name: String, _ role: TunnelStatus.Role) async throws -> TunnelStatus {
                let tunnels = try await fleet[name].status().tunnels
                return try #require(tunnels.first { $0.name == "t" && $0.role == role })
            }
        }

        private func echo(_ client: TCPSocket, seed: UInt64, count: Int = 50_000) async throws {
            let bytes = Pattern.bytes(count, seed: seed)
            async let sent: Void = client.send(bytes)
            #expect(try await client.receive(exactly: count) == bytes)
            try await sent
        }

        /// Whether a connection gets an answer at all.
        private func isServed(_ client: TCPSocket) async throws -> Bool {
            do { try await client.send([1]) } catch { return false }
            return try await client.receive() == .bytes([1])
        }

        @Test func limitsChangeUnderAnOpenConnection() async throws {
            var scene = try await Scene()
            let client = try await scene.connect()
            try await echo(client, seed: 1)
            let changes: [(String, (inout TunnelRequest) -> Void)] = [
                ("a rate", { $0.rate = 50_000_000 }), ("another rate", { $0.rate = 20_000_000 }),
                ("no rate", { $0.rate = nil }), ("a share", { $0.share = 200 }),
                ("a class", { $0.schedulingClass = "interactive" }),
                ("fewer connections", { $0.maximumConnections = 1 }),
                ("clients from elsewhere", { $0.allow = ["192.0.2.0/24"] }), ("from everywhere", { $0.allow = nil }),
                ("an end", { $0.until = Timestamp(unixMilliseconds: (Timestamp.now().wholeSeconds + 3_600) * 1_000) }),
                (
                    "a later end",
                    { $0.until = Timestamp(unixMilliseconds: (Timestamp.now().wholeSeconds + 7_200) * 1_000) }
                ),
                ("no end", { $0.until = nil }),
                ("an order and a weight", { $0.destinations[0] += ",order=3,weight=7" }),
                ("another origin", { $0.origins.append("edge-2@127.0.0.1:0") }),
                ("another destination", { $0.destinations.append("edge-2@127.0.0.1:1,order=9") }),
                ("one origin less", { $0.origins.removeLast() }),
                ("one destination less", { $0.destinations.removeLast() }),
            ]
            for (number, change) in changes.enumerated() {
                change.1(&scene.request)
                try await scene.apply()
                try await echo(client, seed: UInt64(number + 2))
                let origin = try await scene.status(at: "edge-1", .origin)
                let destination = try await scene.status(at: "hq", .destination)
                #expect(
                    origin.openConnections == 1 && origin.totalConnections == 1 && destination.totalConnections == 1,
                    "\(change.0)")
                #expect(origin.rateBitsPerSecond == scene.request.rate, "\(change.0)")
                #expect(destination.rateBitsPerSecond == scene.request.rate, "\(change.0)")
            }
            try await scene.fleet.stop()
        }

        /// A rate that comes holds an open connection back, one that is raised lets it go on, and one that goes lets all go that
        /// was held back, in order.
        @Test func aRateComesAndGoesUnderAnOpenConnection() async throws {
            var scene = try await Scene()
            let client = try await scene.connect()
            try await echo(client, seed: 1)
            // So slow that nothing but the first 16 KiB passes while a test runs.
            scene.request.rate = 8_000
            try await scene.apply()
            let bytes = Pattern.bytes(1_000_000, seed: 2)
            async let sent: Void = client.send(bytes)
            async let got = client.receive(exactly: bytes.count)
            try await Polling.wait(until: "the rate to hold it back") {
                try await scene.status(at: "edge-1", .origin).rateWaits ?? 0 > 0
            }
            let before = try await scene.status(at: "hq", .destination).bytesToTarget
            #expect(before < 300_000)
            scene.request.rate = 8_000_000
            try await scene.apply()
            try await Polling.wait(until: "it to go on") {
                try await scene.status(at: "hq", .destination).bytesToTarget > before + 100_000
            }
            scene.request.rate = nil
            try await scene.apply()
            try await sent
            #expect(try await got == bytes)
            client.finish()
            #expect(try await client.receive() == .end)
            try await scene.fleet.stop()
        }

        /// Fewer connections than are open ends none of them, and keeps new ones away; clients from elsewhere likewise.
        @Test func limitsAreForWhoComesNext() async throws {
            var scene = try await Scene()
            let clients = try await [scene.connect(), scene.connect()]
            for client in clients { #expect(try await isServed(client)) }
            scene.request.maximumConnections = 2
            try await scene.apply()
            #expect(try await !isServed(try await scene.connect()))
            scene.request.maximumConnections = 3
            try await scene.apply()
            let third = try await scene.connect()
            #expect(try await isServed(third))
            scene.request.allow = ["192.0.2.0/24"]
            scene.request.maximumConnections = 1
            try await scene.apply()
            #expect(try await !isServed(try await scene.connect()))
            for client in clients + [third] { #expect(try await isServed(client)) }
            scene.request.allow = ["127.0.0.0/8"]
            scene.request.maximumConnections = 4
            try await scene.apply()
            #expect(try await isServed(try await scene.connect()))
            try await scene.fleet.stop()
        }

        /// How a tunnel loses what a connection uses.
        enum Loss: String, CaseIterable {
            case removed, disabled, expired, origin, destination, target, listener, label
        }

        @Test(arguments: Loss.allCases) func connectionsEndWithTheEndsThatTheyUse(loss: Loss) async throws {
            var scene = try await Scene()
            let fleet = scene.fleet
            let other = try TCPServer()
            other.serveEcho()
            var kept = scene.request
            kept.name = "kept"
            _ = try await fleet["hq"].setTunnel(kept)
            let keeper = try await TCPSocket.connect(to: try await fleet.port("kept", at: "edge-1"))
            #expect(try await isServed(keeper))
            if loss == .label {
                try await scene.wait(
                    for: try await fleet["hq"].changeMember("edge-1", MemberChange(labels: ["kind=plc"])))
                scene.request.origins = ["label:kind=plc@127.0.0.1:0"]
                try await scene.apply()
            }
            let client = try await scene.connect()
            #expect(try await isServed(client))
            try await lose(loss, &scene, other)
            let last = try await client.receive()
            if case .bytes = last { Issue.record("\(loss): it goes on") }
            #expect(try await isServed(keeper), "\(loss)")
            // What is left of the tunnel works.
            switch loss {
            case .removed, .disabled, .expired: break
            case .origin, .label: #expect(try await isServed(try await scene.connect(at: "edge-2")))
            case .destination, .target, .listener:
                try await Polling.wait(until: "a new connection to be served") {
                    try await isServed(try await scene.connect())
                }
            }
            try await fleet.stop()
        }

        private func lose(_ loss: Loss, _ scene: inout Scene, _ other: TCPServer) async throws {
            let hq = scene.fleet["hq"]
            switch loss {
            case .removed: return try await scene.wait(for: try await hq.removeTunnel("t"))
            case .disabled: return try await scene.wait(for: try await hq.setTunnel("t", isEnabled: false))
            case .label:
                try await scene.wait(
                    for: try await hq.changeMember("edge-2", MemberChange(labels: ["kind=plc"])))
                return try await scene.wait(
                    for: try await hq.changeMember("edge-1", MemberChange(removeLabels: ["kind"])))
            case .expired:
                scene.request.until = Timestamp(unixMilliseconds: (Timestamp.now().wholeSeconds + 1) * 1_000)
            case .origin: scene.request.origins = ["edge-2@127.0.0.1:0"]
            case .destination: scene.request.destinations = ["edge-2@127.0.0.1:\(other.port)"]
            case .target: scene.request.destinations = ["hq@127.0.0.1:\(other.port)"]
            case .listener: scene.request.origins = ["edge-1@127.0.0.1:\(try TCPServer.unusedPort())"]
            }
            try await scene.apply()
        }

        /// Of a tunnel's connections only those end whose own end is gone.
        @Test func connectionsAtOtherEndsGoOn() async throws {
            var scene = try await Scene()
            let fleet = scene.fleet
            let other = try TCPServer()
            other.serveEcho()
            let ports = [try TCPServer.unusedPort(), try TCPServer.unusedPort()]
            scene.request.origins = [
                "edge-1@127.0.0.1:\(ports[0])", "edge-1@127.0.0.1:\(ports[1])", "edge-2@127.0.0.1:0",
            ]
            scene.request.destinations = ["hq@127.0.0.1:\(scene.server.port)", "edge-2@127.0.0.1:\(other.port)"]
            try await scene.apply()
            try await Polling.wait(until: "both destinations to have activated it") {
                try await fleet["edge-1"].onLoop { $0.origins.first?.activeNames == ["edge-2", "hq"] }
            }
            _ = try await fleet.port("t", at: "edge-1")
            // By turns one to each destination.
            var clients: [(listener: Int, socket: TCPSocket, isAtOther: Bool)] = []
            for listener in [0, 0, 1, 1] {
                let before = try await scene.status(at: "edge-2", .destination).totalConnections
                let client = try await TCPSocket.connect(to: ports[listener])
                #expect(try await isServed(client))
                let after = try await scene.status(at: "edge-2", .destination).totalConnections
                clients.append((listener, client, after > before))
            }
            #expect(clients.filter(\.isAtOther).count == 2)
            scene.request.origins.remove(at: 1)
            try await scene.apply()
            for client in clients { #expect(try await isServed(client.socket) == (client.listener == 0)) }
            scene.request.destinations.removeLast()
            try await scene.apply()
            for client in clients where client.listener == 0 {
                #expect(try await isServed(client.socket) == !client.isAtOther)
            }
            try await fleet.stop()
        }
    }
}
