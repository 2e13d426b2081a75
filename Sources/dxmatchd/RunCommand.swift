import ArgumentParser
import DXControl
import DXMatch
import DXMatchServer
import DXSocket
import DXTunnel
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
              dxmatchd run --open
            """)

    @Option(
        help: ArgumentHelp(
            "Where to listen, UDP; several are allowed (default: :3478, all addresses).", valueName: "address:port"))
    var listen: [String] = []

    @Option(
        help: ArgumentHelp(
            "The other address and port of STUN; one for each family is allowed. :PORT sets the port alone (default: :3479).",
            valueName: "address:port"))
    var alternate: [String] = []

    @OptionGroup var options: StateOption

    @Option(help: ArgumentHelp("The match keys of the groups that are served, one a line.", valueName: "file"))
    var groups: String?

    @Flag(help: "Serve everybody's groups.")
    var open = false

    @Flag(help: "Answer no STUN.")
    var noStun = false

    @Option(help: ArgumentHelp("How long members are told to leave before it ends.", valueName: "seconds"))
    var drainSeconds = 5

    @Option(help: "How log lines are written.")
    var logFormat = LineLogHandler.Format.text

    @Option(help: "The least level that is logged.")
    var logLevel = Logger.Level.info

    func validate() throws {
        guard (0...3_600).contains(drainSeconds) else { throw ValidationError("--drain-seconds is 0 to 3600") }
        guard groups == nil || !open else { throw ValidationError("--groups and --open exclude each other") }
        guard groups != nil || open else {
            throw ValidationError(
                """
                it must be said whose groups are served: --groups FILE with the match keys that their admins give you \
                (dxgateway config match-key), or --open for everybody's
                """)
        }
        _ = try place()
    }

    func run() async throws {
        let logger = Logger(label: "matchd") { [logFormat, logLevel] label in
            LineLogHandler(label: label, format: logFormat, logLevel: logLevel)
        }
        do { try await serve(logger) } catch let failure as CommandFailure { throw failure } catch {
            throw CommandFailure(.failed, "\(error)")
        }
    }

    private func serve(_ logger: Logger) async throws {
        let state = try MatchState(directory: options.state, now: UnixClock.now())
        var configuration = Matchmaker.Configuration(listen: try place(), groups: try servedGroups())
        configuration.answersSTUN = !noStun
        // Before anything is served: a signal that comes meanwhile is not lost.
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
        let loops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let matchmaker = try await Matchmaker.start(
            configuration, state: state, logger: logger, on: loops.next())
        logger.info(
            "serving",
            metadata: [
                "addresses": "\(matchmaker.localEndpoints.map(\.description).joined(separator: " "))",
                "pin": "\(matchmaker.pin.text)",
            ])
        let services = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [ControlServer(path: options.socket, matchmaker: matchmaker, logger: logger)], logger: logger)
        )
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await services.run() }
            tasks.addTask {
                await end(signals, matchmaker, logger)
                await services.triggerGracefulShutdown()
            }
            // The services end by themselves only when one fails, and then so does the rest.
            try await tasks.next()
            try await tasks.next()
        }
        try await matchmaker.stop()
        try await loops.shutdownGracefully()
        logger.info("stopped")
    }

    private enum Occurrence {
        case signal(UnixSignal)
        case drained
    }

    /// Returns when the time of members is over.
    private func end(_ signals: UnixSignalsSequence, _ matchmaker: Matchmaker, _ logger: Logger) async {
        await withTaskGroup(of: Void.self) { tasks in
            let (occurrences, sink) = AsyncStream<Occurrence>.makeStream()
            tasks.addTask { for await signal in signals { sink.yield(.signal(signal)) } }
            var isLeaving = false
            for await occurrence in occurrences {
                if case .signal(.sighup) = occurrence {
                    await readGroups(matchmaker, logger)
                    continue
                }
                // The time is over, or a second signal says that it is.
                guard !isLeaving, drainSeconds > 0 else { break }
                isLeaving = true
                try? await matchmaker.leave()
                logger.info("leaving", metadata: ["drain_s": "\(drainSeconds)"])
                tasks.addTask { [drainSeconds] in
                    guard (try? await Task.sleep(for: .seconds(drainSeconds))) != nil else { return }
                    sink.yield(.drained)
                }
            }
            tasks.cancelAll()
        }
    }

    // MARK: What is served

    private func servedGroups() throws -> ServedGroups {
        guard let groups else { return .open }
        return try GroupsFile.read(groups)
    }

    /// SIGHUP. A file that cannot be read changes nothing.
    private func readGroups(_ matchmaker: Matchmaker, _ logger: Logger) async {
        guard groups != nil else { return logger.notice("there is no file to read again: all groups are served") }
        do {
            let served = try servedGroups()
            try await matchmaker.serve(served)
            logger.info("groups read again", metadata: ["count": "\(served.count ?? 0)"])
        } catch {
            logger.error("groups as before: the file is refused", metadata: ["reason": "\(error)"])
        }
    }

    /// Where it listens.
    private func place() throws -> MatchListen {
        var result = MatchListen()
        do {
            if !listen.isEmpty { result.addresses = try listen.map { try ListenAddress(text: $0) } }
            for text in alternate {
                let address = try ListenAddress(text: text)
                result.alternatePort = address.port
                if case .address(let endpoint) = address.host { result.alternates.append(endpoint) }
            }
        } catch { throw ValidationError("\(error)") }
        return result
    }
}
