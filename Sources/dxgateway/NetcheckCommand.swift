import ArgumentParser
import DXControl
import DXTunnel

struct NetcheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "netcheck",
        abstract: "Say what this network does to UDP, and with which peers there is a direct way from here.",
        discussion: """
            A running gateway is asked to look, and adds what it knows. With --match or --stun no gateway is needed: this program
            looks by itself. It takes about four seconds, ten where something does not answer.

            Ends with 0 when UDP passes and a matchmaker (or STUN server) is of use, else with 1; the text says what follows
            from it.

              dxgateway netcheck
              dxgateway netcheck --match match.example:3478#PIN
              dxgateway netcheck --stun stun.example:3478 --json
            """)

    @Option(
        name: .customLong("match"), parsing: .singleValue,
        help: ArgumentHelp(
            "A matchmaker to ask, without a gateway; several times for several.", valueName: "host:port#pin"))
    var matchmakers: [String] = []

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "A STUN server to ask, without a gateway; several times for several.", valueName: "host:port"))
    var stun: [String] = []

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: ControlOptions

    /// Longer than the check takes.
    private static let timeoutSeconds = 20
    private static let progress = "looking at this network (up to 12 s)"

    func validate() throws {
        for text in matchmakers { _ = try MatchmakerArgument.readWithoutPin(text) }
        for text in stun { _ = try MatchmakerArgument.readAddress(text) }
        guard matchmakers.count + stun.count <= 16 else { throw ValidationError("ask 16 servers at most") }
        let isAlone = !(matchmakers.isEmpty && stun.isEmpty)
        if isAlone, options.control != nil || options.state != nil {
            throw ValidationError("--match and --stun look without a gateway: leave --control and --state away")
        }
    }

    func run() async throws {
        let report: NetworkReport
        if matchmakers.isEmpty && stun.isEmpty {
            let (found, text) = try await ask()
            report = found
            Output.line(json ? text : "\(NetworkReportText(report))")
        } else {
            report = try await look()
            if json { try Output.json(report) } else { Output.line("\(NetworkReportText(report))") }
        }
        if !report.isUsable { throw ExitCode(ExitStatus.failed.rawValue) }
    }

    private func ask() async throws -> (report: NetworkReport, json: String) {
        let client: ControlClient
        do { client = try options.client() } catch let failure as CommandFailure where failure.code == .notRunning {
            throw CommandFailure(
                .notRunning, failure.message + "\nor look without one: dxgateway netcheck --match HOST:PORT#PIN")
        }
        do throws(ControlClientError) {
            return try await ProgressLine.during(Self.progress) { () async throws(ControlClientError) in
                try await ControlClient(path: client.path, timeoutSeconds: Self.timeoutSeconds).checkNetwork()
            }
        } catch { throw CommandFailure(error) }
    }

    private func look() async throws -> NetworkReport {
        var known: [MatchmakerAddress] = []
        var others = try stun.map(MatchmakerArgument.readAddress)
        for text in matchmakers {
            let (address, matchmaker) = try MatchmakerArgument.readWithoutPin(text)
            if let matchmaker { known.append(matchmaker) } else { others.append(address) }
        }
        return try await ProgressLine.during(Self.progress) { [known, others] in
            try await Gateway.checkNetwork(matchmakers: known, stun: others)
        }
    }
}
