public import DXTunnel

/// A rehearsal for people.
public enum RehearsalText {
    /// What is cut, and what stands by.
    public static func text(_ plan: RehearsalPlan) -> String {
        var lines = TextTable.paragraph("cuts", ["\(plan.what), for \(plan.seconds) s, at this gateway"])
        if plan.paths.count > 1 { lines += TextTable.paragraph("paths", plan.paths) }
        if !plan.paths.isEmpty {
            lines += TextTable.paragraph("stands by", plan.otherPaths.isEmpty ? ["no other path"] : plan.otherPaths)
        }
        for tunnel in plan.tunnels {
            let others = tunnel.standsBy.isEmpty ? "" : "; stands by: \(tunnel.standsBy.joined(separator: ", "))"
            lines += TextTable.paragraph(
                "tunnel", ["\(tunnel.name) (\(tunnel.role.rawValue)), \(tunnel.openConnections) open\(others)"])
        }
        if !plan.wouldBreak.isEmpty { lines += TextTable.paragraph("would break", plan.wouldBreak) }
        if !plan.notes.isEmpty { lines += TextTable.paragraph("note", plan.notes) }
        return lines.joined(separator: "\n")
    }

    /// What was felt.
    public static func text(_ report: RehearsalReport) -> String {
        var lines: [String] = []
        var cut = ["\(report.plan.what), for \(time(report.cutMilliseconds))"]
        if let ending = report.ending, ending != .time { cut[0] += ", ended early (\(ending.rawValue))" }
        cut.append("\(report.droppedOut) datagrams not sent, \(report.droppedIn) not taken")
        lines += TextTable.paragraph("cut", cut)
        lines += TextTable.paragraph(
            "path",
            ["before \(report.pathBefore ?? "none")", "during \(report.pathDuring ?? "none")"]
                + (report.pathAfter.map { ["after  \($0)"] } ?? []))
        if let first = report.firstByteMilliseconds {
            lines += TextTable.paragraph("first byte", ["after \(time(first))"])
        } else if let heard = report.heardMilliseconds {
            lines += TextTable.paragraph("heard again", ["after \(time(heard)), while it was cut"])
        }
        for tunnel in report.tunnels { lines += text(tunnel) }
        if let verdict = report.verdict {
            lines += [""] + ["\(report.holds ?? false ? "holds" : "DOES NOT HOLD"): \(verdict)"]
        }
        return lines.joined(separator: "\n")
    }

    private static func text(_ tunnel: RehearsalReport.Tunnel) -> [String] {
        var words = ["\(tunnel.name) (\(tunnel.role.rawValue)): \(tunnel.openConnections) open"]
        if tunnel.stalledConnections > 0, let half = tunnel.stallP50Milliseconds, let most = tunnel.stallP99Milliseconds
        {
            words[0] +=
                ", \(tunnel.stalledConnections) stood still: p50 \(time(half)), p99 \(time(most)),"
                + " longest \(time(tunnel.longestSilenceMilliseconds))"
        } else if tunnel.openConnections > 0 {
            words[0] += ", longest silence \(time(tunnel.longestSilenceMilliseconds))"
        }
        for (how, count) in tunnel.broken.sorted(by: { $0.key < $1.key }) { words.append("\(count) broke: \(how)") }
        if tunnel.unfollowedConnections > 0 { words.append("\(tunnel.unfollowedConnections) more were not followed") }
        if tunnel.askedConnections > 0 {
            let answered = tunnel.answeredBy.sorted { $0.key < $1.key }.map { "\($0.value) by \($0.key)" }
            words.append(
                "\(tunnel.askedConnections) new: answered \(answered.isEmpty ? "0" : answered.joined(separator: ", "))"
                    + ", refused \(tunnel.refusedConnections), without answer \(tunnel.unansweredConnections)"
                    + (tunnel.longestAnswerMilliseconds.map { "; the slowest after \(time($0))" } ?? ""))
        }
        return TextTable.paragraph("tunnel", words)
    }

    /// How it goes, on one line.
    public static func progress(_ report: RehearsalReport) -> String {
        let silent = report.silentNow == 0 ? "nobody stands still" : "\(report.silentNow) stand still"
        let longest = report.tunnels.map(\.longestSilenceMilliseconds).max() ?? 0
        return switch report.phase {
        case .before: "looking how it is without the cut"
        case .cut:
            "cut for \(time(report.cutMilliseconds)) of \(report.plan.seconds) s: \(silent), longest silence"
                + " \(time(longest))"
        case .after, .over: "restored: \(silent)"
        }
    }

    /// Milliseconds below a second, tenths of seconds beyond.
    private static func time(_ milliseconds: UInt64) -> String {
        guard milliseconds >= 1_000 else { return "\(milliseconds) ms" }
        let tenths = (milliseconds + 50) / 100
        return "\(tenths / 10).\(tenths % 10) s"
    }
}
