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

    init(punch: HolePunch, secret: PairSecret, veil: VeilNumber?, startedAt: Instant) {
        self.punch = punch
        self.secret = secret
        self.veil = veil
        self.startedAt = startedAt
    }

    /// Whether it goes on.
    var isLive: Bool { endedAt == nil }

    /// The note of one that multicast in this network began.
    static let heardHere = "heard in this network"

    /// Whether it is one of those, and nobody introduced.
    var isOfThisNetwork: Bool { introducer == nil && notes.contains { $0.what == Self.heardHere } }

    /// What is asked for and heard of in ten seconds is less.
    private static let mostNotes = 8

    // MARK: Checks of the peer's

    /// One that came.
    struct Heard {
        let check: CheckContent
        let source: Endpoint
        let base: Endpoint
        let at: Instant
    }

    /// The last ones, one of each way, the newest last.
    private(set) var heard: [Heard] = []
    /// Those that the run before this one answered, until this one has candidates.
    private var inherited: [Heard] = []

    /// Ways that are remembered: more than a pair of gateways has in use.
    private static let mostHeard = 16
    /// As long as the peer's own run goes on: it takes an answered check for done all that time.
    private static let hearTime = Interval.seconds(10)

    /// Takes a check of the peer's.
    mutating func receive(_ check: CheckContent, from source: Endpoint, on base: Endpoint, now: Instant) {
        punch.receive(check, from: source, on: base, now: now)
        heard.removeAll { $0.source == source && $0.base == base }
        if heard.count == Self.mostHeard { heard.removeFirst() }
        heard.append(Heard(check: check, source: source, base: base, at: now))
    }

    /// What came before the notice that begins this run was answered by the one that was there: without it this one would wait for
    /// what the peer does not say twice.
    mutating func inherit(_ old: PunchRun?, now: Instant) {
        inherited = old?.heard.filter { now < $0.at + Self.hearTime } ?? []
    }

    /// Has what was inherited count here. That a way works is proved by an answer to this run's own check alone.
    mutating func takeInherited(now: Instant) {
        let taken = inherited
        inherited = []
        for heard in taken { receive(heard.check, from: heard.source, on: heard.base, now: now) }
    }

    /// Keeps what brought it about, or added to it.
    mutating func note(_ what: String, by introducer: String?, now: Instant) {
        self.introducer = introducer ?? self.introducer
        if notes.count < Self.mostNotes { notes.append((now, what)) }
    }
}
