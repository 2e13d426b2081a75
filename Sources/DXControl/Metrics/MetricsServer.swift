public import DXMatchServer
public import DXSocket
public import DXTunnel
import DXWire
import Hummingbird
import HummingbirdCore
public import Logging
import NIOCore
public import ServiceLifecycle

/// Serves `GET /metrics` over HTTP: a page for whoever collects figures, in the format that it asks for.
///
/// Whoever can connect may read it, so it belongs on loopback or behind a firewall: a matchmaker's has numbers only, a gateway's names its
/// peers and tunnels, and neither has addresses, keys or secrets.
public struct MetricsServer: Service {
    private let address: Endpoint
    private let logger: Logger
    private let remedy: String
    private let page: @Sendable (OpenMetricsText.Format) async throws -> String

    /// A few collectors, each with one connection. Whoever is on the host may connect: descriptors are for tunnels.
    private static let mostConnections = 16

    /// A server at `address`, whose page is made for each request. `page` gives the text of `OpenMetricsText.finished`; when it throws, the
    /// collector gets status 503 and takes the program for down.
    ///
    /// - Parameter remedy: what to do when the address cannot be had, to stand after the reason.
    public init(
        address: ListenAddress, logger: Logger, remedy: String = "name another address with --metrics",
        page: @escaping @Sendable (OpenMetricsText.Format) async throws -> String
    ) {
        self.address =
            switch address.host {
            case .any: Endpoint(v6High: 0, low: 0, port: address.port)
            case .address(let endpoint): endpoint
            }
        self.logger = logger
        self.remedy = remedy
        self.page = page
    }

    /// A server of a matchmaker's figures.
    public init(address: ListenAddress, matchmaker: Matchmaker, logger: Logger) {
        self.init(address: address, logger: logger) { MatchMetrics.text(try await matchmaker.status(), $0) }
    }

    /// A server of a gateway's figures. Throws when the host is a name: nobody looks one up for a listener.
    public init(address: HostAddress, gateway: Gateway, logger: Logger) throws {
        self.init(
            address: try ListenAddress(text: "\(address)"), logger: logger,
            remedy: "name another address with metrics: in the file, or false"
        ) {
            GatewayMetrics(try await gateway.status()).text($0)
        }
    }

    /// Serves until cancelled or gracefully shut down. Throws `MetricsError` when the address cannot be listened on.
    public func run() async throws {
        let router = Router()
        router.get("/metrics") { [page] request, _ in
            let format = OpenMetricsText.Format(accept: request.headers[.accept])
            let text: String
            do { text = try await page(format) } catch { throw HTTPError(.serviceUnavailable, message: "\(error)") }
            return Response(
                status: .ok, headers: [.contentType: format.contentType],
                body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
        }
        var frameworkLogger = logger
        frameworkLogger.logLevel = max(logger.logLevel, .warning)
        let application = Application(
            router: router,
            // Collectors keep their connection: that must not hold up a shutdown for long.
            server: .http1(configuration: HTTP1Channel.Configuration(idleTimeout: .seconds(30))),
            configuration: ApplicationConfiguration(
                address: .hostname(address.addressText, port: Int(address.port)), backlog: 16,
                availableConnectionsDelegate: MaximumAvailableConnections(Self.mostConnections)),
            onServerRunning: { [logger] channel in
                // Else a client that cannot be accepted for want of descriptors would end the server.
                try? await channel.eventLoop.submit {
                    try channel.pipeline.syncOperations.addHandler(AcceptPauseHandler(), position: .first)
                }.get()
                let place = channel.localAddress.map { "\($0.ipAddress ?? "?"):\($0.port ?? 0)" } ?? "?"
                logger.info("metrics ready", metadata: ["address": "\(place)"])
            },
            logger: frameworkLogger)
        do { try await application.run() } catch let error as IOError {
            throw MetricsError(address: address, reason: "\(error)", remedy: remedy)
        }
    }
}

/// Why there is no page of metrics.
public struct MetricsError: Error, Sendable, CustomStringConvertible {
    let address: Endpoint
    let reason: String
    let remedy: String

    /// One line: the address, what is wrong, what to do.
    public var description: String { "metrics can not be served at \(address) (\(reason)); \(remedy)" }
}
