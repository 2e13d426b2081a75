import Glibc
import Testing

@testable import DXTunnel

extension GatewayTests {
    /// Who may reach what, and by which addresses.
    @Suite struct TunnelTests {
        private func target(_ server: TCPServer) -> HostAddress {
            HostAddress(host: "127.0.0.1", port: UInt16(server.port))
        }

        /// Sends a few bytes and reads them back.
        private func echo(_ client: TCPSocket, seed: UInt64) async throws {
            let bytes = Pattern.bytes(5_000, seed: seed)
            try await client.send(bytes)
            #expect(try await client.receive(exactly: bytes.count) == bytes)
        }

        @Test func severalTunnelsLeadToTheirOwnTargets() async throws {
            let servers = try (0..<4).map { _ in try TCPServer() }
            let pair = try await GatewayPair(
                GatewayPair.Plan(
                    servers.enumerated().map { GatewayPair.tunnel("t\($0.offset)", target: target($0.element)) }))
            try await pair.waitUntilActive()
            for (index, server) in servers.enumerated() {
                let client = try await pair.connect("t\(index)")
                let target = try await server.accept()
                try await client.send([UInt8(index)])
                #expect(try await target.receive() == .bytes([UInt8(index)]))
            }
            for server in servers { #expect(try server.acceptNow() == nil) }
            try await pair.stop()
        }

        /// The destination's own file decides. It says no in the same words whether it has no such tunnel or has it for
        /// another origin.
        @Test(arguments: [false, true])
        func whatTheDestinationDoesNotListIsRefused(isForAnother: Bool) async throws {
            let server = try TCPServer()
            let allowed = GatewayPair.tunnel("good", target: target(server))
            var plan = GatewayPair.Plan([GatewayPair.tunnel(target: target(server)), allowed])
            plan.cloudTunnels = [allowed]
            if isForAnother {
                plan.otherPeer = "other"
                plan.cloudTunnels?.append(
                    GatewayPair.tunnel(target: target(server)) { $0.origins = [.init(gateway: "other")] })
            }
            let pair = try await GatewayPair(plan)
            try await Polling.wait(until: "an answer for both tunnels") {
                let (good, bad) = try await (pair.originStatus("good"), pair.originStatus())
                return good.state == .active && bad.lastError != nil
            }
            let refused = try await pair.originStatus()
            #expect(refused.state == .waiting)
            #expect(refused.lastError == "cloud: the destination has no tunnel of this name for this origin")
            #expect(try await pair.cloud.status().drops["refused_activations"] == 1)
            await #expect(throws: SocketFailure(code: ECONNREFUSED)) { _ = try await pair.connect() }
            await #expect(throws: GatewayError.notConnected("cloud")) { _ = try await pair.edge.dial("app") }
            // The one that is allowed works beside it.
            let client = try await pair.connect("good")
            try await client.send([1])
            #expect(try await server.accept().receive() == .bytes([1]))
            try await pair.stop()
        }

        @Test func everythingOverIPv6() async throws {
            let server = try TCPServer(isIPv6: true)
            server.serveEcho()
            let loopback = HostAddress(host: "::1", port: 0)
            var plan = GatewayPair.Plan([
                GatewayPair.tunnel(target: HostAddress(host: "::1", port: UInt16(server.port)), listen: loopback)
            ])
            plan.host = "::1"
            let pair = try await GatewayPair(plan)
            try await pair.waitUntilActive()
            let client = try await TCPSocket.connect(to: try await pair.originPort(), isIPv6: true)
            try await echo(client, seed: 1)
            #expect(try await pair.edge.status().peers[0].remoteAddress?.hasPrefix("[::1]:") ?? false)
            try await pair.stop()
        }

        /// Names for the target, the listener and the peer; an empty host for both IP versions.
        @Test func everythingByName() async throws {
            let server = try TCPServer()
            server.serveEcho()
            var plan = GatewayPair.Plan([
                GatewayPair.tunnel(
                    "named", target: HostAddress(host: "localhost", port: UInt16(server.port)),
                    listen: HostAddress(host: "localhost", port: 0)),
                GatewayPair.tunnel("any", target: target(server), listen: HostAddress(host: "", port: 0)),
            ])
            plan.host = ""
            plan.peerHost = "localhost"
            let pair = try await GatewayPair(plan)
            try await pair.waitUntilActive()
            let listen = try await pair.originStatus("named").listen
            for text in listen {
                let address = try HostAddress(text)
                let client = try await TCPSocket.connect(to: Int(address.port), isIPv6: address.host.contains(":"))
                try await echo(client, seed: 2)
            }
            for isIPv6 in [false, true] {
                let client = try await TCPSocket.connect(to: try await pair.originPort("any"), isIPv6: isIPv6)
                try await echo(client, seed: 3)
            }
            try await pair.stop()
        }
    }
}
