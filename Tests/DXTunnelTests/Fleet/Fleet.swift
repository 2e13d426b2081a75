import DXTestFiles
import Foundation
import Logging
import NIOConcurrencyHelpers
import Testing

@testable import DXTunnel

/// Gateways of one group on this machine, each with a state directory of its own. The first one, `hq`, made the group.
final class Fleet: Sendable {
    private struct Running {
        var gateway: Gateway
        var task: Task<Void, any Error>
    }

    private let directory = TemporaryDirectory()
    private let running = NIOLockedValueBox<[String: Running]>([:])
    private let settings: LocalSettings
    private let tuning: GatewayTuning

    /// Makes the group and starts `hq`.
    init(
        settings: LocalSettings? = nil, tuning: GatewayTuning = GatewayTuning(), recoveryFile: String? = nil
    ) async throws {
        self.settings = settings ?? LocalSettings(listen: HostAddress(host: "127.0.0.1", port: 0))
        self.tuning = tuning
        _ = try GroupCreation(group: "plant", gateway: "hq", stateDirectory: state("hq"), recoveryFile: recoveryFile)
            .run()
        try await start("hq")
    }

    /// Where a gateway's state is.
    func state(_ name: String) -> String { directory.file(name) }

    /// A gateway that runs.
    subscript(_ name: String) -> Gateway {
        guard let gateway = running.withLockedValue({ $0[name]?.gateway }) else {
            preconditionFailure("\(name) was started")
        }
        return gateway
    }

    /// Starts a gateway from its state, and waits until it runs.
    func start(_ name: String, settings: LocalSettings? = nil) async throws {
        let gateway = try Gateway(
            stateDirectory: state(name), settings: settings ?? self.settings, logger: Self.logger, tuning: tuning)
        let failure = NIOLockedValueBox<(any Error)?>(nil)
        let task = Task {
            do { try await gateway.run() } catch {
                failure.withLockedValue { $0 = error }
                throw error
            }
        }
        running.withLockedValue { $0[name] = Running(gateway: gateway, task: task) }
        try await Polling.wait(until: "\(name) to start") {
            if let failure = failure.withLockedValue({ $0 }) { throw failure }
            return (try? await gateway.status()) != nil
        }
    }

    /// Copies a gateway's memory card.
    func copyState(from name: String, to copy: String) throws {
        try FileManager.default.copyItem(atPath: state(name), toPath: state(copy))
    }

    /// Stops a gateway in good order.
    func stop(_ name: String) async throws {
        let stopped = running.withLockedValue { $0.removeValue(forKey: name) }
        stopped?.task.cancel()
        try await stopped?.task.value
    }

    /// Stops all.
    func stop() async throws {
        for name in running.withLockedValue({ Array($0.keys) }) { try await stop(name) }
    }

    /// A token of `hq`.
    func token(_ request: InviteRequest = InviteRequest()) async throws -> String {
        try #require(try await self["hq"].invite(request).first?.token)
    }

    /// Joins with a token, without starting.
    @discardableResult
    func join(_ name: String, token: String, patience: Duration = .seconds(120)) async throws -> GroupSummary {
        try await GroupJoining(token: token, name: name, stateDirectory: state(name), patience: patience)
            .run()
    }

    /// Invites a gateway, has it join, starts it, and waits until it knows the group.
    func add(_ name: String, _ request: InviteRequest = InviteRequest()) async throws {
        try await join(name, token: try await token(request))
        try await start(name)
        try await Polling.wait(until: "\(name) to know that it is a member") {
            try await self[name].members().contains { $0.thisGateway }
        }
    }

    /// Waits until all that run have the same revision of everything.
    func waitUntilAlike() async throws {
        let gateways = running.withLockedValue { $0.values.map(\.gateway) }
        try await Polling.wait(until: "all members to have one document") {
            var prints: Set<GroupIndex.Fingerprint> = []
            for gateway in gateways {
                prints.insert(try await gateway.onLoop { GroupIndex($0.group!.sync.document).fingerprint })
            }
            return prints.count == 1
        }
    }

    /// Where applications connect to a tunnel at a gateway, once it is active there.
    func port(_ tunnel: String, at name: String) async throws -> Int {
        try await Polling.wait(for: "\(tunnel) to be active at \(name)") {
            let status = try await self[name].status().tunnels.first { $0.name == tunnel && $0.role == .origin }
            guard let status, status.state == .active, let listen = status.listen.first else { return nil }
            return Int(try HostAddress(listen).port)
        }
    }

    private static let logger: Logger = {
        var logger = Logger(label: "fleet")
        logger.logLevel = ProcessEnvironment.has("DX_TEST_LOG") ? .trace : .critical
        return logger
    }()
}
