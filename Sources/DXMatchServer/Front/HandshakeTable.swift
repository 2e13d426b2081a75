import DXMatch
import DXSecure
import DXWire
import DequeModule

/// The DTLS handshakes of a matchmaker (`docs/matchmaking.md` §2): those in progress, each with some tens of kilobytes of OpenSSL's;
/// and the last answers of those that have their ticket, for clients that did not hear it. Both end by time and have limits.
struct HandshakeTable {
    /// Which handshake: a name that a client chose, at the address that its cookie is for.
    struct Key: Hashable {
        let attempt: MatchAttempt
        let source: Endpoint
    }

    /// A handshake in progress.
    final class Handshake {
        let association: MatchDTLS
        /// Whether keys are there, and a wish for a ticket is expected.
        var isComplete = false
        /// Whether the wish was answered.
        var hasTicket = false
        /// What came last and what was answered: the same again is a repetition, of which OpenSSL must not hear.
        var last = Exchange()

        init(_ association: MatchDTLS) { self.association = association }
    }

    /// A DTLS datagram and the answer to it, which may be empty.
    struct Exchange {
        var asked: [UInt8] = []
        var answer: [UInt8] = []
    }

    /// Why there is no handshake.
    enum Refusal: Error {
        /// There are as many as there may be.
        case full
        /// Of that address prefix.
        case prefixFull
    }

    /// Handshakes in progress: some 60 MB.
    static let capacity = 1_024
    /// Handshakes in progress of an address prefix (IPv4 /24, IPv6 /48).
    static let perPrefix = 16
    /// Answers kept of handshakes that are over, at most 2.5 kB each. The oldest go first.
    static let finishedCapacity = 4_096
    /// How long a handshake may take: three round trips, with repetitions. Its answers are kept for as long.
    static var lifetime: Interval { .seconds(10) }

    private var running: [Key: Handshake] = [:]
    private var runningEnds = Deque<(key: Key, handshake: ObjectIdentifier, at: Instant)>()
    private var prefixes: [UInt64: Int] = [:]
    private var finished: [Key: Exchange] = [:]
    private var finishedEnds = Deque<(key: Key, at: Instant)>()

    /// Handshakes in progress.
    var count: Int { running.count }

    /// When `expire` has something to do.
    var nextTimeout: Instant? {
        guard let first = runningEnds.first?.at else { return finishedEnds.first?.at }
        return min(first, finishedEnds.first?.at ?? first)
    }

    /// The handshake of that name.
    func handshake(_ key: Key) -> Handshake? { running[key] }

    /// The last exchange of a handshake that has its ticket.
    func finishedExchange(_ key: Key) -> Exchange? { finished[key] }

    /// Begins one, which is not there yet. `make` is called when there is room.
    mutating func begin<Failure: Error>(
        _ key: Key, now: Instant, _ make: () throws(Failure) -> MatchDTLS
    ) throws(Failure) -> Result<Handshake, Refusal> {
        guard running.count < Self.capacity else { return .failure(.full) }
        let prefix = PrefixLimiter.prefix(key.source)
        guard prefixes[prefix, default: 0] < Self.perPrefix else { return .failure(.prefixFull) }
        let handshake = Handshake(try make())
        running[key] = handshake
        prefixes[prefix, default: 0] += 1
        runningEnds.append((key, ObjectIdentifier(handshake), now + Self.lifetime))
        return .success(handshake)
    }

    /// Ends one without an answer to keep.
    mutating func end(_ key: Key) {
        guard running.removeValue(forKey: key) != nil else { return }
        let prefix = PrefixLimiter.prefix(key.source)
        let left = (prefixes[prefix] ?? 1) - 1
        prefixes[prefix] = left > 0 ? left : nil
    }

    /// Ends one that has its ticket, and keeps its last answer.
    mutating func finish(_ key: Key, now: Instant) {
        guard let last = running[key]?.last else { return }
        end(key)
        if finishedEnds.count >= Self.finishedCapacity, let oldest = finishedEnds.popFirst() {
            finished[oldest.key] = nil
        }
        finished[key] = last
        finishedEnds.append((key, now + Self.lifetime))
    }

    /// Drops what is too old.
    ///
    /// - Returns: handshakes that were not over.
    mutating func expire(now: Instant) -> Int {
        var count = 0
        while let first = runningEnds.first {
            // A handshake that ended leaves its place in the queue, which is as short as the table for honest clients; one of the
            // same name may have begun since.
            let isOver = running[first.key].map { ObjectIdentifier($0) } != first.handshake
            guard isOver || first.at <= now else { break }
            runningEnds.removeFirst()
            guard !isOver else { continue }
            end(first.key)
            count += 1
        }
        while let first = finishedEnds.first, first.at <= now {
            finishedEnds.removeFirst()
            finished[first.key] = nil
        }
        return count
    }
}
