import ArgumentParser
import DXControl
import DXTunnel
import Glibc

struct InitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Make a group, with this gateway as its first member and admin.",
        discussion: """
            The group's root key says who its admins are. Kept in a place of its own, it brings the group back when the
            last admin's disk is gone. Root makes the group as the user who owns the state directory.

              dxgateway init --group plant --name hq --recovery-out /media/usb/plant.root.key
              dxgateway run

            With --match the group's gateways find each other behind NATs; PIN is what dxmatchd pin prints there.
            Without a port SRV records of _dxmatch._udp say where it is.

              dxgateway init --group plant --name hq --match match.example:3478#PIN
            """)

    @Option(help: "What operators call the group.")
    var group: String

    @Option(help: "What they call this gateway.")
    var name: String

    @OptionGroup var place: StateOption

    @Option(
        help: ArgumentHelp("Where the root key goes: a file that does not exist yet.", valueName: "file"),
        completion: .file())
    var recoveryOut: String?

    @Option(help: ArgumentHelp("A matchmaker; any number, up to eight.", valueName: "host:port#pin"))
    var match: [String] = []

    @Flag(help: "Print JSON.")
    var json = false

    func validate() throws { for text in match { _ = try MatchmakerArgument.read(text) } }

    func run() throws {
        let matchmakers = try match.map(MatchmakerArgument.read)
        let summary: GroupSummary
        do {
            // In the directory of another user root's own file is written by root, once the group is there.
            let isOther = StateOwner.isOther(of: place.state)
            if isOther, let recoveryOut { try RootKey.refuseExisting(recoveryOut) }
            summary = try StateOwner.perform(in: place.state) {
                try GroupCreation(
                    group: group, gateway: name, stateDirectory: place.state,
                    recoveryFile: isOther ? nil : recoveryOut, matchmakers: matchmakers
                ).run()
            }
            if isOther, let recoveryOut, let made = summary.rootKeyFile {
                let root = try StateOwner.perform(in: place.state) { try RootKey(reading: made) }
                try root.write(to: recoveryOut)
                try StateOwner.perform(in: place.state) { _ = unsafe unlink(made) }
            }
        } catch let failure as CommandFailure { throw failure } catch {
            throw CommandFailure(.failed, "\(error)")
        }
        if json { return try Output.json(GroupReport(group: summary)) }
        Output.line("made the group \(summary.group); \(name) is its first member and admin")
        Output.line("gateway id  \(summary.thisGateway?.gateway ?? "")")
        Output.line("state       \(summary.state)")
        Output.line("root key    \(recoveryOut ?? summary.rootKeyFile ?? "")")
        if let key = summary.matchKey { Output.line("match key   \(key)") }
        let advice = recoveryOut == nil ? "move the root key to a safe place" : "keep the root key in a safe place"
        Output.error("warning: the group has one admin: when this disk is lost only the root key helps; \(advice)")
    }
}

struct GroupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "group",
        abstract: "Show a gateway's group.",
        subcommands: [GroupShowCommand.self, GroupRecoverCommand.self])
}

struct GroupRecoverCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recover",
        abstract: "Make this gateway an admin, by the group's root key.",
        discussion: """
            For a group whose last admin is gone. Stop the gateway first; once it runs again the others learn of it.

              dxgateway group recover --key /media/usb/plant.root.key
            """)

    @Option(
        help: ArgumentHelp("The root key, as init --recovery-out wrote it.", valueName: "file"), completion: .file())
    var key: String

    @OptionGroup var place: StateOption

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        let summary: GroupSummary
        do {
            let root = try RootKey(reading: key)
            summary = try StateOwner.perform(in: place.state) {
                try GroupRecovery(stateDirectory: place.state, keyFile: key, rootKey: root).run()
            }
        } catch let failure as CommandFailure { throw failure } catch { throw CommandFailure(.failed, "\(error)") }
        if json { return try Output.json(GroupReport(group: summary)) }
        Output.line("\(summary.thisGateway?.name ?? "this gateway") is an admin of the group \(summary.group)")
    }
}

struct GroupShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show what a state directory says about the group.",
        discussion: """
              dxgateway group show
              dxgateway group show --state /var/lib/dx/gateway --json
            """)

    @OptionGroup var place: StateOption

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        let summary: GroupSummary
        StateOwner.become(of: place.state)
        do throws(StateProblem) { summary = try GroupSummary(stateDirectory: place.state) } catch {
            throw CommandFailure(.failed, "\(error)")
        }
        if json { return try Output.json(GroupReport(group: summary)) }
        Output.line("group \(summary.group), epoch \(summary.epoch), revision \(summary.revision)")
        for member in summary.members {
            let notes = (member.admin ? ["admin"] : []) + (member.thisGateway ? ["this gateway"] : []) + member.labels
            Output.line("  \(member.name)  \(member.gateway)  \(notes.joined(separator: ", "))")
        }
        for matchmaker in summary.matchmakers { Output.line("  matchmaker \(matchmaker)") }
        if summary.refusedRecords > 0 {
            Output.error("warning: \(summary.refusedRecords) records do not verify and are left out")
        }
    }
}

/// Where a gateway keeps what it knows of its group.
struct StateOption: ParsableArguments {
    @Option(
        help: ArgumentHelp("The directory with the gateway's identity and group.", valueName: "dir"),
        completion: .directory)
    var state = StateOption.standard

    /// The system's own gateway's.
    static let standard = "/var/lib/dx/gateway"

    /// What runs a gateway from a state directory: the service, where it is the service's.
    static func runCommand(_ state: String) -> String {
        state == standard && GatewayService.isInstalled
            ? "sudo systemctl start dxgateway" : "dxgateway run --state \(state)"
    }
}

/// A group as JSON.
struct GroupReport: Encodable {
    var schema = GatewayStatus.schema
    var group: GroupSummary
}
