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
            are checked too, and the file of its token.

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
            guard json else { throw CommandFailure(.failed, "the configuration is refused\n\(error)") }
            try Output.json(
                Result(
                    valid: false,
                    problems: error.problems.map { problem in
                        Result.Problem(
                            file: problem.file, line: problem.position?.line, column: problem.position?.column,
                            message: problem.message, remedy: problem.remedy)
                    }))
            throw ExitCode(ExitStatus.failed.rawValue)
        }
        if case .at(_, let access) = loaded.configuration.metrics {
            // A gateway runs without its figures all the same.
            do throws(MetricsTokenError) { try access.checkToken() } catch {
                guard json else { throw CommandFailure(.failed, "\(error)") }
                let problem = Result.Problem(file: file, message: "\(error)", remedy: "put the file of the token right")
                try Output.json(Result(valid: false, problems: [problem]))
                throw ExitCode(ExitStatus.failed.rawValue)
            }
        }
        if json {
            try Output.json(Result(valid: true, id: loaded.gatewayID.text, problems: []))
        } else {
            let configuration = loaded.configuration
            Output.line(
                "\(file) is good: gateway \(configuration.name), \(configuration.peers.count) peers,"
                    + " \(configuration.tunnels.count) tunnels\nid \(loaded.gatewayID)")
        }
    }
}
