import ArgumentParser
import DXControl
import DXTunnel
import Glibc

/// How a client verb finds the gateway that it asks.
struct ControlOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The gateway's control socket.", valueName: "path"), completion: .file())
    var control: String?

    @Option(
        help: ArgumentHelp("The gateway's state directory, which holds control.sock.", valueName: "directory"),
        completion: .directory)
    var state: String?

    /// The same options behind another verb, as ` --state DIR`; empty when there are none.
    var text: String {
        [("--control", control), ("--state", state)].compactMap { name, value in
            value.map { " \(name) \(Self.quoted($0))" }
        }.joined()
    }

    /// A word as a shell reads it.
    private static func quoted(_ word: String) -> String {
        let isPlain = word.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "+")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "@"), UInt8(ascii: "~"):
                true
            default: false
            }
        }
        return isPlain && !word.isEmpty
            ? word
            : "'"
                + word.split(separator: "'", omittingEmptySubsequences: false)
                .joined(separator: "'\\''") + "'"
    }

    /// Asks the gateway for something about its group.
    func group<Reply: Decodable>(
        _ method: ControlClient.GroupMethod, _ uri: String, _ body: (any Encodable & Sendable)? = nil,
        as type: Reply.Type, within seconds: Int? = nil
    ) async throws -> (reply: Reply, json: String) {
        var client = try client()
        if let seconds { client = ControlClient(path: client.path, timeoutSeconds: seconds) }
        do throws(ControlClientError) { return try await client.group(method, uri, body, as: type) } catch {
            throw CommandFailure(error)
        }
    }

    /// Asks the gateway for something that a group has; nil when the gateway is in none.
    func unlessWithoutGroup<Reply: Decodable>(
        _ uri: String, as type: Reply.Type
    ) async throws -> (reply: Reply, json: String)? {
        let client = try client()
        do throws(ControlClientError) { return try await client.group(.get, uri, as: type) } catch {
            if case .refused(let refusal) = error, refusal.code == .noGroup { return nil }
            throw CommandFailure(error)
        }
    }

    /// Asks the gateway for its status; the JSON text as it came, too.
    func status() async throws -> (status: GatewayStatus, json: String) {
        let client = try client()
        do throws(ControlClientError) { return try await client.status() } catch { throw CommandFailure(error) }
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
        case .found(let path):
            if control == nil, let state, unsafe access(path, F_OK) != 0, errno == ENOENT {
                throw GatewayService.silence("there is no socket \(path)", state: state)
            }
            return ControlClient(path: path)
        case .several(let paths):
            throw CommandFailure(
                .failed,
                "several gateways may run here: choose one with --control\n"
                    + paths.map { "  --control \($0)" }.joined(separator: "\n"))
        case .none(let searched):
            throw GatewayService.silence("there is no socket \(searched.joined(separator: " or "))", state: nil)
        }
    }
}

extension Terminal {
    /// What the process writes results to.
    static var output: Terminal { standardOutput(environment: ProgramEnvironment.variables) }
}
