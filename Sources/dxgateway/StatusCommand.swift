import ArgumentParser
import DXControl

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show whether a running gateway is healthy, and why not.",
        discussion: """
            The gateway is found by --control, else --state, else $DX_CONTROL, else in /run/dx, else in
            $XDG_RUNTIME_DIR/dx. Without this program:
              curl --unix-socket /run/dx/gateway.sock http://localhost/v1/status

              dxgateway status
              dxgateway status --json --control /run/dx/edge-1.sock
            """)

    @OptionGroup var options: ControlOptions

    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        let client = try options.client()
        do throws(ControlClientError) {
            let (status, text) = try await client.status()
            Output.line(json ? text : "\(StatusReport(status))")
        } catch {
            throw CommandFailure(error)
        }
    }
}
