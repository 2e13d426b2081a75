import ArgumentParser
import DXControl
import DXTunnel
import Glibc

struct JoinCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "join",
        abstract: "Join a group with a token that dxgateway invite printed.",
        discussion: """
            A token on the command line can be seen by other users of this machine; - reads it from standard input and
            @FILE from a file. If joining fails, ask again: the token stays this gateway's. Root joins as the user who owns the
            state directory.

              dxgateway join - --name edge-1 < token.txt
              dxgateway join @/etc/dx/token
            """)

    @Argument(help: "The token, - or @FILE.")
    var token: String

    @Option(help: "What this gateway would like to be called.")
    var name: String?

    @OptionGroup var place: StateOption

    @Option(help: ArgumentHelp("How long to go on asking, in seconds.", valueName: "seconds"))
    var patience = 20

    @Flag(help: "Print JSON.")
    var json = false

    func run() async throws {
        let summary: GroupSummary
        do {
            let text = try text()
            StateOwner.become(of: place.state)
            let joining = GroupJoining(
                token: text, name: name, stateDirectory: place.state, patience: .seconds(patience))
            summary = try await ProgressLine.during("joining (up to \(patience) s)") { try await joining.run() }
        } catch let failure as CommandFailure { throw failure } catch {
            throw CommandFailure(.failed, "\(error)")
        }
        if json { return try Output.json(GroupReport(group: summary)) }
        Output.line("joined the group; state in \(summary.state)")
        Output.line("run it:  \(StateOption.runCommand(summary.state))")
    }

    private func text() throws -> String {
        if token == "-" {
            var lines = ""
            while lines.utf8.count < 4_096, let line = readLine() { lines += line }
            return lines
        }
        guard token.hasPrefix("@") else { return token }
        let path = String(token.dropFirst())
        guard let file = unsafe fopen(path, "re") else {
            throw CommandFailure(.failed, "\(path) cannot be read (\(unsafe String(cString: strerror(errno))))")
        }
        defer { unsafe fclose(file) }
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let count = unsafe fread(&buffer, 1, buffer.count, file)
        return String(decoding: buffer.prefix(count), as: UTF8.self)
    }
}
