import ArgumentParser
import DXControl
import DXMatchServer
import DXWire

struct PinCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pin",
        abstract: "Print the matchmaker's pin, by which gateways know it.",
        discussion: """
            The pin is the id of its key, which is made at first use. Gateways list it as HOST:PORT#PIN. A running
            matchmaker is asked; else the key is read, as the user that it belongs to.

              dxmatchd pin
              dxmatchd pin --json --state /var/lib/dx/matchd
            """)

    @OptionGroup var options: StateOption

    @Flag(help: "Print JSON.")
    var json = false

    private struct Result: Encodable {
        var schema = 1
        var pin: String
        var state: String
    }

    func run() async throws {
        let pin = try await runningPin() ?? keptPin()
        if json {
            try Output.json(Result(pin: pin, state: options.state))
        } else {
            Output.line(pin)
        }
    }

    /// What the one that runs says: root may ask it, whose key it may not read.
    private func runningPin() async throws(CommandFailure) -> String? {
        do throws(ControlClientError) {
            return try await ControlClient(path: options.socket).group(.get, "/v1/status", as: MatchStatusReply.self)
                .reply.pin
        } catch {
            if case .notRunning = error { return nil }
            throw CommandFailure(error)
        }
    }

    private func keptPin() throws(CommandFailure) -> String {
        do { return try MatchState(directory: options.state, now: UnixClock.now()).pin.text } catch {
            throw CommandFailure(.failed, "\(error)")
        }
    }
}
