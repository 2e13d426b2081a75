public import DXMatchServer
public import DXSocket
public import DXTunnel
import DXWire
import HTTPTypes
import Hummingbird
import HummingbirdCore
public import Logging
import NIOCore
public import ServiceLifecycle
import Synchronization

/// Serves `GET /metrics` over HTTP: a page for whoever collects figures, in the format that it asks for.
///
/// Whoever can connect may read it, so it belongs on loopback, behind a firewall, or wants a token: a matchmaker's has numbers only, a
/// gateway's names its peers and tunnels, and neither has addresses, keys or secrets. On loopback, and with a token anywhere, a gateway's
/// dashboard is beside it (`docs/dashboard.md`).
public struct MetricsServer: Service {
    private let address: Endpoint
    private let logger: Logger
    private let remedy: String
    private let page: @Sendable (OpenMetricsText.Format) async throws -> String
    private let token: MetricsToken?
    private let names: [String]
    private let dashboard: DashboardRoutes?
    private let onListening: @Sendable (UInt16) -> Void

    /// A few collectors, each with one connection. Whoever is on the host may connect: descriptors are for tunnels.
    private static let mostConnections = 16
    /// So long one may be without a whole request and its answer.
    private static let exchangeTime = TimeAmount.seconds(30)

    /// A server at `address`, whose page is made for each request. `page` gives the text of `OpenMetricsText.finished`; when it throws, the
    /// collector gets status 503 and takes the program for down.
    ///
    /// - Parameter remedy: what to do when the address cannot be had, to stand after the reason.
    public init(
        address: ListenAddress, logger: Logger, remedy: String = "name another address with --metrics",
        page: @escaping @Sendable (OpenMetricsText.Format) async throws -> String
    ) {
        self.init(
            address: address, token: nil, names: [], dashboard: nil, logger: logger, remedy: remedy, page: page,
            onListening: { _ in })
    }

    private init(
        address: ListenAddress, token: MetricsToken?, names: [String], dashboard: DashboardRoutes?, logger: Logger,
        remedy: String, page: @escaping @Sendable (OpenMetricsText.Format) async throws -> String,
        onListening: @escaping @Sendable (UInt16) -> Void
    ) {
        self.address =
            switch address.host {
            case .any: Self.everyAddress(port: address.port, hasIPv6: Self.hasIPv6)
            case .address(let endpoint): endpoint
            }
        self.token = token
        self.names = names
        self.dashboard = dashboard
        self.onListening = onListening
        self.logger = logger
        self.remedy = remedy
        self.page = page
    }

    /// A server of a matchmaker's figures.
    public init(address: ListenAddress, matchmaker: Matchmaker, logger: Logger) {
        let snapshot = SharedSnapshot { try await matchmaker.status() }
        self.init(address: address, logger: logger) { MatchMetrics.text(try await snapshot.value(), $0) }
    }

    /// A server of a gateway's figures and its dashboard, out of snapshots that others may use too. Throws when the host is a name, as
    /// nobody looks one up for a listener, and when the token cannot be read.
    ///
    /// - Parameter onListening: called with the port when clients can connect.
    public init(
        address: HostAddress, access: MetricsAccess = MetricsAccess(), snapshot: SharedSnapshot<GatewayStatus>,
        events: any EventControl, logger: Logger, onListening: @escaping @Sendable (UInt16) -> Void = { _ in }
    ) throws {
        // Kept from the first page: worked out anew it would move by what the clock was corrected.
        let start = Mutex<Double?>(nil)
        self.init(
            address: try ListenAddress(text: "\(address)"), token: try access.tokenFile.map(MetricsToken.init(file:)),
            names: access.hosts, dashboard: DashboardRoutes(snapshot: snapshot, events: events), logger: logger,
            remedy: "name another address with metrics: in the file, or false"
        ) {
            let status = try await snapshot.value()
            let startTime = start.withLock { start in
                start = start ?? GatewayMetrics.startTime(of: status)
                return start
            }
            return GatewayMetrics(status, startTime: startTime).text($0)
        } onListening: {
            onListening($0)
        }
    }

    // MARK: Where

    /// All addresses of the host: those of IPv4 through a socket of IPv6, where there is IPv6.
    static func everyAddress(port: UInt16, hasIPv6: Bool) -> Endpoint {
        hasIPv6 ? Endpoint(v6High: 0, low: 0, port: port) : Endpoint(v4: 0, port: port)
    }

    /// Whether a listener can have an address of IPv6: a kernel may be without it, and a host may have it switched off.
    private static var hasIPv6: Bool {
        // As the listener will look it up, which without an address of IPv6 on any interface finds none.
        (try? SocketAddress.makeAddressResolvingHost("::", port: 0)) != nil
    }

    /// Nothing but programs of this host reaches it.
    public var isOnLoopback: Bool { address.addressText == "::1" || address.addressText.hasPrefix("127.") }

    /// Whether the dashboard is served: beyond the loopback it wants a token.
    public var hasDashboard: Bool { dashboard != nil && (isOnLoopback || token != nil) }

    // MARK: Serving

    private func makeRouter() -> Router<MetricsContext> {
        let router = Router(context: MetricsContext.self)
        router.add(middleware: MetricsHeaders())
        router.add(middleware: MetricsHost(isOnLoopback: isOnLoopback, names: names))
        let figures = router.group().add(middleware: MetricsOrigin())
        if let token { figures.add(middleware: MetricsTokenGuard(token: token)) }
        figures.get("/metrics") { [page] request, _ in
            let format = OpenMetricsText.Format(accept: request.headers[.accept])
            let text: String
            do { text = try await page(format) } catch { throw HTTPError(.serviceUnavailable, message: "\(error)") }
            return Response(
                status: .ok, headers: [.contentType: format.contentType],
                body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
        }
        if hasDashboard {
            dashboard?.addPage(to: router)
            dashboard?.addFigures(to: figures)
        } else if dashboard != nil {
            DashboardRoutes.addRefusal(to: router)
        }
        return router
    }

    /// Serves until cancelled or gracefully shut down. Throws `MetricsError` when the address cannot be listened on, or not any more.
    public func run() async throws {
        let wasServed = Mutex(false)
        var frameworkLogger = logger
        frameworkLogger.logLevel = max(logger.logLevel, .warning)
        let application = Application(
            router: makeRouter(),
            // Collectors keep their connection: that must not hold up a shutdown for long.
            server: .http1(
                configuration: HTTP1Channel.Configuration(
                    additionalChannelHandlers: [ExchangeDeadline(Self.exchangeTime)], idleTimeout: Self.exchangeTime)),
            configuration: ApplicationConfiguration(
                address: .hostname(address.addressText, port: Int(address.port)), backlog: 16,
                availableConnectionsDelegate: MaximumAvailableConnections(Self.mostConnections)),
            onServerRunning: { [logger, onListening] channel in
                // Else a client that cannot be accepted for want of descriptors would end the server.
                try? await channel.eventLoop.submit {
                    try channel.pipeline.syncOperations.addHandler(AcceptPauseHandler(), position: .first)
                }.get()
                wasServed.withLock { $0 = true }
                let place = channel.localAddress.map { "\($0.ipAddress ?? "?"):\($0.port ?? 0)" } ?? "?"
                logger.info("metrics ready", metadata: ["address": "\(place)"])
                onListening(UInt16(clamping: channel.localAddress?.port ?? 0))
            },
            logger: frameworkLogger)
        do { try await application.run() } catch let error as IOError {
            throw failure("\(error)", wasServed: wasServed.withLock { $0 })
        } catch {
            guard wasServed.withLock({ $0 }) else { throw error }
            throw failure("\(error)", wasServed: true)
        }
        // It ends by itself when the system closes the socket.
        guard Task.isCancelled || Task.isShuttingDownGracefully else {
            throw failure("the system closed the socket", wasServed: true)
        }
    }

    private func failure(_ reason: String, wasServed: Bool) -> MetricsError {
        MetricsError(address: address, reason: reason, remedy: remedy, wasServed: wasServed)
    }
}

/// Why there is no page of metrics.
public struct MetricsError: Error, Sendable, CustomStringConvertible {
    let address: Endpoint
    let reason: String
    let remedy: String
    /// It was served until then.
    public let wasServed: Bool

    /// One line: the address, what is wrong, what to do.
    public var description: String { "metrics can not be served at \(address) (\(reason)); \(remedy)" }
}
