/// The result of a rehearsal in a sentence.
extension RehearsalReport {
    /// This, with the verdict on what it holds.
    func judged() -> RehearsalReport {
        var report = self
        let broken = Self.brokenWords(tunnels)
        let unserved = tunnels.filter { $0.role == .origin && $0.servedAfterMilliseconds == nil }.map(\.name)
        let still = tunnels.reduce(0) { $0 + $1.stillUntilRestored }
        let stillHere = tunnels.filter { $0.role == .destination }.reduce(0) { $0 + $1.stillUntilRestored }
        let unanswered = tunnels.reduce(0) { $0 + $1.refusedConnections + $1.unansweredConnections }
        var parts = [broken ?? "no connection broke"]
        if still > 0 {
            parts.append("\(Self.count(still, "connection")) stood still until it was back")
        } else if tunnels.contains(where: { $0.openConnections > 0 }) {
            let longest = tunnels.map(\.longestSilenceMilliseconds).max() ?? 0
            parts.append("longest silence \(Self.time(longest))")
        }
        parts += tunnels.compactMap(Self.newWords)
        for name in unserved { parts.append("nobody took new connections of \(name)") }
        report.verdict = parts.joined(separator: "; ")
        // Connections that are bound to a peer wait for it; those that have another path must not.
        let isStuck = !plan.paths.isEmpty && still > 0
        report.holds = broken == nil && unserved.isEmpty && unanswered == 0 && stillHere == 0 && !isStuck
        return report
    }

    private static func brokenWords(_ tunnels: [Tunnel]) -> String? {
        var all: [String: Int] = [:]
        for tunnel in tunnels { all.merge(tunnel.broken, uniquingKeysWith: +) }
        guard !all.isEmpty else { return nil }
        let sum = all.values.reduce(0, +)
        let kinds = all.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        return "\(count(sum, "connection")) broke (\(kinds))"
    }

    /// What became of those that were asked for meanwhile.
    private static func newWords(_ tunnel: Tunnel) -> String? {
        guard tunnel.askedConnections > 0 else { return nil }
        var parts = tunnel.answeredBy.sorted { $0.key < $1.key }.map { "\($0.value) went to \($0.key)" }
        if tunnel.refusedConnections > 0 { parts.append("\(tunnel.refusedConnections) were refused or gave up") }
        if tunnel.unansweredConnections > 0 { parts.append("\(tunnel.unansweredConnections) had no answer") }
        let within = tunnel.longestAnswerMilliseconds.map { ", the slowest after \(time($0))" } ?? ""
        return "of \(count(tunnel.askedConnections, "new connection")) of \(tunnel.name) "
            + parts.joined(separator: ", ") + within
    }

    private static func count(_ number: Int, _ word: String) -> String { "\(number) \(word)\(number == 1 ? "" : "s")" }

    /// Milliseconds below a second, tenths of seconds beyond.
    static func time(_ milliseconds: UInt64) -> String {
        guard milliseconds >= 1_000 else { return "\(milliseconds) ms" }
        let tenths = (milliseconds + 50) / 100
        return "\(tenths / 10).\(tenths % 10) s"
    }
}
