internal import DXWire

/// Proves a new remote address of a path before it is used (RFC 9000 §8.2, §9.3).
///
/// The session may be heard from a new address at once, but data goes there only after a PATH_RESPONSE came back from it.
/// Until then at most three times what came from there is sent, and only challenges.
struct PathValidation: Sendable {
    /// Where the proof stands.
    enum Phase: UInt8, Sendable {
        /// No new address.
        case idle
        /// A challenge must be sent to the candidate.
        case challengeDue
        /// A challenge is on the way.
        case waiting
    }

    private(set) var phase: Phase = .idle
    private(set) var challenge: UInt64 = 0
    /// When the next challenge is sent, or the attempt given up.
    private(set) var deadline: Instant?
    private var attempts = 0
    private var receivedByteCount = 0
    private var sentByteCount = 0
    /// A PATH_RESPONSE that is owed, by the address that the challenge came from.
    var responseDue: UInt64?
    /// Whether the response must go to the candidate address.
    var isResponseToCandidate = false
    /// Whether the packet being applied came from the candidate address.
    var isHeardFromCandidate = false

    /// RFC 9000 §8.1.
    private static let amplificationLimit = 3
    /// Three probe timeouts and some: an address that does not answer three challenges is no path.
    private static let maximumAttempts = 3

    /// Whether the candidate has had a challenge and less than a probe timeout to answer it. After that another address may
    /// take its place: one that is dead must not keep the next from being proved, nor two that alternate each other.
    var isFresh: Bool { phase != .idle && attempts < 2 }

    /// Something authentic and newer than all before came from a new address.
    mutating func start(challenge: UInt64) {
        phase = .challengeDue
        self.challenge = challenge
        attempts = 0
        receivedByteCount = 0
        sentByteCount = 0
        deadline = nil
    }

    /// A datagram came from the candidate address.
    mutating func onReceived(byteCount: Int) { receivedByteCount &+= byteCount }

    /// Whether a datagram of `byteCount` may go to the candidate address.
    func mayDo(_ byteCount: Int) -> Bool {
        sentByteCount &+ byteCount <= Self.amplificationLimit &* receivedByteCount
    }

    /// A challenge was sent to the candidate.
    mutating func onSent(byteCount: Int, retryAfter: Interval, now: Instant) {
        sentByteCount &+= byteCount
        attempts &+= 1
        phase = .waiting
        deadline = now + retryAfter
    }

    /// The deadline passed: challenge again, or give up.
    mutating func onDeadline() {
        deadline = nil
        phase = attempts < Self.maximumAttempts ? .challengeDue : .idle
    }

    /// A PATH_RESPONSE came; true when it proves the candidate.
    mutating func onResponse(_ data: UInt64) -> Bool {
        guard phase != .idle, data == challenge else { return false }
        phase = .idle
        deadline = nil
        return true
    }
}
