public import DXTunnel

/// What `netcheck` found, for people.
public struct NetworkReportText: Sendable, CustomStringConvertible {
    private let report: NetworkReport

    /// The text of `report`.
    public init(_ report: NetworkReport) { self.report = report }

    /// The report, lines separated by newlines, without one at the end.
    public var description: String {
        var lines = [verdict]
        for family in report.families { lines += [""] + text(of: family) }
        lines += [""] + routerLines
        for server in report.matchmakers { lines += [""] + text(of: server) }
        if let binding = report.binding.flatMap(NetworkWords.binding) {
            lines += [""] + TextTable.paragraph("Keepalive", [binding] + keepalive)
        }
        lines += [""] + outlookLines
        let problems = report.problems
        if !problems.isEmpty { lines += ["", "To mend:"] + problems.map { "  \($0)" } }
        return lines.joined(separator: "\n")
    }

    private var verdict: String {
        guard report.isUDPWorking else {
            return report.families.contains { $0.nat?.udp == .blocked }
                ? "UDP is blocked in this network: no gateway can be reached from here."
                : "It is not known whether UDP passes: nothing answered."
        }
        let isServed = report.matchmakers.contains { $0.state != .failing }
        return isServed ? "UDP passes, and a matchmaker answers." : "UDP passes, but no matchmaker is of use."
    }

    private func text(of family: NetworkReport.Family) -> [String] {
        let word = "IPv\(family.ipVersion)"
        guard !family.addresses.isEmpty else { return TextTable.paragraph(word, ["this host has no such address"]) }
        var lines: [String] = []
        if let nat = family.nat {
            lines += NetworkWords.lines(nat)
        } else {
            lines.append("not tried: no server that was asked has such an address")
        }
        lines.append("here at " + family.addresses.prefix(4).joined(separator: ", "))
        if !family.outside.isEmpty {
            lines.append("seen from outside at " + family.outside.prefix(4).joined(separator: ", "))
        }
        return TextTable.paragraph(word, lines)
    }

    private var routerLines: [String] {
        guard !report.portMappings.isEmpty else {
            return TextTable.paragraph("Router", ["there is none to ask for a port"])
        }
        return report.portMappings.flatMap { mapping -> [String] in
            var lines: [String] = []
            if let via = mapping.via {
                lines.append("\(mapping.router) opens ports when asked (\(via)): it gave \(mapping.outside ?? "one")")
                if mapping.isBehindAnotherNAT {
                    lines.append("which is of no use, because there is another NAT in front of it")
                }
            } else {
                lines.append("\(mapping.router) opens no ports when asked")
                lines += (mapping.reasons ?? "").split(separator: ";").map { String($0.drop { $0 == " " }) }
            }
            return TextTable.paragraph("Router, IPv\(mapping.ipVersion)", lines)
        }
    }

    private func text(of server: MatchmakerStatus) -> [String] {
        var lines = [NetworkWords.line(server)]
        if let pin = server.pin { lines.append("pin \(pin)") }
        if let led = server.addresses { lines.append("its name leads to \(led.joined(separator: ", "))") }
        if let seen = server.seenPin { lines.append("but it shows the pin \(seen)") }
        switch server.largeDatagrams {
        case true?: lines.append("datagrams of 1,200 bytes, sent whole, arrive there (larger ones were not tried)")
        case false?:
            lines.append(
                "datagrams of 1,200 bytes, sent whole, do not arrive there: a link on the way is narrower (its MTU)")
        case nil: break
        }
        switch server.stun {
        case true?: lines.append("tells outside addresses (STUN)")
        case false? where server.state != .failing:
            lines.append("does not answer STUN, so it tells nothing of the NAT")
        case false?, nil: break
        }
        return TextTable.paragraph(server.pin == nil ? "STUN server" : "Matchmaker", lines)
    }

    private var keepalive: [String] {
        report.keepaliveSeconds.map { ["registrations are refreshed every \(Int($0)) s"] } ?? []
    }

    private var outlookLines: [String] {
        let outlook = report.outlook
        guard !(outlook.direct + outlook.byPrediction + outlook.impossible).isEmpty else {
            return ["With which peers there is a direct way cannot be told."]
        }
        func line(_ word: String, _ kinds: [String]) -> [String] {
            TextTable.paragraph("  " + word, [kinds.isEmpty ? "none" : kinds.joined(separator: "; ")], width: 22)
        }
        return ["From here there is a way to peers whose network has"] + line("directly", outlook.direct)
            + line("by a guessed port", outlook.byPrediction) + line("not at all", outlook.impossible)
    }
}
