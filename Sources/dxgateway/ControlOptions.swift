import ArgumentParser
import DXControl
import Glibc

/// How a client verb finds the gateway that it asks.
struct ControlOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The gateway's control socket.", valueName: "path"))
    var control: String?

    @Option(help: ArgumentHelp("The gateway's state directory, which holds control.sock.", valueName: "directory"))
    var state: String?

    /// Asks the gateway for something about its group.
    func group<Reply: Decodable>(
        _ method: ControlClient.GroupMethod, _ uri: String, _ body: (any Encodable & Sendable)? = nil,
        as type: Reply.Type
    ) async throws -> (reply: Reply, json: String) {
        let client = try client()
        do throws(ControlClientError) { return try await client.group(method, uri, body, as: type) } catch {
            throw CommandFailure(error)
        }
    }

    /// A name as a part of a path: what no name has in it must not become another path.
    static func escaped(_ text: String) -> String {
        text.utf8.map { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                String(UnicodeScalar(byte))
            default: "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }.joined()
    }

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
