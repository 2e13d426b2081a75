import ArgumentParser
import DXControl
import DXTunnel

struct DrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain",
        abstract: "Take no new connections, and have the peers send theirs elsewhere; those that are open go on.",
        discussion: """
            What SIGTERM does first; this does not stop the gateway.

              dxgateway drain
              dxgateway drain --wait 10m
              dxgateway drain --end
            """)

    @Flag(help: "Take connections again.")
    var end = false

    @Option(help: ArgumentHelp("Wait until none is open, at most so long; 1 when some are.", valueName: "time"))
    var wait: String?

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    /// Between two looks: nobody waits for less.
    private static let pause = Duration.milliseconds(500)

    func validate() throws {
        guard wait.map({ Quantity.duration($0) != nil }) ?? true else {
            throw ValidationError("--wait is a time as 10m")
        }
        guard wait == nil || !end else { throw ValidationError("--wait and --end do not go together") }
    }

    func run() async throws {
        let request = DrainRequest(drain: !end)
        let limit = wait.flatMap(Quantity.duration) ?? .zero
        let start = ContinuousClock.now
        var (reply, text) = try await options.group(.post, "/v1/drain", request, as: DrainReply.self)
        try await ProgressLine.during("waiting for \(reply.openConnections) connections to end") {
            while reply.openConnections > 0, ContinuousClock.now - start < limit {
                try await Task.sleep(for: Self.pause)
                (reply, text) = try await options.group(.post, "/v1/drain", request, as: DrainReply.self)
            }
        }
        if json {
            Output.line(text)
        } else {
            let word = end ? "takes connections again" : "draining"
            Output.line("\(word), \(reply.openConnections) connections are open")
        }
        if wait != nil, reply.openConnections > 0 { throw ExitCode(ExitStatus.failed.rawValue) }
    }
}

struct TunnelFailbackCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "failback",
        abstract: "Use the destinations of a tunnel that have failed again, from this gateway, once they are well.",
        discussion: "  dxgateway tunnel failback web")

    @Argument(help: "The tunnel's name.", completion: .tunnels)
    var name: String

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func run() async throws {
        let path = "/v1/tunnels/" + ControlOptions.escaped(name) + "/failback"
        let (_, text) = try await options.group(.post, path, as: DoneReply.self)
        Output.line(json ? text : "destinations of \(name) that have failed are used again")
    }
}
