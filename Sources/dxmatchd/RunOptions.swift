import ArgumentParser
import DXControl
import DXMatchRedis
import DXSocket
import Glibc
import Logging

/// What `run` is told: by a file, and by arguments, which come first.
struct RunOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("The configuration file (default: /etc/dx/matchd.yaml if it is there).", valueName: "file"))
    var config: String?

    @Option(
        help: ArgumentHelp(
            "Where to listen, UDP; several are allowed (default: :3478, all addresses).", valueName: "address:port"))
    var listen: [ListenAddress] = []

    @Option(
        help: ArgumentHelp(
            "The other address and port of STUN, one for each family; :PORT sets the port alone (default: :3479).",
            valueName: "address:port"))
    var alternate: [ListenAddress] = []

    @Option(
        help: ArgumentHelp(
            "The directory of the matchmaker's key and secrets, mode 0700; made at first use (default:"
                + " \(StateOption.standard)).", valueName: "directory"))
    var state: String?

    @Option(help: ArgumentHelp("The match keys of the groups that are served, one a line.", valueName: "file"))
    var groups: String?

    @Flag(help: "Serve everybody's groups.")
    var open = false

    @Flag(help: "Answer no STUN.")
    var noStun = false

    @Option(
        help: ArgumentHelp(
            "Where registrations are kept: memory, or redis://[:PASSWORD-FILE@]HOST:PORT/DATABASE, shared by all"
                + " instances that have copies of one state directory (default: memory).", valueName: "registry"))
    var registry: String?

    @Option(
        help: ArgumentHelp("Serve figures at http://ADDRESS:PORT/metrics (OpenMetrics).", valueName: "address:port"))
    var metrics: ListenAddress?

    @Option(
        help: ArgumentHelp("How long members are told to leave before it ends (default: 5).", valueName: "seconds"))
    var drainSeconds: Int?

    @Option(help: "How log lines are written.")
    var logFormat = LineLogHandler.Format.text

    @Option(help: "The least level that is logged.")
    var logLevel = Logger.Level.info

    func validate() throws {
        guard (0...3_600).contains(drainSeconds ?? 0) else { throw ValidationError("--drain-seconds is 0 to 3600") }
        guard groups == nil || !open else { throw ValidationError("--groups and --open exclude each other") }
    }

    private static let standardConfig = "/etc/dx/matchd.yaml"

    /// The file's settings with the arguments over them. Throws when it is not said whose groups are served.
    func settings() throws(CommandFailure) -> MatchSettings {
        var settings = MatchSettings()
        let file = config ?? (unsafe access(Self.standardConfig, F_OK) == 0 ? Self.standardConfig : nil)
        if let file {
            do { settings = try MatchConfigurationFile.read(file) } catch {
                throw CommandFailure(.failed, "the configuration is refused\n\(error)")
            }
        }
        if !listen.isEmpty { settings.listen = listen }
        if !alternate.isEmpty { settings.alternate = alternate }
        settings.state = state ?? settings.state
        if let groups { (settings.groups, settings.isOpen) = (groups, false) }
        if open { (settings.groups, settings.isOpen) = (nil, true) }
        if noStun { settings.answersSTUN = false }
        settings.registry = registry ?? settings.registry
        settings.metrics = metrics ?? settings.metrics
        settings.drainSeconds = drainSeconds ?? settings.drainSeconds
        if let text = settings.registry, text != "memory" {
            do { _ = try RedisAddress(text: text) } catch { throw CommandFailure(.usage, "\(error)") }
        }
        guard settings.groups != nil || settings.isOpen else {
            throw CommandFailure(
                .usage,
                """
                it must be said whose groups are served: --groups FILE with the match keys that their admins give you \
                (dxgateway config match-key), or --open for everybody's
                """)
        }
        return settings
    }
}
