import DXMatch
import DXSecure
import DXWire

/// One introduction that runs, or ran: what is kept for `explain`.
struct PunchRun {
    var punch: HolePunch
    let secret: PairSecret
    /// The secret that checks are veiled under, the peer's last one; nil for the group's newest.
    var veil: VeilNumber?
    let startedAt: Instant
    /// Who brought it about, and what added to it, in words.
    private(set) var notes: [(at: Instant, what: String)] = []
    /// The matchmaker that introduced.
    private(set) var introducer: String?
    /// Sockets of a prediction.
    var sockets: [Endpoint] = []
    /// Why it found nothing, once it is over.
    var failure: HolePunch.Failure?
    /// When it was over.
    var endedAt: Instant?

    /// Whether it goes on.
    var isLive: Bool { endedAt == nil }

    /// The note of one that multicast in this network began.
    static let heardHere = "heard in this network"

    /// Whether it is one of those, and nobody introduced.
    var isOfThisNetwork: Bool { introducer == nil && notes.contains { $0.what == Self.heardHere } }

    /// What is asked for and heard of in ten seconds is less.
    private static let mostNotes = 8

    /// Keeps what brought it about, or added to it.
    mutating func note(_ what: String, by introducer: String?, now: Instant) {
        self.introducer = introducer ?? self.introducer
        if notes.count < Self.mostNotes { notes.append((now, what)) }
    }
}
