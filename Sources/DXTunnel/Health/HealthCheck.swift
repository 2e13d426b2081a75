import DXWire

extension GatewayConfiguration {
    /// How a destination finds out whether a tunnel's target takes connections (`docs/ha.md` §2).
    public struct HealthCheck: Sendable, Hashable {
        /// What is done.
        public enum Kind: Sendable, Hashable {
            /// A TCP connection is made and closed.
            case tcp
            /// `GET path` (HTTP/1.1): a status of 200 to 399, or `expect` alone, is good.
            case http(path: String, expect: Int?)
            /// The command of this name in the destination's own configuration (`healthCommands`) exits with 0. The group can name a
            /// command and never bring one along.
            case command(name: String)
        }

        /// What is done.
        public var kind: Kind
        /// From the end of a check to the next one, 100 ms to one hour.
        public var interval: Duration
        /// How long a check may take, 50 ms to one minute.
        public var timeout: Duration
        /// So many successes in a row make a target that is down up again, 1 to 100.
        public var rise: Int
        /// So many failures in a row make it down, 1 to 100.
        public var fall: Int

        /// A check from its parts.
        public init(
            _ kind: Kind, interval: Duration = .seconds(5), timeout: Duration = .seconds(2), rise: Int = 2,
            fall: Int = 2
        ) {
            self.kind = kind
            self.interval = interval
            self.timeout = timeout
            self.rise = rise
            self.fall = fall
        }

        /// Intervals that a configuration may name: below, checks are a load; above, they tell nothing in time.
        public static let intervals: ClosedRange<Duration> = .milliseconds(100)...(.seconds(3_600))
        /// How long a check may take: above a minute nobody waits for the verdict.
        public static let timeouts: ClosedRange<Duration> = .milliseconds(50)...(.seconds(60))
        /// Successes and failures that may be asked for.
        public static let counts: ClosedRange<Int> = 1...100
        /// The longest path of an HTTP check, in bytes.
        public static let maximumPath = 1_024

        /// The same for the machine.
        var settings: TargetHealth.Settings {
            TargetHealth.Settings(
                interval: Interval(interval), timeout: Interval(timeout), rise: rise, fall: fall)
        }

        /// What is wrong with it, for people; nil when nothing is.
        var fault: String? {
            if !Self.intervals.contains(interval) { return "an interval outside 100ms to 1h" }
            if !Self.timeouts.contains(timeout) { return "a timeout outside 50ms to 60s" }
            if !Self.counts.contains(rise) || !Self.counts.contains(fall) { return "rise or fall outside 1 to 100" }
            switch kind {
            case .tcp: return nil
            case .http(let path, let expect):
                if expect.map({ !(100...599).contains($0) }) ?? false { return "no status of HTTP" }
                // What stands in a request line unescaped (RFC 9112 §3.2).
                let isPath =
                    path.hasPrefix("/") && path.utf8.count <= Self.maximumPath
                    && path.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f }
                return isPath ? nil : "a path that does not begin with / or holds spaces"
            case .command(let name): return NameRule.isValid(name) ? nil : "no name of a command"
            }
        }
    }

    /// A program that says whether a target is well: its path and arguments, without a shell.
    public typealias HealthCommand = [String]

    /// What is wrong with a health command; nil when nothing is.
    public static func fault(of command: HealthCommand) -> String? {
        guard let program = command.first else { return "no program" }
        if !program.hasPrefix("/") { return "\"\(program)\" is no whole path" }
        // What execve(2) takes for certain, and a zero ends an argument.
        if command.count > 64 || command.contains(where: { $0.utf8.count > 4_096 || $0.utf8.contains(0) }) {
            return "more than 64 arguments, or one of more than 4096 bytes"
        }
        return nil
    }
}

extension GatewayConfiguration.HealthCheck.Kind: CustomStringConvertible {
    /// As operators write it: `tcp`, `http:/health`, `http:/health=204`, `command:NAME`.
    public var description: String {
        switch self {
        case .tcp: "tcp"
        case .http(let path, let expect): "http:\(path)" + (expect.map { "=\($0)" } ?? "")
        case .command(let name): "command:\(name)"
        }
    }

    /// Reads what `description` writes; nil for anything else.
    public init?(_ text: String) {
        if text == "tcp" {
            self = .tcp
            return
        }
        guard let colon = text.firstIndex(of: ":") else {
            guard text == "http" else { return nil }
            self = .http(path: "/", expect: nil)
            return
        }
        let rest = text[text.index(after: colon)...]
        switch text[..<colon] {
        case "http":
            // A path may hold = as well: only a number of three digits behind the last one is a status.
            guard let sign = rest.lastIndex(of: "="), rest.distance(from: sign, to: rest.endIndex) == 4,
                let status = Int(rest[rest.index(after: sign)...])
            else {
                self = .http(path: String(rest), expect: nil)
                return
            }
            self = .http(path: String(rest[..<sign]), expect: status)
        case "command": self = .command(name: String(rest))
        default: return nil
        }
    }
}

extension Interval {
    /// The same span; saturates.
    init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self = .seconds(seconds) + .nanoseconds(attoseconds / 1_000_000_000)
    }
}
