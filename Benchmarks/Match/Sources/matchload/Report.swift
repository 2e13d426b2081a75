import DXMatch
import DXWire

/// What was measured, a line of JSON for each: `event` names it, units are in the names.
enum Report {
    /// Groups have their tickets.
    static func tickets(_ load: Load, since started: Instant) {
        line("tickets", [("tickets", load.groups.count), ("failures", load.tickets.failures), seconds(started)])
    }

    /// So many are registered.
    static func stage(_ load: Load, since started: Instant) {
        line("stage", [("registered", load.registrations.done), seconds(started)])
    }

    /// All are registered.
    static func registered(_ load: Load, since started: Instant) {
        line(
            "registered",
            [
                ("registered", load.registrations.done), ("repeated", load.registrations.repeated),
                ("refreshes", load.refreshes.sent), ("refreshes_lost", load.refreshes.lost),
                ("blob_bytes", load.blobs.byteCount), seconds(started),
            ] + refusals(load))
    }

    /// The time that all were watched is over.
    static func held(_ load: Load, _ before: (sent: Int, received: Int), since started: Instant) {
        let durations = load.introductions.durations.sorted()
        line(
            "held",
            [
                ("refreshes", load.refreshes.sent), ("refreshes_answered", load.refreshes.answered),
                ("refreshes_lost", load.refreshes.lost), ("refreshes_moved", load.refreshes.moved),
                ("refresh_late_max_ms", load.refreshes.latest * 1e3),
                ("introductions", load.introductions.asked), ("introductions_done", durations.count),
                ("introductions_lost", load.introductions.lost),
                ("introductions_refused", load.introductions.refused),
                ("introduction_p50_ms", part(durations, 0.5)), ("introduction_p99_ms", part(durations, 0.99)),
                ("introduction_max_ms", part(durations, 1)),
                ("strangers_asked", load.strangers.asked), ("strangers_answered", load.strangers.answered),
                ("sent", load.socket.sent - before.sent), ("received", load.socket.received - before.received),
                seconds(started),
            ] + refusals(load))
    }

    private static func refusals(_ load: Load) -> [(String, any CustomStringConvertible)] {
        load.counts.statuses.sorted { $0.key < $1.key }.map { ("status_\($0.key)", $0.value) } + [
            ("tickets_refused", load.counts.ticketsRefused), ("not_authentic", load.counts.notAuthentic),
            ("unmatched", load.counts.unmatched), ("wrong", load.counts.wrong),
            ("repeated_notices", load.counts.repeatedNotices), ("unsendable", load.socket.refused),
        ]
    }

    private static func seconds(_ started: Instant) -> (String, any CustomStringConvertible) {
        ("seconds", Double((Load.now - started).nanoseconds) * 1e-9)
    }

    /// The duration below which this part of all lies, in milliseconds; 0 when there are none.
    private static func part(_ sorted: [Int64], _ part: Double) -> Double {
        guard !sorted.isEmpty else { return 0 }
        let index = max(0, Int((Double(sorted.count) * part).rounded(.up)) - 1)
        return Double(sorted[index]) * 1e-6
    }

    /// Prints one line.
    static func line(_ event: String, _ fields: [(String, any CustomStringConvertible)]) {
        let text = fields.map { "\"\($0.0)\": \($0.1.description)" }.joined(separator: ", ")
        print("{\"event\": \"\(event)\"\(text.isEmpty ? "" : ", ")\(text)}")
        flush()
    }
}
