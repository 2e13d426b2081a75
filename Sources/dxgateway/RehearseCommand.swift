import ArgumentParser
import DXControl
import DXTunnel
import Glibc

struct RehearseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rehearse",
        abstract: "Cut a peer or a path for some seconds, and say what applications felt.",
        discussion: """
            This gateway sends nothing there and takes nothing that comes from there, as if the network lost it. It
            restores that by itself when the time is over, also when this program is not there any more. Says first what
            will be cut and what stands by, and refuses when nothing does for connections that are open.

            Ends with 0 when nothing broke, else with 1.

              dxgateway rehearse path cloud-1            (the path in use)
              dxgateway rehearse path cloud-1 wwan0 --seconds 20
              dxgateway rehearse peer cloud-1
              dxgateway rehearse stop
              dxgateway rehearse show
            """,
        subcommands: [
            RehearsePeerCommand.self, RehearsePathCommand.self, RehearseStopCommand.self, RehearseShowCommand.self,
        ])
}

struct RehearsePeerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "peer", abstract: "Cut all ways to a peer.",
        discussion: "  dxgateway rehearse peer cloud-1 --seconds 20")

    @Argument(help: "The peer's name, or the first 8 or more characters of its gateway id.", completion: .peers)
    var peer: String

    @OptionGroup var run: RehearsalRun

    func run() async throws { try await run.begin(peer: peer, path: nil) }
}

struct RehearsePathCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "path", abstract: "Cut a path to a peer: the one in use, unless others are named.",
        discussion: """
              dxgateway rehearse path cloud-1
              dxgateway rehearse path cloud-1 203.0.113.2
              dxgateway rehearse path cloud-1 eth0 203.0.113.2:7700
            """)

    @Argument(help: "The peer's name, or the first 8 or more characters of its gateway id.", completion: .peers)
    var peer: String

    @Argument(
        help: ArgumentHelp(
            "An address of either end, with or without its port, or the name of this host's interface: cuts the paths that have all.",
            valueName: "end"))
    var ends: [String] = []

    @OptionGroup var run: RehearsalRun

    func run() async throws { try await run.begin(peer: peer, path: ends) }
}

struct RehearseStopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop", abstract: "End the cut that goes on, at once.", discussion: "  dxgateway rehearse stop")

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func run() async throws {
        let (reply, text) = try await options.group(.delete, "/v1/rehearse", as: RehearsalStopReply.self)
        if json { return Output.line(text) }
        Output.line(reply.stopped ? "restored" : "nothing is cut")
    }
}

struct RehearseShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show the rehearsal that goes on, or else the last one.",
        discussion: "  dxgateway rehearse show --json")

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func run() async throws {
        let (reply, text) = try await options.group(.get, "/v1/rehearse", as: RehearsalReply.self)
        if json { return Output.line(text) }
        guard let report = reply.rehearsal else {
            return Output.line("there was no rehearsal since the gateway started")
        }
        if report.phase != .over { Output.line(RehearsalText.progress(report)) }
        Output.line(RehearsalText.text(report))
    }
}

/// What the verbs that cut have in common.
struct RehearsalRun: ParsableArguments {
    @Option(help: ArgumentHelp("For how long, 1 to 60 s.", valueName: "number"))
    var seconds = RehearsalRequest.usualSeconds

    @Flag(help: "Also when nothing stands by for connections that are open.")
    var force = false

    @Flag(help: "Say what would be cut and what stands by, and do nothing.")
    var dryRun = false

    @Flag(help: "Print JSON, when it is over.")
    var json = false

    @OptionGroup var options: ControlOptions

    /// Between two looks.
    private static let pause = Duration.milliseconds(250)

    func validate() throws {
        guard (1...RehearsalPlan.maximumSeconds).contains(seconds) else {
            throw ValidationError("--seconds must be 1 to \(RehearsalPlan.maximumSeconds)")
        }
    }

    /// Says what will be cut, has it cut, shows how it goes, and says what was felt.
    func begin(peer: String, path: [String]?) async throws {
        var request = RehearsalRequest(peer: peer, path: path, seconds: seconds, force: force, dryRun: true)
        let (asked, text) = try await options.group(.post, "/v1/rehearse", request, as: RehearsalPlanReply.self)
        if dryRun { return Output.line(json ? text : RehearsalText.text(asked.plan)) }
        if !json { Output.line(RehearsalText.text(asked.plan)) }
        request.dryRun = nil
        let before = try await options.group(.get, "/v1/rehearse", as: RehearsalReply.self).reply.rehearsal
        _ = try await options.group(.post, "/v1/rehearse", request, as: RehearsalPlanReply.self)
        let (report, result) = try await watch(after: before)
        Output.line(json ? result : "\n" + RehearsalText.text(report))
        if report.holds != true { throw ExitCode(ExitStatus.failed.rawValue) }
    }

    /// Until it is over; the JSON text as it came, too.
    private func watch(after before: RehearsalReport?) async throws -> (RehearsalReport, String) {
        let isTerminal = isatty(STDERR_FILENO) == 1 && !json
        while true {
            let (reply, text) = try await options.group(.get, "/v1/rehearse", as: RehearsalReply.self)
            guard let report = reply.rehearsal else { throw CommandFailure(.failed, "the gateway was started anew") }
            if report.phase == .over, report != before {
                if isTerminal { Output.status("") }
                return (report, text)
            }
            if isTerminal { Output.status(RehearsalText.progress(report)) }
            try await Task.sleep(for: Self.pause)
        }
    }
}
