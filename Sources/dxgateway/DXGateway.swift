import ArgumentParser
import DXControl
import DXTunnel

/// The program: arguments in, exit codes out; all else is in DXTunnel and DXControl.
@main
struct DXGateway: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dxgateway",
        abstract: "Carries TCP connections between networks through an authenticated UDP channel.",
        discussion: """
            Two gateways, one at each end, know one another by their keys. A connection
            made to a tunnel's address at the one comes out at its target at the other.

            To see it work on this machine:
              dxgateway demo

            To set up a group:
              dxgateway init --group plant --name hq   (on the first gateway, which then can)
              dxgateway run
              dxgateway invite --name edge-1           (prints a token)
              dxgateway join TOKEN                     (on another machine, which then can)
              dxgateway run
              dxgateway tunnel add web --origin edge-1@127.0.0.1:8080 --destination hq@127.0.0.1:80

            To set up a gateway without a group:
              dxgateway keygen --out edge-1.key        (prints the id for its peers)
              dxgateway keygen --veil --out group.key  (once; every gateway has it)
              dxgateway config validate gateway.yaml
              dxgateway run --config gateway.yaml

            Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no gateway is running.
            """,
        version: "dxgateway \(DXVersion.current)",
        subcommands: [
            KeygenCommand.self, RunCommand.self, ConfigCommand.self, StatusCommand.self, PeersCommand.self,
            TopCommand.self,
            DoctorCommand.self, PingCommand.self,
            DemoCommand.self, InitCommand.self, InviteCommand.self, JoinCommand.self, GroupCommand.self,
            MemberCommand.self, TunnelCommand.self, NcCommand.self, NetcheckCommand.self, ExplainCommand.self,
            DrainCommand.self, RestartCommand.self, EventsCommand.self, TraceCommand.self, LogCommand.self,
            AuditCommand.self, RehearseCommand.self, CompletionsCommand.self,
        ])

    static func main() async { await runProgram("dxgateway") }
}
