import CDXOpenSSL
import DXWire

/// The connection ids of one session, both ways (`docs/wire-format.md` §2.1): a chain for each direction. The first ids are
/// the handshake's; the later ones both ends derive from the session's keys, so that an id can be changed without asking
/// and an observer cannot tell that two of them belong together.
///
/// The end that moves, or sees the other one move, goes on to its next id; the other end follows with its own. An end goes
/// on by itself only when both directions have come equally far, as far as it knows. When both go on at once, one of them
/// can take that for an answer and go on a second time; then it waits. So an end is never more than two steps ahead of what
/// the other has heard, and that many are accepted, whatever was lost or overtaken.
struct SessionIDs {
    /// What the peer reads at the head of our datagrams.
    private(set) var sent: ConnectionID
    /// What we accept: the newest one heard, the two after it, and the one heard before, for datagrams that were overtaken.
    private(set) var received: ConnectionID
    private(set) var next: ConnectionID
    private(set) var afterNext: ConnectionID
    private(set) var previous: ConnectionID
    /// How many steps the chain of ids that we send has made.
    private(set) var sentStep: UInt32 = 0
    /// How many steps the peer's has made, as far as it was heard.
    private(set) var receivedStep: UInt32 = 0

    private let secret: SecretBytes
    private let isInitiator: Bool

    /// - Parameters:
    ///   - secret: 32 bytes that only the two ends of this session know.
    ///   - sent: the id that the peer chose.
    ///   - received: the id that we chose.
    init(secret: SecretBytes, isInitiator: Bool, sent: ConnectionID, received: ConnectionID) {
        precondition(secret.count == 32, "the export is 32 bytes")
        self.secret = secret
        self.isInitiator = isInitiator
        self.sent = sent
        self.received = received
        previous = received
        next = received
        afterNext = received
        deriveNext()
    }

    /// Whether a datagram may carry `id`.
    func accepts(_ id: ConnectionID) -> Bool {
        id == received || id == next || id == previous || id == afterNext
    }

    /// Goes on to a fresh id, if the peer is known to accept it.
    mutating func advance() {
        guard sentStep == receivedStep, sentStep < Self.maximumStep else { return }
        step(to: sentStep &+ 1)
    }

    /// More changes than a session can live to see; then its ids stay.
    private static let maximumStep: UInt32 = .max - 4

    /// A datagram with `id` was authentic. Whether the ids that are accepted changed.
    mutating func heard(_ id: ConnectionID) -> Bool {
        guard id == next || id == afterNext, id != received else { return false }
        receivedStep &+= id == next ? 1 : 2
        previous = received
        received = id
        deriveNext()
        // So that nobody can tell by our id who it was that went on.
        if sentStep < receivedStep { step(to: receivedStep) }
        return true
    }

    private mutating func deriveNext() {
        next = derive(receivedStep &+ 1, toInitiator: isInitiator, like: received)
        afterNext = derive(receivedStep &+ 2, toInitiator: isInitiator, like: received)
    }

    private mutating func step(to step: UInt32) {
        sentStep = step
        sent = derive(step, toInitiator: !isInitiator, like: sent)
    }

    /// The receiver's event loop stays where it is: the first byte is not derived.
    private func derive(_ step: UInt32, toInitiator: Bool, like old: ConnectionID) -> ConnectionID {
        var message: [UInt8] = [toInitiator ? 0 : 1]
        unsafe withUnsafeBytes(of: step.bigEndian) { unsafe message.append(contentsOf: $0) }
        var mac = [UInt8](repeating: 0, count: 32)
        let isMade = secret.withBytes { secret in
            unsafe secret.withUnsafeBytes { secret in
                unsafe dx_hmac_sha256(
                    secret.baseAddress?.assumingMemoryBound(to: UInt8.self), message, message.count, &mac) == 1
            }
        }
        guard isMade else { preconditionFailure("OpenSSL computes HMAC-SHA256") }
        let random = mac.prefix(8).reduce(0 as UInt64) { $0 &<< 8 | UInt64($1) }
        return ConnectionID(shard: old.shard, random: random)
    }
}
