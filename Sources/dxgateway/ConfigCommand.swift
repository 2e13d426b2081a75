import ArgumentParser
import DXControl
import DXTunnel

struct ConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config",
        abstract: "Show and change the group's configuration, go back; check a configuration file.",
        discussion: """
              dxgateway config history
              dxgateway config match add match.example:3478#PIN
              dxgateway config rollback 17
              dxgateway config validate /etc/dx/gateway.yaml
            """,
        subcommands: [
            ConfigShowCommand.self, ConfigExportCommand.self, ConfigHistoryCommand.self, ConfigRollbackCommand.self,
            ConfigConfirmCommand.self, ConfigCheckpointCommand.self, ConfigMatchCommand.self,
            ConfigMatchKeyCommand.self,
            ValidateCommand.self,
        ])
}

struct ValidateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate",
        abstract: "Say everything that is wrong with a configuration file, and start nothing.",
        discussion: """
            Each problem is one line: file:line:column: what is wrong; what to do. The key files that the file names
            are checked too, and the file of its token. The file of a gateway in a group, which has no name, peers and tunnels of its own, is
            known by that.

              dxgateway config validate /etc/dx/gateway.yaml
            """)

    @Argument(help: "The configuration file.", completion: .file())
    var file: String

    @Flag(help: "Print JSON.")
    var json = false

    private struct Result: Encodable {
        struct Problem: Encodable {
            var file: String
            var line: Int?
            var column: Int?
            var message: String
            var remedy: String
        }
        var schema = GatewayStatus.schema
        var valid: Bool
        var id: String?
        var problems: [Problem]
    }

    func run() throws {
        let loaded: GatewayConfigurationFile
        do throws(ConfigurationFileError) { loaded = try GatewayConfigurationFile(path: file) } catch {
            let refusal = try settingsError(else: error)
            guard json else { throw CommandFailure(.failed, "the configuration is refused\n\(refusal)") }
            try Output.json(
                Result(
                    valid: false,
                    problems: refusal.problems.map { problem in
                        Result.Problem(
                            file: problem.file, line: problem.position?.line, column: problem.position?.column,
                            message: problem.message, remedy: problem.remedy)
                    }))
            throw ExitCode(ExitStatus.failed.rawValue)
        }
        try checkToken(of: loaded.configuration.metrics)
        if json {
            try Output.json(Result(valid: true, id: loaded.gatewayID.text, problems: []))
        } else {
            let configuration = loaded.configuration
            Output.line(
                "\(file) is good: gateway \(configuration.name), \(configuration.peers.count) peers,"
                    + " \(configuration.tunnels.count) tunnels\nid \(loaded.gatewayID)")
        }
    }

    /// Ends with what is wrong with the file of the metrics' token; a gateway runs without its figures all the same.
    private func checkToken(of metrics: MetricsPlace) throws {
        guard case .at(_, let access) = metrics else { return }
        do throws(MetricsTokenError) { try access.checkToken() } catch {
            guard json else { throw CommandFailure(.failed, "\(error)") }
            let problem = Result.Problem(file: file, message: "\(error)", remedy: "put the file of the token right")
            try Output.json(Result(valid: false, problems: [problem]))
            throw ExitCode(ExitStatus.failed.rawValue)
        }
    }

    /// What is wrong with a file that is no whole configuration, as that of a gateway in a group if it looks like one. Says so and ends
    /// when it is good as that.
    private func settingsError(else whole: ConfigurationFileError) throws -> ConfigurationFileError {
        guard whole.problems.contains(where: { $0.message == "missing key \"name\"" }) else { return whole }
        let settings: LocalSettings
        do throws(ConfigurationFileError) { settings = try GatewayConfigurationFile.settings(path: file) } catch {
            return error.problems.count < whole.problems.count ? error : whole
        }
        try checkToken(of: settings.metrics)
        if json {
            try Output.json(Result(valid: true, problems: []))
        } else {
            Output.line("\(file) is good for a gateway in a group (without one it would need name, identity and veil)")
        }
        throw ExitCode.success
    }
}
