import ArgumentParser
import DXControl
import DXTunnel
import FoundationEssentials
import Logging
import NIOCore
import ServiceLifecycle

struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Fetch a page through a tunnel between two gateways on this machine.",
        discussion: """
            Two gateways start inside this process, on loopback, with new keys in a temporary directory. A web server
            that only one of them knows serves a page; it is fetched through the other and compared byte for byte.

              dxgateway demo
            """)

    @Flag(help: "Show what the gateways log, on standard error.")
    var verbose = false

    func run() async throws {
        let directory = try DemoDirectory()
        let logger = Logger(label: "demo") { [verbose] label in
            LineLogHandler(label: label, logLevel: verbose ? .debug : .error)
        }
        do { try await Demo(directory: directory, logger: logger).run() } catch let failure as CommandFailure {
            throw failure
        } catch {
            throw CommandFailure(.failed, "the demo failed: \(error)")
        }
    }
}

/// A directory for the demo's keys, removed with them.
private final class DemoDirectory: Sendable {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("dx-demo-\(UUID().uuidString)")
        path = url.path
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// The story that the demo tells, step by step.
private struct Demo {
    let directory: DemoDirectory
    let logger: Logger

    /// The page's length: enough datagrams that a lost or doubled one would show, and quick.
    private static let pageBytes = 4 << 20

    func run() async throws {
        say("1. Keys", "one identity for each gateway, one veil key for both")
        let edge = directory.path + "/edge-1.key"
        let cloud = directory.path + "/cloud-1.key"
        let veil = directory.path + "/group.key"
        let edgeID = try KeyFiles.createIdentity(at: edge)
        let cloudID = try KeyFiles.createIdentity(at: cloud)
        try KeyFiles.createVeil(at: veil)
        detail("edge-1 is \(edgeID)")
        detail("cloud-1 is \(cloudID)")

        let page = DemoPage.make(byteCount: Self.pageBytes)
        let server = try await DemoWebServer.start(page: page)
        say("2. A web server", "that only cloud-1 knows")
        detail("http://\(server.address)/ serves \(page.count) bytes")

        let tunnel = try GatewayConfiguration.Tunnel(
            name: "web", origins: [.init(gateway: "edge-1", listen: HostAddress("127.0.0.1:0"))],
            destinations: [.init(gateway: "cloud-1", target: HostAddress(server.address))])
        let cloudGateway = try Gateway(
            configuration: try GatewayConfiguration(
                name: "cloud-1", identity: .file(path: cloud), veils: [.file(path: veil)],
                listen: HostAddress("127.0.0.1:0"), peers: [.init(name: "edge-1", id: edgeID)], tunnels: [tunnel]),
            logger: logger)
        try await running(cloudGateway) {
            let address = try await poll("cloud-1 to listen") { try await cloudGateway.status().listen.first }
            say("3. Two gateways", "cloud-1 waits to be called, edge-1 calls it")
            detail("cloud-1 listens on UDP \(address)")
            let edgeGateway = try Gateway(
                configuration: try GatewayConfiguration(
                    name: "edge-1", identity: .file(path: edge), veils: [.file(path: veil)],
                    listen: HostAddress("127.0.0.1:0"),
                    peers: [.init(name: "cloud-1", id: cloudID, addresses: [HostAddress(address)])], tunnels: [tunnel]),
                logger: logger)
            try await running(edgeGateway) { try await fetch(through: edgeGateway, page: page) }
        }
        try await server.stop()
        say("The page came through the tunnel, byte for byte.", "")
    }

    private func fetch(through gateway: Gateway, page: [UInt8]) async throws {
        let address = try await poll("the tunnel to be active") {
            try await gateway.status().tunnels.first { $0.state == .active }?.listen.first
        }
        if let peer = try await gateway.status().peers.first {
            detail("edge-1 is connected to \(peer.name) at \(peer.remoteAddress ?? "?"), by DTLS with both keys pinned")
        }
        let roundTrip = try await gateway.ping("cloud-1")
        let (_, attoseconds) = roundTrip.components
        detail(
            "a round trip takes \(PingSummary.text(rttMicroseconds: UInt64(max(0, attoseconds / 1_000_000_000_000))))")

        say("4. The page", "fetched from edge-1, which has it from the web server behind cloud-1")
        detail("curl http://\(address)/")
        let start = ContinuousClock.now
        let fetched = try await DemoFetch.get(address)
        let elapsed = ContinuousClock.now - start
        guard fetched == page else {
            throw CommandFailure(
                .failed, "the page that came (\(fetched.count) bytes) differs from the one that was served")
        }
        let milliseconds = elapsed.components.seconds * 1_000 + elapsed.components.attoseconds / 1_000_000_000_000_000
        detail("\(fetched.count) bytes in \(milliseconds) ms, every one as it was served")

        say("5. What edge-1 says of itself", "dxgateway status")
        for line in "\(StatusReport(try await gateway.status()))".split(
            separator: "\n", omittingEmptySubsequences: false)
        {
            detail(String(line))
        }
    }

    // MARK: Running

    /// Runs a gateway while `body` runs.
    private func running(_ gateway: Gateway, _ body: @escaping @Sendable () async throws -> Void) async throws {
        let group = ServiceGroup(configuration: ServiceGroupConfiguration(services: [gateway], logger: logger))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            tasks.addTask {
                // Whatever becomes of the body, the gateway is stopped.
                do { try await body() } catch {
                    await group.triggerGracefulShutdown()
                    throw error
                }
                await group.triggerGracefulShutdown()
            }
            try await tasks.waitForAll()
        }
    }

    /// Asks until there is an answer, for at most 15 seconds: a handshake on loopback takes far less.
    private func poll<Value: Sendable>(_ what: String, _ ask: () async throws -> Value?) async throws -> Value {
        let deadline = ContinuousClock.now + .seconds(15)
        while ContinuousClock.now < deadline {
            do {
                if let value = try await ask() { return value }
            } catch GatewayError.notRunning {
                // Not yet.
            }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw CommandFailure(.failed, "waited 15 s for \(what); run dxgateway demo --verbose to see why")
    }

    // MARK: Words

    private func say(_ title: String, _ text: String) {
        Output.line(text.isEmpty ? "\n\(title)" : "\n\(title): \(text)")
    }

    private func detail(_ text: String) { Output.line(text.isEmpty ? "" : "   \(text)") }
}
