import DXControl
import Glibc
import Logging
import ServiceLifecycle
import Synchronization

/// The control socket beside a gateway: where the configuration says, else at the default path when that is free. What the gateway is for
/// never ends for want of it, once it was there.
struct ControlService: Service {
    let path: String?
    let target: GatewayControlTarget
    let logger: Logger
    /// An earlier start serves there, until this one does.
    var succeeds = false

    /// So long it is waited before it is tried again.
    private static let pause = Duration.seconds(10)

    func run() async throws {
        let locator = ControlLocator(environment: ProgramEnvironment.variables)
        guard let place = path ?? locator.defaultPath(isRoot: geteuid() == 0) else {
            logger.notice("no control socket: set control: in the configuration to have one")
            try? await gracefulShutdown()
            return
        }
        let hasServed = Mutex(false)
        var isTold = false
        while true {
            var reason = "the system closed the socket"
            do {
                let server = ControlServer(path: place, target: target, logger: logger, succeeds: succeeds) {
                    hasServed.withLock { $0 = true }
                }
                try await server.run()
            } catch let error as ControlSocketError where path == nil && !hasServed.withLock({ $0 }) {
                // Nobody asked for this path: a second gateway on one machine must not fail for it.
                logger.warning("no control socket", metadata: ["reason": "\(error)"])
                try? await gracefulShutdown()
                return
            } catch {
                // A full disk may have no room for the socket.
                let isDiskFull = (error as? ControlSocketError)?.isDiskFull ?? false
                guard isDiskFull || hasServed.withLock({ $0 }) else { throw error }
                reason = "\(error)"
            }
            if Task.isShuttingDownGracefully || Task.isCancelled { return }
            if !isTold { logger.error("no control socket; it is tried again", metadata: ["reason": "\(reason)"]) }
            isTold = true
            try? await cancelWhenGracefulShutdown { try await Task.sleep(for: Self.pause) }
            if Task.isShuttingDownGracefully || Task.isCancelled { return }
        }
    }
}
