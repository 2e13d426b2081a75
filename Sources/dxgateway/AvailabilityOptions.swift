import ArgumentParser
import DXControl
import DXTunnel

/// How a tunnel stays available: checks of its targets, the choice among its destinations, patience with silence.
struct AvailabilityOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "How destinations check their targets: tcp, http:/path, http:/path=204, or command:NAME of the destination's"
                + " own health_commands (default: by the connections alone).", valueName: "check"))
    var health: String?

    @Option(help: ArgumentHelp("From one check to the next, as 500ms or 5s (default: 5s).", valueName: "time"))
    var healthInterval: String?

    @Option(help: ArgumentHelp("How long a check may take (default: 2s).", valueName: "time"))
    var healthTimeout: String?

    @Option(help: ArgumentHelp("Successes in a row that make a target up again (default: 2).", valueName: "number"))
    var healthRise: Int?

    @Option(help: ArgumentHelp("Failures in a row that make a target down (default: 2).", valueName: "number"))
    var healthFall: Int?

    @Flag(help: "A client's address leads to the same destination while that one serves.")
    var sticky = false

    @Option(
        help: ArgumentHelp(
            "When a destination that failed is used again: once it has been well for so long, or manual (default: 30s).",
            valueName: "time"))
    var failback: String?

    @Option(
        help: ArgumentHelp(
            "Keep open connections while the other gateway is silent for so long, as 1h (default: 60s, as any).",
            valueName: "time"))
    var hold: String?

    func validate() throws {
        guard health.map({ GatewayConfiguration.HealthCheck.Kind($0) != nil }) ?? true else {
            throw ValidationError("--health is tcp, http:/path, http:/path=204 or command:NAME")
        }
        for (name, text) in [
            ("--health-interval", healthInterval), ("--health-timeout", healthTimeout), ("--hold", hold),
            ("--failback", failback == "manual" ? nil : failback),
        ] {
            guard text.map({ Quantity.duration($0) != nil }) ?? true else {
                throw ValidationError("\(name) is a time as 500ms, 30s or 1h")
            }
        }
    }

    /// Adds them to what is asked for.
    func apply(to request: inout TunnelRequest) {
        request.health = health
        request.healthIntervalMilliseconds = healthInterval.flatMap(Self.milliseconds)
        request.healthTimeoutMilliseconds = healthTimeout.flatMap(Self.milliseconds)
        (request.healthRise, request.healthFall) = (healthRise, healthFall)
        request.sticky = sticky ? true : nil
        request.failback = failback == "manual" ? failback : failback.flatMap(Self.milliseconds).map { String($0) }
        request.holdSeconds = hold.flatMap(Self.milliseconds).map { ($0 + 999) / 1_000 }
    }

    private static func milliseconds(_ text: String) -> Int? {
        Quantity.duration(text).map { duration in
            let (seconds, attoseconds) = duration.components
            return Int(clamping: seconds) * 1_000 + Int(attoseconds / 1_000_000_000_000_000)
        }
    }

    /// What is said of them, for people; nil when nothing is.
    static func words(_ definition: TunnelRequest) -> String? {
        var words: [String] = []
        if let health = definition.health {
            let interval = definition.healthIntervalMilliseconds.map { " every \($0) ms" } ?? ""
            words.append("checked by \(health)\(interval)")
        }
        if definition.sticky == true { words.append("sticky") }
        if let failback = definition.failback {
            words.append(failback == "manual" ? "failback by hand" : "failback after \(failback) ms")
        }
        if let hold = definition.holdSeconds { words.append("held for \(hold) s of silence") }
        return words.isEmpty ? nil : words.joined(separator: ", ")
    }

    /// A destination as this gateway sees it, for people.
    static func words(_ destination: DestinationStatus) -> String {
        var words = "\(destination.gateway) is \(destination.state.rawValue)"
        if let reason = destination.reason { words += " (\(reason))" }
        if let wait = destination.waitSeconds { words += ", for \(Int(wait.rounded(.up))) s more" }
        if destination.failures > 0 { words += ", failed \(destination.failures) times" }
        return words
    }
}
