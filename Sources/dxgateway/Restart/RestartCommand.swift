import ArgumentParser
import DXControl

struct RestartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restart",
        abstract: "Start the gateway's program anew, without a break: another version of it, or other settings.",
        discussion: """
            The new start takes over the ports and all new connections at once; those that are open go on in the old one, which ends with
            the last of them, or when the time for that is over (restart_timeout, 1h). When the new one cannot start, nothing changes.

              dxgateway restart
              dxgateway restart --drain 10m
            """)

    @Option(
        help: ArgumentHelp(
            "How long open connections may go on (default: restart_timeout in the file, 1h).", valueName: "time"))
    var drain: String?

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    /// Both programs have a minute.
    private static let patience = 120

    func validate() throws {
        guard drain.map({ Quantity.duration($0) != nil }) ?? true else {
            throw ValidationError("--drain is a time as 10m")
        }
    }

    func run() async throws {
        let request = RestartRequest(drainSeconds: drain.flatMap(Quantity.duration).map { Int($0.components.seconds) })
        let (reply, text) = try await ProgressLine.during("waiting for the new start") {
            try await options.group(.post, "/v1/restart", request, as: RestartReply.self, within: Self.patience)
        }
        guard !json else { return Output.line(text) }
        let what =
            reply.version == reply.versionBefore
            ? "restarted" : "restarted: version \(reply.version), was \(reply.versionBefore)"
        let open = reply.openConnections
        Output.line(
            "\(what), process \(reply.pid)"
                + (open > 0
                    ? "; \(open) connection\(open == 1 ? "" : "s") go\(open == 1 ? "es" : "") on in the old one" : ""))
    }
}
