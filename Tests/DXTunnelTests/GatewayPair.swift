import FoundationEssentials
import Glibc
import Testing

@testable import DXTunnel

/// Two real gateways on loopback, in this process: `edge` is the origin of the tunnels, `cloud` their destination. `edge`
/// calls `cloud`; both run until `stop`.
final class GatewayPair: Sendable {
    /// What the pair is like.
    struct Plan: Sendable {
        /// The tunnels in both configurations.
        var tunnels: [GatewayConfiguration.Tunnel]
        /// What `cloud`'s own file says instead, when it differs.
        var cloudTunnels: [GatewayConfiguration.Tunnel]?
        /// Where the gateways have their UDP ports.
        var host = "127.0.0.1"
        /// By which host `edge` calls `cloud`; nil for the one at which `cloud` is.
        var peerHost: String?
        /// `cloud` knows `edge`'s address too, and calls it.
        var cloudCalls = false
        /// `edge` reaches `cloud` over a `UDPForwarder`.
        var isForwarded = false
        /// The forwarder keeps a copy of all that `edge` sends, from the first datagram on.
        var isCaptured = false
        /// `cloud` has another peer of this name, which never shows up.
        var otherPeer: String?
        var limits = GatewayConfiguration.Limits()
        var tuning = GatewayTuning()
        /// `edge`'s own, when it differs.
        var edgeTuning: GatewayTuning?

        init(_ tunnels: [GatewayConfiguration.Tunnel]) { self.tunnels = tunnels }
    }

    let edgeRunner: GatewayRunner
    let cloudRunner: GatewayRunner
    /// Between the two, when the plan has one.
    let forwarder: UDPForwarder?
    private let directory: String

    var edge: Gateway { edgeRunner.gateway }
    var cloud: Gateway { cloudRunner.gateway }

    /// A tunnel from `edge` to `cloud`.
    ///
    /// - Parameter target: where it leads; nil makes the program itself the target.
    static func tunnel(
        _ name: String = "app", target: HostAddress?, listen: HostAddress? = HostAddress(host: "127.0.0.1", port: 0),
        _ change: (inout GatewayConfiguration.Tunnel) -> Void = { _ in }
    ) -> GatewayConfiguration.Tunnel {
        var tunnel = GatewayConfiguration.Tunnel(
            name: name, origins: [.init(gateway: "edge", listen: listen)],
            destinations: [.init(gateway: "cloud", target: target)])
        change(&tunnel)
        return tunnel
    }

    /// A tunnel to a port of this host, and nothing special.
    convenience init(targetPort: Int) async throws {
        try await self.init(target: HostAddress(host: "127.0.0.1", port: UInt16(targetPort)))
    }

    /// One tunnel, `app`, to `target`; nil makes the program itself the target. Starts both and waits for the tunnel.
    convenience init(
        target: HostAddress?, change: (inout GatewayConfiguration.Tunnel) -> Void = { _ in }
    ) async throws {
        try await self.init(Plan([Self.tunnel(target: target, change)]))
        try await waitUntilActive()
    }

    /// Starts both; waits for nothing.
    init(_ plan: Plan) async throws {
        directory = try Self.makeDirectory()
        let (edgeKey, cloudKey, veil) = ("\(directory)/edge.key", "\(directory)/cloud.key", "\(directory)/veil.key")
        let edgeID = try KeyFiles.createIdentity(at: edgeKey)
        let cloudID = try KeyFiles.createIdentity(at: cloudKey)
        try KeyFiles.createVeil(at: veil)
        let listen = HostAddress(host: plan.host, port: 0)
        cloudRunner = GatewayRunner(
            GatewayConfiguration(
                name: "cloud", identity: .file(path: cloudKey), veils: [.file(path: veil)], listen: listen,
                peers: [.init(name: "edge", id: edgeID)], tunnels: plan.cloudTunnels ?? plan.tunnels,
                limits: plan.limits), tuning: plan.tuning)
        edgeRunner = GatewayRunner(
            GatewayConfiguration(
                name: "edge", identity: .file(path: edgeKey), veils: [.file(path: veil)], listen: listen,
                peers: [.init(name: "cloud", id: cloudID)], tunnels: plan.tunnels, limits: plan.limits),
            tuning: plan.edgeTuning ?? plan.tuning)
        if plan.cloudCalls {
            let address = HostAddress(host: plan.host, port: UInt16(try UDPSocket.unusedPort()))
            edgeRunner.change { $0.listen = address }
            cloudRunner.change { $0.peers[0].addresses = [address] }
        }
        if let name = plan.otherPeer {
            let id = try KeyFiles.createIdentity(at: "\(directory)/other.key")
            cloudRunner.change { $0.peers.append(.init(name: name, id: id)) }
        }
        try await cloudRunner.start()
        var address = cloudRunner.address
        if let host = plan.peerHost { address = HostAddress(host: host, port: address.port) }
        if plan.isForwarded {
            let forwarder = try UDPForwarder(to: Int(address.port))
            if plan.isCaptured { forwarder.startCapturing() }
            address = HostAddress(host: "127.0.0.1", port: UInt16(forwarder.port))
            self.forwarder = forwarder
        } else {
            forwarder = nil
        }
        edgeRunner.change { [address] in $0.peers[0].addresses = [address] }
        try await edgeRunner.start()
    }

    private static func makeDirectory() throws -> String {
        let path = FileManager.default.temporaryDirectory.appending(path: "dx-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        return path
    }

    // MARK: Looking

    /// What the two gateways say of the sessions between them.
    func sessions() async throws -> [SessionCounts] {
        try await [edge.onLoop(SessionCounts.init), cloud.onLoop(SessionCounts.init)]
    }

    /// Waits until each gateway has one session and both have the same.
    func waitUntilOneSession() async throws {
        try await Polling.wait(until: "one session to be left") {
            let counts = try await sessions()
            return counts.allSatisfy { $0.attached == 1 && $0.registered == 1 && !$0.isSuspended }
                && counts[0].active == counts[1].active
        }
    }

    /// Waits until every tunnel of the origin is active.
    func waitUntilActive() async throws {
        try await Polling.wait(until: "the tunnels to be active") {
            try await edge.status().tunnels.allSatisfy { $0.state == .active }
        }
    }

    /// Waits until the origin's gateway has lost its peer.
    func waitUntilUnhealthy() async throws {
        try await Polling.wait(until: "the peer to be lost") { try await !edge.status().isHealthy }
    }

    /// The origin's view of a tunnel.
    func originStatus(_ name: String = "app") async throws -> TunnelStatus { try await Self.status(of: name, edge) }

    /// The destination's view of a tunnel.
    func destinationStatus(_ name: String = "app") async throws -> TunnelStatus {
        try await Self.status(of: name, cloud)
    }

    private static func status(of name: String, _ gateway: Gateway) async throws -> TunnelStatus {
        guard let status = try await gateway.status().tunnels.first(where: { $0.name == name }) else {
            throw GatewayError.unknownTunnel(name)
        }
        return status
    }

    /// Where applications connect.
    func originPort(_ name: String = "app") async throws -> Int {
        Int(try HostAddress(try await originStatus(name).listen[0]).port)
    }

    /// A new connection of an application.
    func connect(_ name: String = "app") async throws -> TCPSocket {
        try await TCPSocket.connect(to: try await originPort(name))
    }

    /// A connection that a target which accepts by hand answers.
    func echoOnce(to server: TCPServer) async throws {
        let client = try await connect()
        let target = try await server.accept()
        try await client.send([7])
        #expect(try await target.receive() == .bytes([7]))
        client.close()
        target.close()
    }

    /// Opens so many connections at once, and sends on each some 20 KB that an echoing target must give back, byte for
    /// byte, before both directions end.
    func echoThroughConnections(_ count: UInt64) async throws {
        let port = try await originPort()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<count {
                group.addTask {
                    let bytes = Pattern.bytes(20_000 + Int(index) * 7, seed: 100 + index)
                    let client = try await TCPSocket.connect(to: port)
                    async let sent: Void = client.send(bytes)
                    async let got = client.receive(exactly: bytes.count)
                    try await sent
                    #expect(try await got == bytes, "connection \(index)")
                    client.finish()
                    #expect(try await client.receive() == .end, "connection \(index)")
                }
            }
            try await group.waitForAll()
        }
    }

    /// Waits until connecting is refused, as by a port on which nothing listens.
    func waitUntilRefused(_ name: String = "app") async throws {
        let port = try await originPort(name)
        try await Polling.wait(until: "clients to be refused") {
            do {
                _ = try await TCPSocket.connect(to: port)
                return false
            } catch let failure as SocketFailure {
                return failure.code == ECONNREFUSED
            }
        }
    }

    /// Stops both, in good order, and takes their keys away.
    func stop() async throws {
        try await edgeRunner.stop()
        try await cloudRunner.stop()
        forwarder?.stop()
        try FileManager.default.removeItem(atPath: directory)
    }
}
