public import DXMatchServer
public import DXSocket
public import DXTunnel
import DXWire
import Hummingbird
import HummingbirdCore
public import Logging
import NIOCore
public import ServiceLifecycle
import Synchronization

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
        let snapshot = SharedSnapshot { try await matchmaker.status() }
        self.init(address: address, logger: logger) { MatchMetrics.text(try await snapshot.value(), $0) }
    }

    /// A server of a gateway's figures, out of snapshots that others may use too. Throws when the host is a name: nobody looks one up for
    /// a listener.
    public init(address: HostAddress, snapshot: SharedSnapshot<GatewayStatus>, logger: Logger) throws {
        // Kept from the first page: worked out anew it would move by what the clock was corrected.
        let start = Mutex<Double?>(nil)
        self.init(
            address: try ListenAddress(text: "\(address)"), logger: logger,
            remedy: "name another address with metrics: in the file, or false"
        ) {
            let status = try await snapshot.value()
            let startTime = start.withLock { start in
                start = start ?? GatewayMetrics.startTime(of: status)
                return start
            }
            return GatewayMetrics(status, startTime: startTime).text($0)
        }
    }

    private var isOnLoopback: Bool { address.addressText == "::1" || address.addressText.hasPrefix("127.") }

    /// Serves until cancelled or gracefully shut down. Throws `MetricsError` when the address cannot be listened on, or not any more.
    public func run() async throws {
        let wasServed = Mutex(false)
        let router = Router()
        router.add(middleware: MetricsHost(isOnLoopback: isOnLoopback))
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
            server: .http1(
                configuration: HTTP1Channel.Configuration(
                    additionalChannelHandlers: [ExchangeDeadline(Self.exchangeTime)], idleTimeout: Self.exchangeTime)),
            configuration: ApplicationConfiguration(
                address: .hostname(address.addressText, port: Int(address.port)), backlog: 16,
                availableConnectionsDelegate: MaximumAvailableConnections(Self.mostConnections)),
            onServerRunning: { [logger] channel in
                // Else a client that cannot be accepted for want of descriptors would end the server.
                try? await channel.eventLoop.submit {
                    try channel.pipeline.syncOperations.addHandler(AcceptPauseHandler(), position: .first)
                }.get()
                wasServed.withLock { $0 = true }
                let place = channel.localAddress.map { "\($0.ipAddress ?? "?"):\($0.port ?? 0)" } ?? "?"
                logger.info("metrics ready", metadata: ["address": "\(place)"])
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
