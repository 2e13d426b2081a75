import ArgumentParser
import DXControl
import DXTunnel

struct CompletionsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "completions",
        abstract: "Print the script by which a shell completes this program's commands.",
        discussion: """
            It completes verbs and options, and asks the running gateway for the names of tunnels, peers and members. The Debian
            package has all three scripts in place.

              dxgateway completions bash > ~/.local/share/bash-completion/completions/dxgateway
              dxgateway completions zsh  > ~/.zfunc/_dxgateway    (with fpath+=~/.zfunc before compinit)
              dxgateway completions fish > ~/.config/fish/completions/dxgateway.fish
            """)

    @Argument(help: "bash, zsh or fish.")
    var shell: Shell

    /// The shells that argument-parser writes scripts for.
    enum Shell: String, CaseIterable, ExpressibleByArgument {
        case bash, zsh, fish

        var kind: CompletionShell {
            switch self {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        }
    }

    func run() { Output.line(DXGateway.completionScript(for: shell.kind)) }
}

/// Names that the running gateway knows, for completion.
extension CompletionKind {
    /// The names of its peers.
    static var peers: CompletionKind {
        .custom { words, _, _ in await NameCompletion(words).status { $0.peers.map(\.name) } }
    }

    /// The names of its tunnels: those of its group, else its own.
    static var tunnels: CompletionKind {
        .custom { words, _, _ in
            let names = await NameCompletion(words).group("/v1/tunnels", as: TunnelsReply.self) {
                $0.tunnels.map(\.definition.name)
            }
            if !names.isEmpty { return names }
            return await NameCompletion(words).status { $0.tunnels.map(\.name) }
        }
    }

    /// The names of its group's members.
    static var members: CompletionKind {
        .custom { words, _, _ in
            await NameCompletion(words).group("/v1/members", as: MembersReply.self) { $0.members.map(\.name) }
        }
    }
}

/// Asks the gateway that a half-written command means. Whatever goes wrong, there are no names: a shell that completes is no place
/// for messages.
private struct NameCompletion {
    private let client: ControlClient?

    /// Who waits for a completion waits no longer than this, in seconds.
    private static let patience = 2

    /// `words` are those of the command line.
    init(_ words: [String]) {
        /// What stands behind an option: `--state DIR` or `--state=DIR`.
        func value(of option: String) -> String? {
            for (index, word) in words.enumerated() {
                if word == option, index + 1 < words.count { return Self.unquoted(words[index + 1]) }
                if word.hasPrefix(option + "=") { return Self.unquoted(String(word.dropFirst(option.count + 1))) }
            }
            return nil
        }
        let locator = ControlLocator(
            control: value(of: "--control"), state: value(of: "--state"), environment: ProgramEnvironment.variables)
        guard case .found(let path) = locator.locate() else {
            client = nil
            return
        }
        client = ControlClient(path: path, timeoutSeconds: Self.patience)
    }

    /// Shells hand words over as they were written.
    private static func unquoted(_ word: String) -> String {
        guard word.count >= 2, let quote = word.first, quote == "'" || quote == "\"", word.last == quote else {
            return word
        }
        return String(word.dropFirst().dropLast())
    }

    func status(_ names: (GatewayStatus) -> [String]) async -> [String] {
        guard let client, let reply = try? await client.status() else { return [] }
        // The two ends of a tunnel may both be here.
        return Set(names(reply.status)).sorted()
    }

    func group<Reply: Decodable & Sendable>(_ uri: String, as type: Reply.Type, _ names: (Reply) -> [String]) async
        -> [String]
    {
        guard let client, let reply = try? await client.group(.get, uri, as: type) else { return [] }
        return names(reply.reply).sorted()
    }
}
