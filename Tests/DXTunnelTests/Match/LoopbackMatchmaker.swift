import DXMatch
import DXMatchServer
import DXSecure
import DXSocket
import DXTestFiles
import DXWire
import Logging
import NIOConcurrencyHelpers
import NIOPosix
import Testing

@testable import DXTunnel

/// A matchmaker with real sockets on loopback, as `dxmatchd` is one.
final class LoopbackMatchmaker: Sendable {
    private let directory = TemporaryDirectory()
    private let running: NIOLockedValueBox<Matchmaker>

    /// Starts it. `keys` are match keys as a groups file has them.
    init(serving keys: [String]) async throws {
        running = NIOLockedValueBox(try await Self.start(directory.file("state"), port: 0, keys))
    }

    private static func start(_ directory: String, port: UInt16, _ keys: [String]) async throws -> Matchmaker {
        let configuration = Matchmaker.Configuration(
            listen: MatchListen([ListenAddress(Endpoint(v4: 0x7f00_0001, port: port))], alternatePort: 0),
            groups: try groups(keys))
        return try await Matchmaker.start(
            configuration, state: MatchState(directory: directory, now: UnixClock.now()),
            logger: Logger(label: "matchmaker") { _ in SwiftLogNoOpLogHandler() },
            on: MultiThreadedEventLoopGroup.singleton.next())
    }

    private var matchmaker: Matchmaker { running.withLockedValue { $0 } }

    /// Ends it and starts it anew at its port: it has forgotten everything but its own keys.
    func restart(serving keys: [String]) async throws {
        let port = matchmaker.localEndpoints[0].port
        try await stop()
        let fresh = try await Self.start(directory.file("state"), port: port, keys)
        running.withLockedValue { $0 = fresh }
    }

    /// As a group lists it.
    var address: String { "127.0.0.1:\(matchmaker.localEndpoints[0].port)#\(matchmaker.pin)" }

    /// Serves these from now on.
    func serve(_ keys: [String]) async throws { try await matchmaker.serve(try Self.groups(keys)) }

    /// What it holds and has done.
    func status() async throws -> MatchFrontStatus { try await matchmaker.status().front }

    /// Ends it.
    func stop() async throws { try await matchmaker.stop() }

    private static func groups(_ keys: [String]) throws -> ServedGroups {
        try ServedGroups(text: keys.joined(separator: "\n"), path: "groups")
    }
}
