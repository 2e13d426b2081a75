public import DXMatchServer
public import DXSocket
import DXWire
import Hummingbird
import HummingbirdCore
public import Logging
import NIOCore
public import ServiceLifecycle

/// Serves `GET /metrics` over HTTP: a page for whoever collects figures. Whoever can connect may read it, so it belongs on loopback
/// or behind a firewall; it has numbers only, no names.
public struct MetricsServer: Service {
    private let address: Endpoint
    private let logger: Logger
    private let page: @Sendable () async throws -> String

    /// A server at `address`, whose page is made for each request. `page` gives the text of `OpenMetricsText.finished`.
    public init(address: ListenAddress, logger: Logger, page: @escaping @Sendable () async throws -> String) {
        self.address =
            switch address.host {
            case .any: Endpoint(v6High: 0, low: 0, port: address.port)
            case .address(let endpoint): endpoint
            }
        self.logger = logger
        self.page = page
    }

    /// A server of a matchmaker's figures.
    public init(address: ListenAddress, matchmaker: Matchmaker, logger: Logger) {
        self.init(address: address, logger: logger) { MatchMetrics.text(try await matchmaker.status()) }
    }

    /// Serves until cancelled or gracefully shut down. Throws when the address cannot be listened on.
    public func run() async throws {
        let router = Router()
        router.get("/metrics") { [page] _, _ in
            Response(
                status: .ok, headers: [.contentType: OpenMetricsText.contentType],
                body: ResponseBody(byteBuffer: ByteBuffer(string: try await page())))
        }
        var frameworkLogger = logger
        frameworkLogger.logLevel = max(logger.logLevel, .warning)
        let application = Application(
            router: router,
            // Collectors keep their connection: that must not hold up a shutdown for long.
            server: .http1(configuration: HTTP1Channel.Configuration(idleTimeout: .seconds(30))),
            configuration: ApplicationConfiguration(
                address: .hostname(address.addressText, port: Int(address.port)), backlog: 16),
            onServerRunning: { [logger] channel in
                let place = channel.localAddress.map { "\($0.ipAddress ?? "?"):\($0.port ?? 0)" } ?? "?"
                logger.info("metrics ready", metadata: ["address": "\(place)"])
            },
            logger: frameworkLogger)
        do { try await application.run() } catch let error as IOError {
            throw MetricsError(address: address, reason: "\(error)")
        }
    }
}

/// Why there is no page of metrics.
public struct MetricsError: Error, Sendable, CustomStringConvertible {
    let address: Endpoint
    let reason: String

    /// One line: the address, what is wrong, what to do.
    public var description: String {
        "metrics can not be served at \(address) (\(reason)); name another address with --metrics"
    }
}
