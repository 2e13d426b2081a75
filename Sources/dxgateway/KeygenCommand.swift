import ArgumentParser
import DXControl
import DXTunnel

struct KeygenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keygen",
        abstract: "Make a gateway's identity, or the veil key that the gateways of a group share.",
        discussion: """
            An identity is one gateway's alone and never leaves it. Its gateway id is printed: the other gateways list
            it under `peers`. A veil key is made once and copied to every gateway of the group, by a safe way.

              dxgateway keygen --out edge-1.key
              dxgateway keygen --veil --out group.key
            """)

    @Option(
        help: ArgumentHelp("The file to write, mode 0600. It must not exist yet.", valueName: "file"),
        completion: .file())
    var out: String

    @Flag(help: "Make a veil key instead of an identity.")
    var veil = false

    @Flag(help: "Print JSON.")
    var json = false

    private struct Result: Encodable {
        var schema = GatewayStatus.schema
        var file: String
        var id: String?
    }

    func run() throws {
        var id: GatewayID?
        do throws(KeyFileProblem) {
            if veil { try KeyFiles.createVeil(at: out) } else { id = try KeyFiles.createIdentity(at: out) }
        } catch {
            throw CommandFailure(.failed, "\(error)")
        }
        if json {
            try Output.json(Result(file: out, id: id?.text))
        } else if let id {
            // The id alone, so that a script can take it.
            Output.line(id.text)
            Output.error("wrote the identity \(out); its gateway id is the line above")
        } else {
            Output.error("wrote the veil key \(out); copy it to every gateway of the group, by a safe way")
        }
    }
}
