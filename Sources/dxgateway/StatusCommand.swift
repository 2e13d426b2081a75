import ArgumentParser
import DXControl
import DXTunnel

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show whether a running gateway is healthy, and why not.",
        discussion: """
            Fits on one screen: first whether the gateway is healthy, then each problem and the command to go on with, then a
            short summary. peers, tunnel show and top have the details.

            Ends with 0 whenever the gateway answers; with --check, with 1 when it is not healthy. The gateway is found by --control, else --state, else $DX_CONTROL, else in /run/dx, else in
            $XDG_RUNTIME_DIR/dx. Without this program:
              curl --unix-socket /run/dx/gateway.sock http://localhost/v1/status

              dxgateway status
              dxgateway status --check || dxgateway doctor
              dxgateway status --json --control /run/dx/edge-1.sock
            """)

    @OptionGroup var options: ControlOptions

    @Flag(help: "Print JSON.")
    var json = false

    @Flag(help: "End with 1 when the gateway is not healthy.")
    var check = false

    func run() async throws {
        let (status, text) = try await options.status()
        Output.line(json ? text : "\(StatusReport(status, terminal: .output, place: options.text))")
        if check, !status.isHealthy { throw ExitCode(ExitStatus.failed.rawValue) }
    }
}
