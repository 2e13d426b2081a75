import ArgumentParser
import DXControl
import DXMatch
import DXMatchRedis
import DXMatchServer
import DXSocket
import DXWire
import Glibc
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
import UnixSignals

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run a matchmaker until SIGTERM or SIGINT.",
        discussion: """
            Logs go to standard error. SIGHUP reads the file of match keys again. On SIGTERM members are told to use
            other matchmakers for some seconds (--drain-seconds); a second one ends it at once.

            With --alternate it has four sockets for STUN, which gateways need to learn all that their NATs do; its
            address must be one of this host, and --listen then names the first address.

              dxmatchd run --groups /etc/dx/groups
              dxmatchd run --groups /etc/dx/groups --listen 192.0.2.11:3478 --alternate 192.0.2.12:3479
              dxmatchd run --open --metrics 127.0.0.1:9479
            """)

    @OptionGroup var options: RunOptions

    func run() async throws {
        let logger = Logger(label: "matchd") { [options] label in
            LineLogHandler(label: label, format: options.logFormat, logLevel: options.logLevel)
        }
        let settings = try options.settings()
        do { try await serve(settings, logger) } catch let failure as CommandFailure { throw failure } catch {
            throw CommandFailure(.failed, "\(error)")
        }
    }

    private func serve(_ settings: MatchSettings, _ logger: Logger) async throws {
        let state = try MatchState(directory: settings.state ?? StateOption.standard, now: UnixClock.now())
        var configuration = Matchmaker.Configuration(
            listen: Self.listen(settings), groups: try Self.groups(settings))
        configuration.answersSTUN = settings.answersSTUN
        // Before anything is served: a signal that comes meanwhile is not lost.
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
        let loops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let mirror = try Self.registry(settings).map {
            RedisMirror($0, pin: state.pin, secrets: state.secrets, logger: logger)
        }
        let matchmaker = try await Matchmaker.start(
            configuration, state: state, mirror: mirror, logger: logger, on: loops.next())
        mirror?.start(matchmaker)
        logger.info(
            "serving",
            metadata: [
                "addresses": "\(matchmaker.localEndpoints.map(\.description).joined(separator: " "))",
                "pin": "\(matchmaker.pin.text)",
            ])
        let manager = ServiceManager(environment: ProgramEnvironment.variables, process: getpid())
        var services: [any Service] = [
            ControlServer(path: state.directory + "/control.sock", matchmaker: matchmaker, logger: logger),
            ServiceManagerReporter(manager, logger: logger) {
                let server = try await matchmaker.status().front.server
                return "\(server.registrations) registrations of \(server.groups) groups"
            },
        ]
        if let metrics = settings.metrics {
            services.append(MetricsServer(address: metrics, matchmaker: matchmaker, logger: logger))
        }
        var group = ServiceGroupConfiguration(services: services, logger: logger)
        // What a client holds open must not keep the ports.
        group.maximumGracefulShutdownDuration = .seconds(2)
        let beside = ServiceGroup(configuration: group)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await beside.run() }
            tasks.addTask {
                await end(signals, matchmaker, settings, logger)
                await beside.triggerGracefulShutdown()
            }
            // What is beside the matchmaker ends by itself only when it fails, and then so does all else.
            try await tasks.next()
            try await tasks.next()
        }
        try await mirror?.stop()
        try await matchmaker.stop()
        try await loops.shutdownGracefully()
        logger.info("stopped")
    }

    private enum Occurrence {
        case signal(UnixSignal)
        case drained
    }

    /// Returns when the time of members is over.
    private func end(
        _ signals: UnixSignalsSequence, _ matchmaker: Matchmaker, _ settings: MatchSettings, _ logger: Logger
    ) async {
        // One keepalive of most gateways would be 25 s; who is not told meanwhile notices after three without an answer.
        let drainSeconds = settings.drainSeconds ?? 5
        await withTaskGroup(of: Void.self) { tasks in
            let (occurrences, sink) = AsyncStream<Occurrence>.makeStream()
            tasks.addTask { for await signal in signals { sink.yield(.signal(signal)) } }
            var isLeaving = false
            for await occurrence in occurrences {
                if case .signal(.sighup) = occurrence {
                    await readGroups(matchmaker, settings, logger)
                    continue
                }
                // The time is over, or a second signal says that it is.
                guard !isLeaving, drainSeconds > 0 else { break }
                isLeaving = true
                try? await matchmaker.leave()
                logger.info("leaving", metadata: ["drain_s": "\(drainSeconds)"])
                tasks.addTask {
                    guard (try? await Task.sleep(for: .seconds(drainSeconds))) != nil else { return }
                    sink.yield(.drained)
                }
            }
            tasks.cancelAll()
        }
    }

    // MARK: What is served

    private static func groups(_ settings: MatchSettings) throws -> ServedGroups {
        guard let file = settings.groups else { return .open }
        return try GroupsFile.read(file)
    }

    /// SIGHUP. A file that cannot be read changes nothing.
    private func readGroups(_ matchmaker: Matchmaker, _ settings: MatchSettings, _ logger: Logger) async {
        guard settings.groups != nil else {
            return logger.notice("there is no file to read again: all groups are served")
        }
        do {
            let served = try Self.groups(settings)
            try await matchmaker.serve(served)
            logger.info("groups read again", metadata: ["count": "\(served.count ?? 0)"])
        } catch {
            logger.error("groups as before: the file is refused", metadata: ["reason": "\(error)"])
        }
    }

    /// Where registrations are shared; nil for in memory alone.
    private static func registry(_ settings: MatchSettings) throws(RedisAddress.Problem) -> RedisAddress? {
        guard let text = settings.registry, text != "memory" else { return nil }
        return try RedisAddress(text: text)
    }

    private static func listen(_ settings: MatchSettings) -> MatchListen {
        var result = MatchListen()
        if !settings.listen.isEmpty { result.addresses = settings.listen }
        for address in settings.alternate {
            result.alternatePort = address.port
            if case .address(let endpoint) = address.host { result.alternates.append(endpoint) }
        }
        return result
    }
}
