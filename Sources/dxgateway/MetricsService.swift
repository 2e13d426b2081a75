import DXControl
import DXTunnel
import Logging
import ServiceLifecycle

/// The page of figures beside a gateway (`docs/metrics.md`). What the gateway is for never ends for want of it.
struct MetricsService: Service {
    private let place: MetricsPlace
    private let gateway: Gateway
    private let logger: Logger

    /// So long an address that was asked for is waited for, before it is tried again.
    private static let pause = Duration.seconds(10)

    init(_ place: MetricsPlace, of gateway: Gateway, logger: Logger) {
        self.place = place
        self.gateway = gateway
        self.logger = logger
    }

    func run() async throws {
        switch place {
        case .off: break
        case .standard:
            do { return try await serve(MetricsPlace.standardAddress) } catch let error as MetricsError {
                // Nobody asked for this address: another gateway of this host has it, and figures of one are not to turn into those of
                // another when that one stops.
                logger.notice("no metrics are served", metadata: ["reason": "\(error)"])
            }
        case .at(let address): try await serveUntilStopped(address)
        }
        try? await gracefulShutdown()
    }

    private func serve(_ address: HostAddress) async throws {
        try await MetricsServer(address: address, gateway: gateway, logger: logger).run()
    }

    /// Serves at an address that was asked for. It may be there later: an interface that is not up yet, a program that ends.
    private func serveUntilStopped(_ address: HostAddress) async throws {
        var isTold = false
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            do { return try await serve(address) } catch let error as MetricsError {
                if !isTold { logger.error("no metrics; it is tried again", metadata: ["reason": "\(error)"]) }
                isTold = true
            }
            try? await cancelWhenGracefulShutdown { try await Task.sleep(for: Self.pause) }
        }
    }
}
