import DXWire

/// The exchange of BINDs on a new session (`docs/wire-format.md` §4): each side sends its own until it knows that the other
/// has it. A machine; time is an argument.
struct BindExchange: Sendable {
    /// What the owner must do after a BIND arrived.
    enum OnReceived: Equatable {
        /// Nothing: it had arrived before.
        case none
        /// The peer's BIND is here for the first time: attach the session to its channel.
        case attach(Bind)
        /// The two have no common version: end the session.
        case versionMismatch
    }

    private(set) var own: Bind
    private(set) var peer: Bind?
    private var isSeenByPeer = false
    private var isDue = true
    private var deadline: Instant?
    private var wait = BindExchange.firstWait

    /// `docs/wire-format.md` §4.
    private static let firstWait = Interval.milliseconds(100)
    /// `docs/wire-format.md` §4.
    private static let longestWait = Interval.milliseconds(3_200)

    /// An exchange in which this side sends `own`.
    init(own: Bind) { self.own = own }

    /// When `timeoutFired` is due.
    var nextTimeout: Instant? { isSeenByPeer ? nil : deadline }

    /// The peer's BIND came.
    mutating func receive(_ bind: Bind) -> OnReceived {
        if bind.isSeen { isSeenByPeer = true }
        guard peer == nil else {
            // It is repeated because ours was lost.
            if !bind.isSeen { isDue = true }
            return .none
        }
        guard bind.version >= own.minimumVersion, own.version >= bind.minimumVersion else { return .versionMismatch }
        peer = bind
        own.isSeen = true
        isDue = true
        return .attach(bind)
    }

    /// A transport packet came: the peer sends those only when it has our BIND.
    mutating func receivedPacket() { isSeenByPeer = true }

    /// Does what is due.
    mutating func timeoutFired(now: Instant) {
        guard let deadline, deadline <= now, !isSeenByPeer else { return }
        isDue = true
    }

    /// The BIND to send now, if any.
    mutating func pollTransmit(now: Instant) -> Bind? {
        guard isDue else { return nil }
        isDue = false
        deadline = now + wait
        wait = min(wait * 2, Self.longestWait)
        return own
    }
}
