import ArgumentParser
import DXControl
import Glibc

/// How a client verb finds the gateway that it asks.
struct ControlOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The gateway's control socket.", valueName: "path"))
    var control: String?

    @Option(help: ArgumentHelp("The gateway's state directory, which holds control.sock.", valueName: "directory"))
    var state: String?

    /// A client of that gateway. Throws when none can be found, or several.
    func client() throws -> ControlClient {
        let locator = ControlLocator(control: control, state: state, environment: ProgramEnvironment.variables)
        switch locator.locate() {
        case .found(let path): return ControlClient(path: path)
        case .several(let paths):
            throw CommandFailure(
                .failed,
                "several gateways may run here: choose one with --control\n"
                    + paths.map { "  --control \($0)" }.joined(separator: "\n"))
        case .none(let searched):
            throw CommandFailure(
                .notRunning,
                "no gateway is running: there is no socket \(searched.joined(separator: " or "));"
                    + " start one with dxgateway run, or name its socket with --control")
        }
    }
}

/// The environment of the process.
enum ProgramEnvironment {
    /// The variables that the program reads.
    static var variables: [String: String] {
        var variables: [String: String] = [:]
        for name in ["DX_CONTROL", "XDG_RUNTIME_DIR"] {
            guard let value = unsafe getenv(name) else { continue }
            variables[name] = unsafe String(cString: value)
        }
        return variables
    }
}
