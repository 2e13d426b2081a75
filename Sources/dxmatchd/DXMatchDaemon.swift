import ArgumentParser
import DXControl
import DXTunnel

/// The program: arguments in, exit codes out; all else is in DXMatchServer and DXControl.
@main
struct DXMatchDaemon: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dxmatchd",
        abstract: "Tells gateways behind NATs their addresses and introduces them to one another; carries no data.",
        discussion: """
            To serve the groups whose match keys (dxgateway config match-key) are lines of a file:
              dxmatchd run --groups /etc/dx/groups

            Gateways need its address and its pin, which is printed by:
              dxmatchd pin

            Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no matchmaker is running.
            """,
        version: "dxmatchd \(DXVersion.current)",
        subcommands: [RunCommand.self, PinCommand.self, AuditCommand.self])

    static func main() async { await runProgram("dxmatchd") }
}

/// Where a matchmaker keeps its key.
struct StateOption: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The directory of the matchmaker's key and secrets, mode 0700; made at first use.", valueName: "directory"))
    var state = StateOption.standard

    /// Where it is unless told otherwise.
    static let standard = "/var/lib/dx/matchd"

    /// Where it can be asked while it runs.
    var socket: String { state + "/control.sock" }
}
