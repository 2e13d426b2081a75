import ArgumentParser
import DXControl
import DXTunnel

struct ConfigMatchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "match",
        abstract: "Show and change the group's matchmakers, by which gateways behind NATs find each other.",
        discussion: """
              dxgateway config match list
              dxgateway config match add match.example:3478#PIN
              dxgateway config match add self
              dxgateway config match remove match.example:3478
            """,
        subcommands: [MatchListCommand.self, MatchAddCommand.self, MatchRemoveCommand.self])
}

struct MatchListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Show the group's matchmakers.",
        discussion: "  dxgateway config match list --json")

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func run() async throws {
        let (reply, text) = try await options.group(.get, "/v1/config/match", as: MatchReply.self)
        if json { return Output.line(text) }
        for server in reply.match.servers { Output.line(server) }
        if reply.match.servers.isEmpty { Output.error("none; add one with dxgateway config match add HOST:PORT#PIN") }
    }
}

struct MatchAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Have the group use matchmakers.",
        discussion: """
            PIN is what dxmatchd pin prints there. With the first one the group gets its match key, which the matchmaker has to be
            told unless it serves anybody. Without a port, as in match.example#PIN, it is where the SRV records of
            _dxmatch._udp.match.example say, else at port 3478 of the name. A gateway with serve_match is a matchmaker for its own group: `self` there, at the host
            that it advertises or its public address, or with `self` for the pin at any other of its names.

              dxgateway config match add match.example:3478#PIN
              dxgateway config match-key >> groups
              dxgateway config match add self
              dxgateway config match add cloud.example:3478#self
            """)

    @Argument(help: ArgumentHelp("Where it listens, and its pin.", valueName: "host:port#pin"))
    var matchmakers: [String]

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func validate() throws {
        for text in matchmakers where !MatchmakerArgument.isSelf(text) { _ = try MatchmakerArgument.read(text) }
    }

    func run() async throws {
        let body = MatchChange(add: matchmakers)
        let (reply, text) = try await options.group(.patch, "/v1/config/match", body, as: MatchReply.self)
        Output.match(reply, json ? text : nil)
    }
}

struct MatchRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Have the group use matchmakers no more.",
        discussion: """
            Without a pin all that are listed there go.

              dxgateway config match remove match.example:3478
              dxgateway config match remove self
            """)

    @Argument(help: ArgumentHelp("As config match list shows it.", valueName: "host:port#pin"))
    var matchmakers: [String]

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func run() async throws {
        let body = MatchChange(remove: matchmakers)
        let (reply, text) = try await options.group(.patch, "/v1/config/match", body, as: MatchReply.self)
        Output.match(reply, json ? text : nil)
    }
}

struct ConfigMatchKeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "match-key",
        abstract: "Print the public key by which matchmakers know the group; an admin makes it if there is none.",
        discussion: """
            For the file that dxmatchd --groups reads, a key on each line. It is no secret. With --new the group gets another one, as
            after the loss of a device: a matchmaker that serves known groups alone refuses the group until it has it.

              dxgateway config match-key >> groups
            """)

    @Flag(help: "Make another one.")
    var new = false

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    func run() async throws {
        let (reply, text) =
            if new {
                try await options.group(.patch, "/v1/config/match", MatchChange(newKey: true), as: MatchReply.self)
            } else {
                try await options.group(.post, "/v1/config/match-key", as: MatchReply.self)
            }
        Output.line(json ? text : reply.match.key ?? "")
        if reply.match.madeKey, !json { Output.error("made; tell it each matchmaker: dxmatchd --groups FILE") }
    }
}

/// A matchmaker on the command line.
enum MatchmakerArgument {
    /// Reads `HOST:PORT#PIN`, or `NAME#PIN`.
    static func read(_ text: String) throws -> MatchmakerAddress {
        do throws(MatchmakerAddressError) { return try MatchmakerAddress(text) } catch {
            throw ValidationError("\"\(text)\" \(error); \(error.remedy)")
        }
    }

    /// Whether it means the gateway that is asked: `self`, or `HOST:PORT#self`. What stands before it the gateway checks.
    static func isSelf(_ text: String) -> Bool { text == "self" || text.hasSuffix("#self") }

    /// Reads `HOST:PORT#PIN`, or `HOST:PORT` alone: without a pin there is no matchmaker, but a place that may answer STUN.
    static func readWithoutPin(_ text: String) throws -> (HostAddress, MatchmakerAddress?) {
        guard text.contains("#") else { return (try readAddress(text), nil) }
        let matchmaker = try read(text)
        return (matchmaker.address, matchmaker)
    }

    /// Reads `HOST:PORT`.
    static func readAddress(_ text: String) throws -> HostAddress {
        let address: HostAddress
        do throws(HostAddressError) { address = try HostAddress(text) } catch {
            throw ValidationError("\"\(text)\" \(error); \(error.remedy(isTarget: true))")
        }
        guard !address.isWildcard, address.port != 0 else {
            throw ValidationError("\"\(text)\" is no address that something can be sent to; write HOST:PORT")
        }
        return address
    }
}

extension Output {
    /// What became of the matchmakers, as JSON if that is given, else in words.
    static func match(_ reply: MatchReply, _ json: String?) {
        if let json { return line(json) }
        for server in reply.match.servers { line(server) }
        line("revision \(reply.match.revision)")
        guard reply.match.madeKey, let key = reply.match.key else { return }
        error("made the group's match key; a dxmatchd that serves known groups alone has to be told it:")
        error("  \(key)")
    }
}
