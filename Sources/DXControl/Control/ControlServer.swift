public import DXMatchServer
import DXTunnel
import Glibc
import Hummingbird
import HummingbirdCore
public import Logging
import NIOCore
public import ServiceLifecycle

/// Serves the control API over HTTP on a unix socket that only its owner can open.
///
/// `GET /v1/status` answers a `GatewayStatus`, `POST /v1/ping` a `PingReply`; errors are `{"error": {…}}`. Access is
/// by file permission alone: mode 0600. A socket that a dead process left is replaced, a living one is refused by name.
/// The socket is removed when `run()` ends.
public struct ControlServer: Service {
    private let path: String
    private let makeRouter: @Sendable () -> Router<BasicRequestContext>
    private let logger: Logger
    private let succeeds: Bool
    private let patience: TimeAmount
    private let onListening: @Sendable () async -> Void

    /// A server for a gateway at `path`. `onListening` is called once clients can connect.
    ///
    /// - Parameter succeeds: it takes the place of another start's, which still serves.
    public init(
        path: String, target: some ControlTarget, logger: Logger, succeeds: Bool = false,
        onListening: @escaping @Sendable () async -> Void = {}
    ) {
        self.init(path: path, logger: logger, succeeds: succeeds, onListening: onListening) {
            ControlRoutes(target: target).makeRouter()
        }
    }

    /// A server for a matchmaker at `path`.
    public init(
        path: String, matchmaker: Matchmaker, logger: Logger, onListening: @escaping @Sendable () async -> Void = {}
    ) {
        self.init(path: path, logger: logger, onListening: onListening) {
            MatchControlRoutes { matchmaker }.makeRouter()
        }
    }

    /// A server of other routes, for tests.
    init(
        path: String, logger: Logger, succeeds: Bool = false, patience: TimeAmount = .seconds(30),
        onListening: @escaping @Sendable () async -> Void = {},
        _ makeRouter: @escaping @Sendable () -> Router<BasicRequestContext>
    ) {
        self.path = path
        self.makeRouter = makeRouter
        self.logger = logger
        self.succeeds = succeeds
        self.patience = patience
        self.onListening = onListening
    }

    /// Serves until cancelled or gracefully shut down. Throws `ControlSocketError` when the socket cannot be had.
    public func run() async throws {
        let file = try await ControlSocketFile.claim(path, succeeds: succeeds)
        let outcome = Outcome()
        // The framework reports each start and request at info level; that is debugging to a gateway's operator.
        var frameworkLogger = logger
        frameworkLogger.logLevel = max(logger.logLevel, .warning)
        let application = Application(
            router: makeRouter(),
            server: .http1(
                configuration: HTTP1Channel.Configuration(
                    additionalChannelHandlers: [
                        ListenerDeadline(EventRoutes.writePatience), RequestDeadline(patience),
                    ])),
            configuration: ApplicationConfiguration(address: .unixDomainSocket(path: file.bindPath), backlog: 16),
            onServerRunning: { [logger, path, onListening] channel in
                do throws(ControlSocketError) {
                    // Else a client that cannot be accepted for want of descriptors would end the server.
                    try? await channel.eventLoop.submit {
                        try channel.pipeline.syncOperations.addHandler(AcceptPauseHandler(), position: .first)
                    }.get()
                    await outcome.set(.success(try file.publish()))
                    logger.info("control socket ready", metadata: ["path": "\(path)"])
                    await onListening()
                } catch {
                    await outcome.set(.failure(error))
                    // Ends `application.run()`.
                    channel.close(promise: nil)
                }
            },
            logger: frameworkLogger)
        do { try await application.run() } catch {
            await outcome.remove(or: file)
            if let error = error as? IOError, error.errnoCode == ENOSPC { throw ControlSocketFile.full(path) }
            throw error
        }
        await outcome.remove(or: file)
        try await outcome.throwFailure()
    }
}

/// What became of putting the socket in its place.
private actor Outcome {
    private var result: Result<ControlSocketFile.Published, ControlSocketError>?

    func set(_ result: Result<ControlSocketFile.Published, ControlSocketError>) { self.result = result }

    /// Removes the socket, or what was made for it.
    func remove(or file: ControlSocketFile) {
        switch result {
        case .success(let published): published.remove()
        case .failure: break
        case nil: file.abandon()
        }
    }

    func throwFailure() throws {
        if case .failure(let error) = result { throw error }
    }
}
