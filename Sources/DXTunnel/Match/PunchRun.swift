import DXMatch
import DXSecure
import DXWire

/// One introduction that runs, or ran: what is kept for `explain`.
struct PunchRun {
    var punch: HolePunch
    let secret: PairSecret
    /// The secret that checks are veiled under, the peer's last one; nil for the group's newest.
    var veil: VeilNumber?
    /// Who brought it about, in words.
    var reason: String
    let startedAt: Instant
    /// Sockets of a prediction.
    var sockets: [Endpoint] = []
    /// Why it found nothing, once it is over.
    var failure: HolePunch.Failure?
    /// When it was over.
    var endedAt: Instant?

    /// Whether it goes on.
    var isLive: Bool { endedAt == nil }
}
