import FoundationEssentials

@testable import DXTunnel

/// A real gateway `hub` with several event loops, and gateways `edge0`, `edge1`, … that call it, on loopback in this
/// process. Each edge has a tunnel to the hub, `in0`, `in1`, …, and the hub one to each edge, `out0`, `out1`, …; all end
/// at one target.
final class GatewayStar: Sendable {
    let hubRunner: GatewayRunner
    let edgeRunners: [GatewayRunner]
    private let directory: String

    var hub: Gateway { hubRunner.gateway }

    /// Starts all, and waits for all tunnels.
    init(
        edges: Int, threads: Int, target: HostAddress?, limits: GatewayConfiguration.Limits = .init(),
        _ change: (inout GatewayConfiguration) -> Void = { _ in }
    ) async throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "dx-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let veil = "\(directory)/veil.key"
        try KeyFiles.createVeil(at: veil)
        let hubID = try KeyFiles.createIdentity(at: "\(directory)/hub.key")
        let listen = HostAddress(host: "127.0.0.1", port: 0)
        var hubLimits = limits
        hubLimits.threads = threads
        var hubConfiguration = GatewayConfiguration(
            name: "hub", identity: .file(path: "\(directory)/hub.key"), veils: [.file(path: veil)], listen: listen,
            limits: hubLimits)
        var edgeConfigurations: [GatewayConfiguration] = []
        for number in 0..<edges {
            let name = "edge\(number)"
            let id = try KeyFiles.createIdentity(at: "\(directory)/\(name).key")
            let tunnels = [
                GatewayConfiguration.Tunnel(
                    name: "in\(number)", origins: [.init(gateway: name, listen: listen)],
                    destinations: [.init(gateway: "hub", target: target)]),
                GatewayConfiguration.Tunnel(
                    name: "out\(number)", origins: [.init(gateway: "hub", listen: listen)],
                    destinations: [.init(gateway: name, target: target)]),
            ]
            hubConfiguration.peers.append(.init(name: name, id: id))
            hubConfiguration.tunnels += tunnels
            edgeConfigurations.append(
                GatewayConfiguration(
                    name: name, identity: .file(path: "\(directory)/\(name).key"), veils: [.file(path: veil)],
                    listen: listen, peers: [.init(name: "hub", id: hubID)], tunnels: tunnels))
        }
        change(&hubConfiguration)
        hubRunner = GatewayRunner(hubConfiguration)
        edgeRunners = edgeConfigurations.map { GatewayRunner($0) }
        try await hubRunner.start()
        for runner in edgeRunners {
            runner.change { [address = hubRunner.address] in $0.peers[0].addresses = [address] }
            try await runner.start()
        }
        try await waitUntilActive()
    }

    /// Waits until every tunnel of every gateway is active.
    func waitUntilActive() async throws {
        for gateway in [hub] + edgeRunners.map(\.gateway) {
            try await Polling.wait(until: "the tunnels to be active") {
                try await gateway.status().tunnels.allSatisfy { $0.state == .active }
            }
        }
    }

    /// A new connection of an application at a tunnel's origin.
    func connect(_ tunnel: String) async throws -> TCPSocket {
        for gateway in [hub] + edgeRunners.map(\.gateway) {
            let status = try await gateway.status().tunnels.first { $0.name == tunnel && $0.role == .origin }
            if let status { return try await TCPSocket.connect(to: Int(HostAddress(status.listen[0]).port)) }
        }
        throw GatewayError.unknownTunnel(tunnel)
    }

    /// Datagrams that the hub's event loops gave one another.
    func handedOver() async throws -> UInt64 { try await hub.onEachLoop { $0.handedOver }.reduce(0, +) }

    /// Stops all, in good order, and takes their keys away.
    func stop() async throws {
        for runner in edgeRunners { try await runner.stop() }
        try await hubRunner.stop()
        try FileManager.default.removeItem(atPath: directory)
    }
}
