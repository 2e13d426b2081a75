import DXSocket
import DXTestFiles
import DXWire
import NIOConcurrencyHelpers

@testable import DXTunnel

/// Three real gateways on loopback, in this process: `edge` is the origin of a tunnel `app`, `a` and `b` are its destinations in
/// that order, with a target each. `edge` calls both, `a` over a forwarder where a test wants to cut the way to it.
final class GatewayTrio: Sendable {
    let edgeRunner: GatewayRunner
    /// `a` and `b`.
    let runners: [GatewayRunner]
    /// Between `edge` and `a`, when there is one.
    let forwarder: UDPForwarder?
    private let directory: TemporaryDirectory

    var edge: Gateway { edgeRunner.gateway }
    var a: Gateway { runners[0].gateway }
    var b: Gateway { runners[1].gateway }

    /// Starts all and waits until both destinations have activated the tunnel.
    ///
    /// - Parameters:
    ///   - targets: the ports of the targets of `a` and `b`.
    ///   - openPatience: how long the first destination has for its answer. One that is silent for a moment because this machine is
    ///     busy is not what most tests are about.
    ///   - states: how the destinations are once they have activated it.
    ///   - change: what is to be special of the tunnel.
    init(
        targets: [Int], isForwarded: Bool = false, tuning: GatewayTuning = GatewayTuning(),
        openPatience: Interval = .seconds(60),
        limits: GatewayConfiguration.Limits = .init(), further: [GatewayConfiguration.Tunnel] = [],
        states: [String: DestinationStatus.State] = ["a": .ready, "b": .ready],
        change: (inout GatewayConfiguration.Tunnel) -> Void = { _ in }
    ) async throws {
        let directory = TemporaryDirectory()
        self.directory = directory
        let listen = HostAddress(host: "127.0.0.1", port: 0)
        var (limits, tuning) = (limits, tuning)
        tuning.openPatience = openPatience
        limits.threads = 1
        let veil = directory.file("veil.key")
        try KeyFiles.createVeil(at: veil)
        var tunnel = GatewayConfiguration.Tunnel(
            name: "app", origins: [.init(gateway: "edge", listen: listen)],
            destinations: zip(["a", "b"], targets).map {
                .init(gateway: $0, target: HostAddress(host: "127.0.0.1", port: UInt16($1)))
            })
        change(&tunnel)
        var ids: [String: GatewayID] = [:]
        for name in ["edge", "a", "b"] { ids[name] = try KeyFiles.createIdentity(at: directory.file("\(name).key")) }
        func configuration(_ name: String, peers: [String]) -> GatewayConfiguration {
            GatewayConfiguration(
                name: name, identity: .file(path: directory.file("\(name).key")), veils: [.file(path: veil)],
                listen: listen, peers: peers.map { .init(name: $0, id: ids[$0]!) },
                tunnels: ([tunnel] + further).filter { tunnel in
                    name == "edge" || tunnel.destinations.contains { $0.gateway == name }
                }, limits: limits)
        }
        // A destination knows the other only as a name of the tunnel.
        edgeRunner = GatewayRunner(configuration("edge", peers: ["a", "b"]), tuning: tuning)
        runners = [
            GatewayRunner(configuration("a", peers: ["edge", "b"]), tuning: tuning),
            GatewayRunner(configuration("b", peers: ["edge", "a"]), tuning: tuning),
        ]
        for runner in runners { try await runner.start() }
        forwarder = isForwarded ? try UDPForwarder(to: Int(runners[0].address.port)) : nil
        let first = forwarder.map { HostAddress(host: "127.0.0.1", port: UInt16($0.port)) } ?? runners[0].address
        edgeRunner.change { [first, second = runners[1].address] in
            $0.peers[0].addresses = [first]
            $0.peers[1].addresses = [second]
        }
        try await edgeRunner.start()
        try await waitForStates(states)
    }

    /// What the origin says of the destinations.
    func destinations() async throws -> [String: DestinationStatus] {
        let tunnel = try await edge.status().tunnels.first { $0.name == "app" }
        return Dictionary(
            (tunnel?.destinations ?? []).map { ($0.gateway, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// Waits until the origin says this of destinations.
    func waitForStates(_ states: [String: DestinationStatus.State]) async throws {
        try await Polling.wait(until: "destinations to be \(states)") {
            let known = try await destinations()
            return states.allSatisfy { known[$0.key]?.state == $0.value }
        }
    }

    /// Where applications connect.
    func port(_ name: String = "app") async throws -> Int {
        let status = try await edge.status().tunnels.first { $0.name == name }
        guard let listen = status?.listen.first else { throw GatewayError.unknownTunnel(name) }
        return Int(try HostAddress(listen).port)
    }

    /// A new connection of an application.
    func connect(_ name: String = "app") async throws -> TCPSocket {
        try await TCPSocket.connect(to: try await port(name))
    }

    /// Which target answers a new connection that asks something: each says its own port.
    func whoAnswers() async throws -> Int? { try await Self.whoAnswers(at: try await port()) }

    /// Which target answers a new connection to a port of the origin.
    static func whoAnswers(at port: Int) async throws -> Int? {
        let client = try await TCPSocket.connect(to: port)
        defer { client.close() }
        try await client.send(Array("who?".utf8))
        var text = ""
        while let byte = try? await client.receive(exactly: 1).first, byte != UInt8(ascii: ";") {
            text.append(Character(UnicodeScalar(byte)))
        }
        return Int(text)
    }

    /// The gateway `a` ends as by `kill -9`: its port is closed, and it says nothing.
    func killFirst() async throws {
        try await a.onLoop { core in
            _ = core.socket?.close()
            core.socket = nil
        }
    }

    /// Stops all.
    func stop() async throws {
        try await edgeRunner.stop()
        for runner in runners { try await runner.stop() }
        forwarder?.stop()
    }
}

/// A target that answers a question of four bytes with its own port.
final class NamedTarget: Sendable {
    private let server: NIOLockedValueBox<TCPServer>
    private let count = NIOLockedValueBox(0)
    let port: Int

    init() throws {
        let server = try TCPServer()
        port = server.port
        self.server = NIOLockedValueBox(server)
        serve(server)
    }

    private func serve(_ server: TCPServer) {
        server.serve { [port, count] connection in
            let question = try await connection.receive(exactly: 4)
            guard question == Array("who?".utf8) else { return }
            count.withLockedValue { $0 += 1 }
            try await connection.send(Array("\(port);".utf8))
            connection.finish()
            _ = try await connection.receiveAll()
        }
    }

    /// Questions that came.
    var questions: Int { count.withLockedValue { $0 } }

    /// Nobody listens there any more.
    func stop() { server.withLockedValue { $0.close() } }

    /// Listens again.
    func start() throws {
        let fresh = try TCPServer(port: port)
        server.withLockedValue { $0 = fresh }
        serve(fresh)
    }
}
