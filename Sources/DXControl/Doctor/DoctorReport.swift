import DXTunnel

/// One thing that was looked at.
public struct DoctorFinding: Sendable, Hashable, Codable {
    /// How it stands.
    public enum State: String, Sendable, Hashable, Codable {
        /// As it should be.
        case ok
        /// The gateway works, but not as well as it could, or not for ever.
        case warn
        /// Something does not work.
        case fail
    }

    /// What was looked at, in a word: `clock`, `disk`. One check may find several things.
    public var check: String
    /// How it stands.
    public var state: State
    /// What was found, in a sentence.
    public var message: String
    /// What to do, as an instruction; nil where nothing is to be done.
    public var remedy: String?

    /// A finding from its parts.
    public init(_ check: String, _ state: State, _ message: String, remedy: String? = nil) {
        self.check = check
        self.state = state
        self.message = message
        self.remedy = remedy
    }
}

/// All that `dxgateway doctor` found.
public struct DoctorReport: Sendable, Hashable, Codable {
    /// The version of this layout.
    public var schema = GatewayStatus.schema
    /// Whether nothing failed.
    public var healthy: Bool
    /// What was found, in the order of the checks.
    public var findings: [DoctorFinding]

    /// A report of these findings.
    public init(_ findings: [DoctorFinding]) {
        healthy = !findings.contains { $0.state == .fail }
        self.findings = findings
    }

    /// The report for people: a line for each finding, and below what does not stand as it should, what to do.
    public func text(terminal: Terminal = .plain) -> String {
        let words = findings.map(\.check.count).max() ?? 0
        var lines: [String] = []
        for finding in findings {
            let (mark, style): (String, TextStyle) =
                switch finding.state {
                case .ok: ("ok  ", .good)
                case .warn: ("warn", .warning)
                case .fail: ("FAIL", .bad)
                }
            let left = "  \(TextFit.padded(finding.check, words))  "
            let width = terminal.width.map { Swift.max(20, $0 - left.count - mark.count) }
            let texts = [finding.message] + (finding.remedy.map { ["-> " + $0] } ?? [])
            for (number, text) in texts.flatMap({ TextFit.wrapped(TextFit.clean($0), width, lines: 4) }).enumerated() {
                let start =
                    number == 0 ? terminal.styled(mark, style) + left : String(repeating: " ", count: 4 + left.count)
                lines.append(start + text)
            }
        }
        return ([verdict, ""] + lines).joined(separator: "\n")
    }

    private var verdict: String {
        let failed = findings.filter { $0.state == .fail }.count
        let warned = findings.filter { $0.state == .warn }.count
        let warnings = warned == 0 ? "" : warned == 1 ? "; 1 warning" : "; \(warned) warnings"
        return (failed == 0 ? "nothing is broken" : "\(failed) of \(findings.count) checks FAILED") + warnings
    }
}
