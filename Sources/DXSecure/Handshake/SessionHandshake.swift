import DXWire

/// What one session sends until its handshake is over, and when: the messages of its current flight, the wait before
/// they are sent again, the end of patience. Both roles. A pure machine; `SecureEndpoint` builds the messages.
///
/// OpenSSL's own DTLS timer runs on the wall clock, which may be set back by hours, and cannot be tested without
/// waiting. So the flights are kept here and sent again byte for byte under a fresh veil. A record that did arrive is
/// then a duplicate for the peer's OpenSSL and dropped there; one that was lost is new. It needs each flight to fit one
/// datagram, so that a ChangeCipherSpec is never overtaken by its own flight (`docs/decisions/0010`).
struct SessionHandshake {
    /// Where the handshake stands.
    enum Phase: UInt8, Equatable {
        /// Initiator: HELLO is sent until a CHALLENGE comes.
        case hello
        /// Initiator: the first flight is sent in CONNECT until a HANDSHAKE comes.
        case connect
        /// Both: flights are sent in HANDSHAKE.
        case dtls
        /// The handshake is complete here; the responder repeats its last flight when the initiator repeats its own.
        case lingering
    }

    /// One message to send.
    enum Send: Equatable {
        /// A HELLO under the veil with this number.
        case hello(veil: Int)
        /// This datagram of the flight, in a CONNECT.
        case connect(index: Int)
        /// This datagram of the flight, in a HANDSHAKE.
        case handshake(index: Int)
    }

    /// What a timeout asks for.
    enum OnTimeout: Equatable {
        /// Nothing is due.
        case none
        /// There is something to send.
        case transmit
        /// Time is up.
        case expired
    }

    let attempt: Attempt
    private(set) var phase: Phase
    /// The number of the veil under which the peer was understood.
    var veil = 0
    /// The challenge to send back.
    private(set) var proof: Bytes32?
    /// By which the peer receives; the initiator learns it from the first HANDSHAKE that takes it on.
    private(set) var peerConnectionID: ConnectionID?
    /// The DTLS datagrams last written by OpenSSL.
    private(set) var flight: [[UInt8]] = []
    /// Whether the session stands in the queue of those that have something to send.
    var isQueued = false

    private var nextIndex = 0
    private var isHelloDue = false
    /// Whether a HELLO was sent since the last CHALLENGE was taken.
    private var awaitsChallenge = false
    private var helloCount = 0
    private var retransmissions = 0
    private var repeats = 0
    private var retransmitAt: Instant?
    private var deadline: Instant
    /// The numbers of the veils under which HELLO is sent in turn.
    private let veils: [Int]
    private let firstRetransmission: Interval
    private let maximumRetransmission: Interval

    /// How often the last flight is repeated to an initiator that repeats its own; more often than it will ask in the
    /// time that it has, so the limit only meets one that misbehaves.
    private static let maximumRepeats = 16
    /// From this retransmission of a CONNECT on, a HELLO goes with it: the challenge may have run out, or was meant for
    /// an address that a NAT has changed since.
    private static let helloAgain = 2

    /// An initiator's, with its first HELLO due.
    init(attempt: Attempt, veils: [Int], configuration: SecureConfiguration, now: Instant) {
        self.attempt = attempt
        phase = .hello
        isHelloDue = true
        self.veils = veils
        firstRetransmission = configuration.firstRetransmission
        maximumRetransmission = configuration.maximumRetransmission
        deadline = now + configuration.handshakeTimeout
    }

    /// A responder's, made by a valid CONNECT that opened under the veil with the number `veil`.
    init(
        accepting attempt: Attempt, from peer: ConnectionID, veil: Int, configuration: SecureConfiguration,
        now: Instant
    ) {
        self.init(attempt: attempt, veils: [veil], configuration: configuration, now: now)
        phase = .dtls
        isHelloDue = false
        peerConnectionID = peer
        self.veil = veil
    }

    // MARK: State

    /// When `timeoutFired` must be called.
    var nextTimeout: Instant { retransmitAt.map { min($0, deadline) } ?? deadline }

    // MARK: Inputs

    /// A CHALLENGE of this attempt came, under the veil with the number `veil`. Whether it changes anything.
    mutating func receiveChallenge(_ proof: Bytes32, veil: Int) -> Bool {
        // One per HELLO: whoever can invent challenges must not make us send a CONNECT for each.
        guard awaitsChallenge, phase == .hello || (phase == .connect && proof != self.proof) else { return false }
        awaitsChallenge = false
        phase = .connect
        self.proof = proof
        self.veil = veil
        isHelloDue = false
        retransmitAt = nil
        retransmissions = 0
        nextIndex = 0
        return true
    }

    /// The initiator heard the first HANDSHAKE that made sense to OpenSSL: from now on its flights go in HANDSHAKE, too.
    mutating func learn(_ peer: ConnectionID) {
        peerConnectionID = peer
        phase = .dtls
        isHelloDue = false
    }

    /// OpenSSL wrote a new flight; the last one has done its work.
    mutating func replaceFlight(_ flight: [[UInt8]]) {
        self.flight = flight
        nextIndex = 0
        retransmissions = 0
        retransmitAt = nil
    }

    /// The handshake is complete here. The initiator has nothing more to send.
    mutating func complete(keepsFlight: Bool, until deadline: Instant) {
        phase = .lingering
        retransmitAt = nil
        self.deadline = deadline
        if !keepsFlight { clear() }
    }

    /// The peer repeats its last flight, so ours may be lost. Whether there is something to send.
    mutating func repeatFlight() -> Bool {
        guard phase == .lingering, !flight.isEmpty, repeats < Self.maximumRepeats else { return false }
        repeats += 1
        nextIndex = 0
        return true
    }

    /// Nothing is to be sent any more.
    mutating func clear() {
        flight = []
        nextIndex = 0
        isHelloDue = false
    }

    /// What is due at `now`.
    mutating func timeoutFired(now: Instant) -> OnTimeout {
        if now >= deadline { return .expired }
        guard let due = retransmitAt, now >= due else { return .none }
        retransmitAt = nil
        switch phase {
        case .hello: isHelloDue = true
        case .connect:
            nextIndex = 0
            isHelloDue = retransmissions > Self.helloAgain
        case .dtls: nextIndex = 0
        case .lingering: return .none
        }
        return .transmit
    }

    // MARK: Outputs

    /// The next message to send, or nil.
    mutating func pollSend() -> Send? {
        if isHelloDue {
            isHelloDue = false
            awaitsChallenge = true
            defer { helloCount += 1 }
            // Alternating between two group keys: the peer may have either while they are being changed.
            return .hello(veil: phase == .hello ? veils[helloCount % veils.count] : veil)
        }
        guard nextIndex < flight.count else { return nil }
        defer { nextIndex += 1 }
        switch phase {
        case .hello: return nil
        case .connect: return .connect(index: nextIndex)
        case .dtls, .lingering: return .handshake(index: nextIndex)
        }
    }

    /// Everything was sent at `now`: the wait begins, if none runs.
    mutating func arm(now: Instant, random: inout RandomSource) {
        guard retransmitAt == nil, phase != .lingering, phase == .hello || !flight.isEmpty else { return }
        var wait = firstRetransmission
        for _ in 0..<min(retransmissions, 16) where wait < maximumRetransmission { wait = wait * 2 }
        wait = min(wait, maximumRetransmission)
        // Up to a quarter of jitter, so that a fleet that lost one peer does not come back in step.
        wait += Interval(nanoseconds: Int64(random.below(UInt64(max(wait.nanoseconds / 4, 1)))))
        retransmitAt = now + wait
        retransmissions += 1
    }
}
