import ArgumentParser
import DXControl
import DXTunnel
import Glibc
import Logging
import ServiceLifecycle
import UnixSignals

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run a gateway until SIGTERM or SIGINT.",
        discussion: """
            Logs go to standard error. On SIGTERM the peers are told and no new connections are taken; when those that are open
            have ended, or drain_timeout (30s) is over, the gateway ends. A second SIGTERM ends it at once.

            dxgateway restart starts the program anew without a break, also another version of it.

            A gateway that is in a group (init, join) runs from its state directory, and the file, if there is one, holds
            nothing but listen, advertise, control, local_policy, limits, serve_match, lan, port_mapping,
            forward, health_commands, audit and metrics.

              dxgateway run
              dxgateway run --state /var/lib/dx/gateway --token-file /boot/dx-token
              dxgateway run --config gateway.yaml --log-format json --log-level debug
            """)

    @Option(
        help: ArgumentHelp("The configuration file (default: /etc/dx/gateway.yaml where needed).", valueName: "file"),
        completion: .file())
    var config: String?

    @Option(
        help: ArgumentHelp(
            "The directory of a gateway that is in a group (default: /var/lib/dx/gateway if it is, and no file is given).",
            valueName: "dir"), completion: .directory)
    var state: String?

    @Option(
        help: ArgumentHelp(
            "A token to join a group with when there is none in the state directory yet; it is erased (default:"
                + " /etc/dx/token if it is there, with the default state directory).", valueName: "file"),
        completion: .file())
    var tokenFile: String?

    @Option(
        help: ArgumentHelp(
            "A file that says what the group may have this gateway do (targets:, listeners:).", valueName: "file"),
        completion: .file())
    var localPolicy: String?

    @Flag(help: "Neither look for members in the networks of this host nor answer those who do (as lan: false).")
    var noLan = false

    @Flag(help: "Forward sealed datagrams between members that do not reach each other directly (as forward: true).")
    var forward = false

    @Option(help: "How log lines are written.")
    var logFormat = LogFormat.text

    @Option(help: "The least level that is logged.")
    var logLevel = LogLevel.info

    func run() async throws {
        let levels = LogLevelSwitch(logLevel.level)
        let logger = Logger(label: "gateway") { [logFormat] label in
            LineLogHandler(label: label, format: logFormat.format, levels: levels)
        }
        raiseFileLimit()
        let manager = ServiceManager(environment: ProgramEnvironment.variables, process: getpid())
        let succession = Succession()
        do {
            if succession == nil { try await joinAtFirstBoot(logger, manager) }
            let settings = try readSettings()
            let inheritance = try await succession?.take(settings.terms)
            let gateway = try settings.gateway(logger)
            if let inheritance { try gateway.inherit(inheritance) }
            logger.info("gateway starting", metadata: ["name": "\(gateway.name)", "id": "\(gateway.id)"])
            try await serve(
                gateway, settings, Context(levels: levels, logger: logger, manager: manager, succession: succession))
            logger.info("gateway stopped")
        } catch {
            await succession?.failed("\(error)")
            guard let failure = error as? CommandFailure else { throw CommandFailure(.failed, "\(error)") }
            throw failure
        }
    }

    /// What the program has beside its gateway.
    private struct Context {
        let levels: LogLevelSwitch
        let logger: Logger
        let manager: ServiceManager?
        let succession: Succession?
    }

    /// Runs the gateway, and beside it what people and other programs ask it by, until a signal or another start ends it.
    private func serve(_ gateway: Gateway, _ settings: RunSettings, _ context: Context) async throws {
        let (logger, running) = (context.logger, RunningServices())
        let succeeds = context.succession != nil
        let restarter = Restarter(
            gateway, terms: settings.terms, drainTime: settings.limits.restartTimeout, manager: context.manager,
            isSuccessor: succeeds, logger: logger,
            onSucceeded: { await running.succeeded(gateway, drain: $0, logger: logger) },
            onLost: { await running.lost() })
        let control = ControlService(
            path: settings.controlPath,
            target: GatewayControlTarget(gateway, logs: context.levels, restarts: restarter), logger: logger,
            succeeds: succeeds)
        let snapshot = SharedSnapshot { try await gateway.status() }
        let reporter = ServiceManagerReporter(context.manager, logger: logger) { try await snapshot.value().line }
        let metrics = MetricsService(
            settings.metrics, of: snapshot, events: gateway, logger: logger, succeeds: succeeds)
        let beside = ServiceGroup(
            configuration: ServiceGroupConfiguration(services: [control, reporter, metrics], logger: logger))
        var options = ServiceGroupConfiguration(
            services: [
                .init(service: gateway),
                // Peers are told at once; what a client of the control socket holds open must not keep the ports.
                .init(
                    service: BoundedShutdown(services: beside, time: .seconds(5)), successTerminationBehavior: .ignore),
            ], logger: logger)
        options.maximumGracefulShutdownDuration = .seconds(5)
        let release = releaseWhatStartingTook()
        defer { release.cancel() }
        let services = ServiceGroup(configuration: options)
        running.set(all: services, beside: beside)
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        let stopping = Task { await stopOnSignal(signals, gateway, services, restarter, logger) }
        defer { stopping.cancel() }
        let telling = context.succession?.tell(of: gateway)
        defer { telling?.cancel() }
        try await services.run()
        if running.isLost { throw CommandFailure(.failed, "another start took over and could not run") }
    }
}

extension RunCommand {
    private static let defaultState = StateOption.standard
    private static let defaultToken = "/etc/dx/token"

    /// A device that is switched on for the first time has a token and nothing else.
    private func joinAtFirstBoot(_ logger: Logger, _ manager: ServiceManager?) async throws {
        let isDefault = config == nil && (state == nil || state == Self.defaultState)
        guard let file = tokenFile ?? (isDefault ? Self.defaultToken : nil) else { return }
        let boot = FirstBoot(tokenFile: file, stateDirectory: state ?? Self.defaultState)
        guard boot.hasToken else { return }
        // It may take until an inviter is there: what is started after this does not wait for that.
        let telling = manager?.tell("joins its group by the token in \(file)")
        defer { telling?.cancel() }
        try await boot.run(logger: logger)
    }

    /// What the files say: of the state directory, else of the configuration file. Nothing is locked or opened for it.
    private func readSettings() throws -> RunSettings {
        let place = GatewayPlace(config: config, state: state)
        do {
            guard let state = place.state else {
                guard localPolicy == nil else {
                    throw CommandFailure(
                        .failed, "a gateway that is in no group has no other policy than its configuration file")
                }
                let loaded = try GatewayConfigurationFile(
                    path: place.configuration ?? GatewayPlace.standardConfiguration)
                return RunSettings(loaded.configuration)
            }
            var settings = LocalSettings()
            let file = place.configuration
            if let file { settings = try GatewayConfigurationFile.settings(path: file) }
            if let localPolicy {
                guard settings.policy == LocalPolicy() else {
                    throw CommandFailure(
                        .failed, "there is a local_policy in \(file ?? "the file") and a --local-policy: keep one")
                }
                settings.policy = try GatewayConfigurationFile.localPolicy(path: localPolicy)
            }
            if noLan { settings.lan = false }
            if forward { settings.forward = settings.forward ?? LocalSettings.Forward() }
            // The system's own gateway is found in the system's place.
            if settings.controlPath == nil, state != Self.defaultState {
                settings.controlPath = state + "/control.sock"
            }
            return RunSettings(state: state, settings)
        } catch let error as ConfigurationFileError {
            throw CommandFailure(.failed, "the configuration is refused\n\(error)")
        }
    }
}

/// Drains the gateway at the first signal, then has it stop; stops it at once at the second.
private func stopOnSignal(
    _ signals: UnixSignalsSequence, _ gateway: Gateway, _ services: ServiceGroup, _ restarter: Restarter,
    _ logger: Logger
) async {
    var draining: Task<Void, Never>?
    for await signal in signals {
        await restarter.stop()
        guard draining == nil else {
            logger.notice("stopping at once", metadata: ["signal": "\(signal)"])
            draining?.cancel()
            return await services.triggerGracefulShutdown()
        }
        draining = Task {
            do {
                let left = try await gateway.drain()
                if left > 0 { logger.notice("connections are still open: they end", metadata: ["count": "\(left)"]) }
            } catch is CancellationError { return } catch {
                // It does not run yet, or any more.
            }
            await services.triggerGracefulShutdown()
        }
    }
}

/// Starting touches two thirds of the program, most of it never again: the configuration's reader, the tables in which
/// Swift looks up conformances. A small device has better use for 20 MB, and for what bursts leave behind later.
private func releaseWhatStartingTook() -> Task<Void, any Error> {
    Task {
        try await Task.sleep(for: .seconds(1))
        StartupMemory.release()
        try await SpareMemory.releaseNowAndThen()
    }
}

/// Takes as many file descriptors as the system allows this process: each connection needs one, and the usual soft limit
/// of 1,024 is there for programs that use select(2).
private func raiseFileLimit() {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
}

/// The formats of log lines, as arguments.
enum LogFormat: String, CaseIterable, ExpressibleByArgument {
    case text, json

    var format: LineLogHandler.Format {
        switch self {
        case .text: .text
        case .json: .json
        }
    }
}

/// The levels of logging, as arguments.
enum LogLevel: String, CaseIterable, ExpressibleByArgument {
    case trace, debug, info, notice, warning, error, critical

    var level: Logger.Level {
        switch self {
        case .trace: .trace
        case .debug: .debug
        case .info: .info
        case .notice: .notice
        case .warning: .warning
        case .error: .error
        case .critical: .critical
        }
    }
}
