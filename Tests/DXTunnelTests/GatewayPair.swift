import DXTunnel
import DXWire
import Foundation
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle

/// Two real gateways on loopback, in this process: `edge` is the origin of the tunnel `app`, `cloud` its destination.
///
/// `edge` calls `cloud`; both run until `stop`.
final class GatewayPair: Sendable {
    let edge: Gateway
    let cloud: Gateway
    private let edgeTask: Task<Void, any Error>
    private let cloudTask: Task<Void, any Error>
    private let directory: URL

    /// Starts both and waits until the tunnel is active.
    ///
    /// - Parameter target: where the tunnel leads; nil makes the program itself the target.
    init(target: HostAddress?, change: (inout GatewayConfiguration.Tunnel) -> Void = { _ in }) async throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("dx-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let edgeKey = directory.appendingPathComponent("edge.key").path
        let cloudKey = directory.appendingPathComponent("cloud.key").path
        let veil = directory.appendingPathComponent("veil.key").path
        let edgeID = try KeyFiles.createIdentity(at: edgeKey)
        let cloudID = try KeyFiles.createIdentity(at: cloudKey)
        try KeyFiles.createVeil(at: veil)
        var tunnel = GatewayConfiguration.Tunnel(
            name: "app",
            origins: [.init(gateway: "edge", listen: HostAddress(host: "127.0.0.1", port: 0))],
            destinations: [.init(gateway: "cloud", target: target)])
        change(&tunnel)
        let loopback = HostAddress(host: "127.0.0.1", port: 0)
        cloud = try Gateway(
            configuration: GatewayConfiguration(
                name: "cloud", identity: .file(path: cloudKey), veils: [.file(path: veil)], listen: loopback,
                peers: [.init(name: "edge", id: edgeID)], tunnels: [tunnel]), logger: Self.logger)
        let runningCloud = cloud
        cloudTask = Task { try await runningCloud.run() }
        let address = try await Self.wait { try await HostAddress(runningCloud.status().listen[0]) }
        edge = try Gateway(
            configuration: GatewayConfiguration(
                name: "edge", identity: .file(path: edgeKey), veils: [.file(path: veil)], listen: loopback,
                peers: [.init(name: "cloud", id: cloudID, addresses: [address])], tunnels: [tunnel]),
            logger: Self.logger)
        let runningEdge = edge
        edgeTask = Task { try await runningEdge.run() }
        try await waitUntilActive()
    }

    private static var logger: Logger {
        var logger = Logger(label: "test")
        logger.logLevel = ProcessInfo.processInfo.environment["DX_TEST_LOG"] == nil ? .critical : .trace
        return logger
    }

    /// Waits until the origin has activated the tunnel.
    func waitUntilActive() async throws {
        let edge = edge
        try await Self.wait { try await edge.status().tunnels[0].state == .active ? () : nil }
    }

    /// Where applications connect.
    func originPort() async throws -> Int {
        let address = try await edge.status().tunnels[0].listen[0]
        return Int(try HostAddress(address).port)
    }

    /// Stops both.
    func stop() async throws {
        edgeTask.cancel()
        cloudTask.cancel()
        _ = try? await edgeTask.value
        _ = try? await cloudTask.value
        try? FileManager.default.removeItem(at: directory)
    }

    /// Asks until there is an answer; a bound on the number of times stands in for a clock.
    @discardableResult
    static func wait<Result>(_ body: () async throws -> Result?) async throws -> Result {
        for _ in 0..<2_000 {
            if let result = try? await body() { return result }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw GatewayPairError.timedOut
    }
}

enum GatewayPairError: Error { case timedOut }
