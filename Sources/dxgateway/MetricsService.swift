import DXControl
import DXTunnel
import Logging
import ServiceLifecycle

/// The page of figures and the dashboard beside a gateway (`docs/metrics.md`, `docs/dashboard.md`). What the gateway is for never ends for want of it.
struct MetricsService: Service {
    private let place: MetricsPlace
    private let snapshot: SharedSnapshot<GatewayStatus>
    private let events: any EventControl
    private let logger: Logger
    /// An earlier start has the address for a moment.
    private let succeeds: Bool

    /// So long an address is waited for, before it is tried again.
    private static let pause = Duration.seconds(10)
    /// The same while an earlier start has it; and how long that may be: it answers what was asked, and ends its server within 5 s.
    private static let successionPause = Duration.milliseconds(50)
    private static let successionTime = Duration.seconds(8)

    init(
        _ place: MetricsPlace, of snapshot: SharedSnapshot<GatewayStatus>, events: any EventControl, logger: Logger,
        succeeds: Bool = false
    ) {
        self.place = place
        self.snapshot = snapshot
        self.events = events
        self.logger = logger
        self.succeeds = succeeds
    }

    func run() async throws {
        switch place {
        case .off: break
        case .standard: try await serve(MetricsPlace.standardAddress, MetricsAccess(), isAskedFor: false)
        case .at(let address, let access): try await serve(address, access, isAskedFor: true)
        }
        try? await gracefulShutdown()
    }

    /// Serves until the end. The address may be there later: an interface that is not up yet, a program that ends; and the system may close
    /// the socket.
    private func serve(_ address: HostAddress, _ access: MetricsAccess, isAskedFor: Bool) async throws {
        var isTold = false
        var isDashboardTold = false
        let end = ContinuousClock.now + (succeeds ? Self.successionTime : .zero)
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            do {
                // Anew each time: the file of the token may be put right meanwhile.
                let server = try MetricsServer(
                    address: address, access: access, snapshot: snapshot, events: events, logger: logger)
                if !server.hasDashboard, !isDashboardTold {
                    isDashboardTold = true
                    logger.notice(
                        "no dashboard is served",
                        metadata: ["reason": "others reach \(address), and there is no token: see docs/dashboard.md"])
                }
                return try await server.run()
            } catch {
                if Task.isShuttingDownGracefully || Task.isCancelled { return }
                if ContinuousClock.now < end {
                    try? await cancelWhenGracefulShutdown { try await Task.sleep(for: Self.successionPause) }
                    continue
                }
                if !isAskedFor, let error = error as? MetricsError, !error.wasServed {
                    // Nobody asked for this address: another gateway of this host has it, and figures of one are not to turn into those
                    // of another when that one stops.
                    return logger.notice("no metrics are served", metadata: ["reason": "\(error)"])
                }
                if !isTold { logger.error("no metrics; it is tried again", metadata: ["reason": "\(error)"]) }
                isTold = true
            }
            try? await cancelWhenGracefulShutdown { try await Task.sleep(for: Self.pause) }
        }
    }
}
