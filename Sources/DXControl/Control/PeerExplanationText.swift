public import DXTunnel

/// What was tried to reach a peer, for people who have never heard of candidates and checks.
public struct PeerExplanationText: Sendable, CustomStringConvertible {
    /// Ways that are shown; those that came furthest first.
    public static let maximumRows = 16

    private let explanation: PeerExplanation

    /// The text of `explanation`.
    public init(_ explanation: PeerExplanation) { self.explanation = explanation }

    /// The text, lines separated by newlines, without one at the end.
    public var description: String {
        var lines = ["\(explanation.peer): \(explanation.conclusion)"]
        if let remedy = explanation.remedy {
            let isForwarded = explanation.connection?.pathKind == .forwarded
            lines.append("\(isForwarded ? "to make it direct" : "to change that"): \(remedy)")
        }
        lines += [""] + stateLines
        if let connection = explanation.connection { lines += text(of: connection) }
        if let introduction = explanation.introduction {
            lines += [""] + text(of: introduction)
        } else {
            lines += ["", "no introduction by a matchmaker since this gateway started"]
        }
        return lines.joined(separator: "\n")
    }

    private var stateLines: [String] {
        let age = Double(explanation.time.unixMilliseconds - explanation.since.unixMilliseconds) / 1_000
        var lines = TextTable.paragraph("state", ["\(explanation.state.rawValue) for \(StatusReport.span(age))"])
        if !explanation.registeredAt.isEmpty {
            lines += TextTable.paragraph("registered at", explanation.registeredAt)
        } else if explanation.connection == nil {
            lines += TextTable.paragraph("registered at", ["no matchmaker that this gateway asks"])
        }
        if explanation.failures > 0, explanation.connection == nil {
            let next = explanation.nextMilliseconds.map { "; the next in \(($0 + 999) / 1_000) s" } ?? ""
            lines += TextTable.paragraph("attempts", ["\(explanation.failures) introductions asked for\(next)"])
        }
        return lines
    }

    private func text(of connection: PeerExplanation.Connection) -> [String] {
        let found =
            switch connection.found {
            case .introduction: "found by an introduction"
            case .network: "the two heard each other in this network"
            case .knownAddress: "at an address that was known"
            case .called: "the peer called"
            case .member: "no direct way was found, and that member forwards"
            }
        let age = Double(explanation.time.unixMilliseconds - connection.since.unixMilliseconds) / 1_000
        let roundTrip = connection.rttMicroseconds.map { ", round trip \(StatusReport.milliseconds($0))" } ?? ""
        return TextTable.paragraph(
            "way in use",
            [
                "\(connection.local ?? "here") to \(connection.remote) (\(connection.pathKind.rawValue))",
                "\(found), for \(StatusReport.span(age))\(roundTrip)",
            ])
    }

    private func text(of introduction: PeerExplanation.Introduction) -> [String] {
        let age = Double(explanation.time.unixMilliseconds - introduction.started.unixMilliseconds) / 1_000
        let took = Self.seconds(introduction.tookMilliseconds)
        let outcome =
            switch introduction.outcome {
            case .running: ["it goes on since \(took)"]
            case .found: ["a way was found after \(took)"]
            case .failed: ["no way was found within \(took)"] + (introduction.failure.map { [$0] } ?? [])
            }
        let by = introduction.matchmaker.map { "by \($0)" } ?? "without a matchmaker"
        var lines = ["last introduction, \(StatusReport.span(age)) ago, \(by)"]
        lines += field("outcome", outcome)
        lines += field("this gateway", text(of: introduction.ours))
        lines += field(explanation.peer, text(of: introduction.theirs))
        lines += field("in theory", [introduction.theory])
        if let prediction = introduction.prediction { lines += field("guessing", [text(of: prediction)]) }
        lines += field("what happened", introduction.notes.map { "after \($0.milliseconds) ms: \($0.what)" })
        lines += pairLines(introduction)
        lines += refusalLines(introduction)
        return lines
    }

    private func field(_ word: String, _ texts: [String]) -> [String] {
        TextTable.paragraph("  " + word, texts.isEmpty ? ["-"] : texts)
    }

    private func text(of side: PeerExplanation.Side) -> [String] {
        var lines: [String] = []
        if let nat = side.ipv4 { lines.append("IPv4: \(NetworkWords.short(nat))") }
        if let nat = side.ipv6 { lines.append("IPv6: \(NetworkWords.short(nat))") }
        if lines.isEmpty { lines.append("nothing is known of its network") }
        if side.hasMappedPort { lines.append("its router lets others in at a port that was asked for") }
        if let observed = side.observed { lines.append("the matchmaker sees it at \(observed)") }
        return lines
    }

    private func text(of prediction: PeerExplanation.Prediction) -> String {
        let whose = prediction.isOurs ? "this gateway's" : "\(explanation.peer)'s"
        let how = prediction.method == "sequential" ? "its ports follow one another" : "many ports at once were tried"
        return "\(whose) outside port: \(how); \(prediction.sent) datagrams sent from here"
    }

    private func pairLines(_ introduction: PeerExplanation.Introduction) -> [String] {
        guard !introduction.pairs.isEmpty else { return ["", "  nothing could be tried"] }
        let sorted = introduction.pairs.enumerated().sorted { left, right in
            (Self.rank(left.element), left.offset) < (Self.rank(right.element), right.offset)
        }.map(\.element)
        let rows = sorted.prefix(Self.maximumRows).map { pair in
            [
                pair.local, pair.remote, Self.words(for: pair.kind), "\(pair.sent)", "\(pair.heard)",
                pair.firstSentMilliseconds.map { "\($0) ms" } ?? "-",
                pair.answeredMilliseconds.map { "\($0) ms" } ?? "-",
                pair.rttMicroseconds.map(StatusReport.milliseconds) ?? "-",
                (pair.wasUsed ? "used; " : "") + pair.result
                    + (pair.heldBack > 0
                        ? "; made to wait \(pair.heldBack == 1 ? "once" : "\(pair.heldBack) times") by the limit on checks"
                        : ""),
            ]
        }
        let table = TextTable.text(
            ["FROM", "TO", "KNOWN AS", "SENT", "HEARD", "FIRST", "ANSWERED", "RTT", "RESULT"], rows)
        var lines = [
            "",
            "  ways that were tried (SENT and HEARD count datagrams that ask for an answer, times are from the"
                + " beginning on)",
        ]
        lines += table.map { "  " + $0 }
        if introduction.pairs.count > Self.maximumRows {
            lines.append("  ... and \(introduction.pairs.count - Self.maximumRows) more: see --json")
        }
        return lines
    }

    /// What was used, what answered, what was heard, the rest.
    private static func rank(_ pair: PeerExplanation.Pair) -> Int {
        if pair.wasUsed { return 0 }
        if pair.answeredMilliseconds != nil { return 1 }
        return pair.heard > 0 ? 2 : pair.sent > 0 ? 3 : 4
    }

    private func refusalLines(_ introduction: PeerExplanation.Introduction) -> [String] {
        guard !introduction.refused.isEmpty else { return [] }
        return ["", "  not tried"]
            + introduction.refused.prefix(Self.maximumRows).map {
                "  \($0.address) (\(Self.words(for: $0.kind))): \($0.reason)"
            }
    }

    /// How an address was found, without ICE's words.
    private static func words(for kind: String) -> String {
        switch kind {
        case "host": "its own address"
        case "server-reflexive": "seen by a matchmaker"
        case "port-mapped": "port of its router"
        case "peer-reflexive": "seen in a check"
        case "forwarded": "another member"
        default: kind
        }
    }

    private static func seconds(_ milliseconds: Int) -> String {
        milliseconds < 1_000 ? "\(milliseconds) ms" : "\(milliseconds / 1_000).\(milliseconds % 1_000 / 100) s"
    }
}
