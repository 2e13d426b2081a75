import DXWire
import NIOCore
import NIOHTTP1
import NIOPosix

/// Checks one target as `TargetHealth` wants it, and tells when it is known to be up or down. Bound to the gateway's event loop.
final class TargetChecker {
    private var machine: TargetHealth
    private let check: GatewayConfiguration.HealthCheck?
    private let target: TunnelAddress
    private let tunnel: String
    private unowned let core: GatewayCore
    private let changed: () -> Void
    private var timer: Scheduled<Void>?
    /// The connection of the check that goes on.
    private var connection: (any Channel)?

    /// A checker that has not begun.
    ///
    /// - Parameters:
    ///   - check: how; nil leaves it to the connections.
    ///   - changed: called on the event loop at each change.
    init(
        _ check: GatewayConfiguration.HealthCheck?, of target: TunnelAddress, tunnel: String, core: GatewayCore,
        changed: @escaping () -> Void
    ) {
        self.check = check
        self.target = target
        self.tunnel = tunnel
        self.core = core
        self.changed = changed
        // A command that this gateway's owner has not defined says nothing.
        machine = TargetHealth(Self.isPossible(check, core) ? check?.settings : nil)
    }

    private static func isPossible(_ check: GatewayConfiguration.HealthCheck?, _ core: GatewayCore) -> Bool {
        guard case .command(let name) = check?.kind else { return true }
        return core.healthCommand(name) != nil
    }

    /// What is known.
    var state: TargetHealth.State { machine.state }
    /// Why it is down, or why it cannot be checked.
    var reason: String? {
        guard case .command(let name) = check?.kind, core.healthCommand(name) == nil else { return machine.reason }
        return machine.reason ?? "this gateway has no health command \(name)"
    }

    /// Somebody is interested.
    func start() {
        machine.start(now: core.currentTime())
        follow()
    }

    /// It is not checked any more.
    func stop() {
        machine.stop()
        _ = machine.takeChange()
        timer?.cancel()
        timer = nil
        closeConnection()
    }

    private func closeConnection() {
        connection?.close(promise: nil)
        connection = nil
    }

    /// A connection to the target was made.
    func connected() {
        machine.connected()
        follow()
    }

    /// A connection to the target failed.
    func connectionFailed(_ reason: String) {
        machine.connectionFailed(reason, now: core.currentTime())
        follow()
    }

    /// Does what the machine wants after an input.
    private func follow() {
        let now = core.currentTime()
        if let number = machine.takeCheck(now: now) { begin(number) }
        timer?.cancel()
        timer = nil
        if let next = machine.nextTimeout {
            let bound = NIOLoopBound(self, eventLoop: core.eventLoop)
            let pause = TimeAmount.nanoseconds(max(0, (next - core.currentTime()).nanoseconds))
            timer = core.eventLoop.scheduleTask(in: pause) { bound.value.timeoutFired() }
        }
        if machine.takeChange() { changed() }
    }

    private func timeoutFired() {
        machine.timeoutFired(now: core.currentTime(), random: &core.random)
        if !machine.isChecking { closeConnection() }
        follow()
    }

    private func ended(_ number: UInt64, _ failure: String?) {
        machine.checkEnded(number, failure: failure, now: core.currentTime(), random: &core.random)
        follow()
    }

    /// The check could not be made, for want of descriptors, say.
    private func abandoned(_ number: UInt64) {
        machine.checkAbandoned(number, now: core.currentTime())
        follow()
    }

    // MARK: Checks

    private func begin(_ number: UInt64) {
        closeConnection()
        guard let check else { return }
        switch check.kind {
        case .command(let name):
            guard let command = core.healthCommand(name) else { return }
            let bound = NIOLoopBound(self, eventLoop: core.eventLoop)
            HealthCommandRun.run(
                command, environment: ["DX_TUNNEL": tunnel, "DX_TARGET": target.description],
                timeout: check.settings.timeout, at: core.gate
            ).whenComplete { result in
                switch result {
                case .success(let failure): bound.value.ended(number, failure)
                case .failure(let error): bound.value.ended(number, "\(error)")
                }
            }
        case .tcp, .http:
            guard let host = target.host else {
                guard core.localPolicy?.allowsTarget(target) ?? true else {
                    return ended(number, "this gateway's local policy does not allow it")
                }
                return connect(target, number, check)
            }
            // As connections are made: to whichever address of the name answers.
            guard core.localPolicy?.targets != nil else { return connect(target, number, check) }
            // The policy judges addresses, not names.
            let bound = NIOLoopBound(self, eventLoop: core.eventLoop)
            NameResolver.resolve(host, at: core.gate).whenComplete { result in
                let checker = bound.value
                switch result {
                case .success(let endpoints):
                    let allowed = endpoints.first { checker.core.localPolicy?.allowsTarget($0) ?? true }
                    guard let allowed else {
                        return checker.ended(number, "this gateway's local policy does not allow it")
                    }
                    let address = HostAddress(host: allowed.addressText, port: allowed.port)
                    checker.connect(.tcp(address), number, check)
                case .failure(let error): checker.ended(number, "\(error)")
                }
            }
        }
    }

    private func connect(_ address: TunnelAddress, _ number: UInt64, _ check: GatewayConfiguration.HealthCheck) {
        let bound = NIOLoopBound((self, HTTPEnd()), eventLoop: core.eventLoop)
        let host = target.host?.description ?? "localhost"
        let bootstrap = ClientBootstrap(group: core.eventLoop)
            .connectTimeout(.nanoseconds(check.settings.timeout.nanoseconds))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard case .http(let path, let expect) = check.kind else { return }
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(HTTPRequestEncoder())
                    try pipeline.addHandler(
                        ByteToMessageHandler(HTTPResponseDecoder(leftOverBytesStrategy: .dropBytes)))
                    try pipeline.addHandler(
                        HTTPCheckHandler(path: path, host: host, expect: expect) { failure in
                            let (checker, end) = bound.value
                            end.isOver = true
                            checker.ended(number, failure)
                        })
                }
            }
        let connecting =
            switch address {
            case .tcp(let host, _): bootstrap.connect(to: host, at: core.gate)
            case .unix(let path): bootstrap.connect(unixDomainSocketPath: path)
            }
        connecting.whenComplete { result in
            let (checker, end) = bound.value
            switch result {
            case .failure(let error):
                guard !end.isOver else { return }
                if TargetConnection.isOwnTrouble(error) { return checker.abandoned(number) }
                checker.ended(number, TargetConnection.words(for: error))
            case .success(let channel):
                guard case .http = check.kind else {
                    channel.close(promise: nil)
                    return checker.ended(number, nil)
                }
                // Closed when its time is over, which may be while its name was looked up.
                guard !end.isOver, checker.machine.isChecking(number) else { return channel.close(promise: nil) }
                checker.connection = channel
            }
        }
    }

    /// Whether the answer came before the connection was known to stand.
    private final class HTTPEnd { var isOver = false }
}

@available(*, unavailable)
extension TargetChecker: Sendable {}
