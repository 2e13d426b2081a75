import ArgumentParser
import DXControl
import DXMatchServer
import DXWire

struct PinCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pin",
        abstract: "Print the matchmaker's pin, by which gateways know it.",
        discussion: """
            The pin is the id of its key, which is made at first use. Gateways list it as HOST:PORT#PIN.

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

    func run() throws {
        let state: MatchState
        do { state = try MatchState(directory: options.state, now: UnixClock.now()) } catch {
            throw CommandFailure(.failed, "\(error)")
        }
        let pin = state.pin.text
        if json { try Output.json(Result(pin: pin, state: state.directory)) } else { Output.line(pin) }
    }
}
