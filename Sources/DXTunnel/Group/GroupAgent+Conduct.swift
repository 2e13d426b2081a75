import DXSecure
import DXWire
import Logging
import NIOCore

/// What neighbours may cost this gateway, and what they did against the rules.
extension GroupAgent {
    /// Whether a neighbour's next message, or stream, may be taken now.
    func mayReceive(from neighbour: PublicKey) -> Bool {
        conduct[neighbour, default: NeighbourConduct()].mayGoOn(now: core.currentTime())
    }

    /// A neighbour's message or stream costs this much.
    func charge(_ neighbour: PublicKey, _ byteCount: Int) {
        conduct[neighbour, default: NeighbourConduct()].spend(byteCount, now: core.currentTime())
    }

    /// A neighbour sent more than it may: for how long it is not read.
    func pause(_ neighbour: PublicKey) -> Interval {
        let now = core.currentTime()
        return conduct[neighbour, default: NeighbourConduct()].pause(now: now) - now
    }

    /// A neighbour's message could not be read.
    func noteMalformed(_ neighbour: PublicKey) {
        conduct[neighbour, default: NeighbourConduct()].noteMalformed()
        core.complain("malformed group message", ["member": authorName(neighbour)], limit: &complaints)
    }

    /// Forgets of whom there is nothing to remember, and who is no member any more.
    func forgetConduct(now: Instant) {
        for neighbour in conduct.keys {
            let isForgettable = conduct[neighbour]?.isForgettable(now: now) ?? true
            if isForgettable || state.member(neighbour) == nil { conduct[neighbour] = nil }
        }
    }

    /// What neighbours did, for operators.
    var conductProblems: [String] { conduct.compactMap { $0.value.words(authorName($0.key)) } }

    /// Counts for status, by name.
    var exchangeCounts: [String: UInt64] {
        let counts = sync.statistics
        return [
            "group_records_refused": counts.refused, "group_records_invalid": counts.invalid,
            "group_records_dropped": counts.dropped, "group_notes_dropped": presence.dropped,
            "group_messages_malformed": conduct.values.reduce(0) { $0 &+ $1.malformed },
            "introductions_limited": introductions.statistics.limited,
            "introductions_refused": introductions.statistics.refused,
            "introductions_unreachable": introductions.statistics.unreachable,
            "reach_file_refused": isReachRefused ? 1 : 0,
            "group_pauses": conduct.values.reduce(0) { $0 &+ $1.pauses },
        ]
    }
}
