import DXWire
import DequeModule

/// Whose turn it is to send in a tunnel with a rate: the tunnel's bucket, and its connections that have something to send,
/// in the order in which they came.
///
/// A turn is one piece, small, and then the next one's: so a connection that carries much does not starve the others, and
/// one that carries little waits for at most a piece of each. Nothing is sent that the bucket does not hold.
struct RateTurns<Sender> {
    /// The most that one sender may send in a turn, in bytes.
    private(set) var pieceByteCount: Int
    /// How often the tunnel stopped sending for its rate.
    private(set) var waitCount: UInt64 = 0
    private var waited: Interval = .zero
    /// Since when those that have something wait for the bucket.
    private var waitingSince: Instant?
    private var bucket: RateBucket
    private var waiting: Deque<Sender> = []

    /// What may be sent at once after a pause: what the rate gives in this time, and `leastBurst`. Long enough for a timer
    /// that is some milliseconds late to lose none of the rate, short enough for no queue to build up in the network.
    private static var burstMilliseconds: UInt64 { 20 }
    /// One read of a connection that carries little goes at once even in the slowest tunnel.
    private static var leastBurst: Int { 16_384 }
    /// A piece is what the rate gives in 20 ms, within these: about what a datagram holds, so that slow tunnels do not send
    /// smaller ones; and 16 KiB, which a tenth of a millisecond brings at 1 Gbit/s.
    private static var pieceRange: ClosedRange<Int> { 1_200...16_384 }
    /// Waits are no shorter, so that fast tunnels wake the event loop at most a thousand times a second. The burst is longer.
    private static var leastWait: Interval { .milliseconds(1) }

    /// No sender, and a full bucket.
    init(bitsPerSecond: UInt64) {
        bucket = Self.bucket(bitsPerSecond)
        pieceByteCount = Self.piece(bitsPerSecond)
    }

    private static func bucket(_ bitsPerSecond: UInt64) -> RateBucket {
        RateBucket(bitsPerSecond: bitsPerSecond, burstByteCount: max(burst(bitsPerSecond), leastBurst))
    }

    private static func piece(_ bitsPerSecond: UInt64) -> Int {
        min(max(burst(bitsPerSecond), pieceRange.lowerBound), pieceRange.upperBound)
    }

    /// At most 250 MB.
    private static func burst(_ bitsPerSecond: UInt64) -> Int {
        Int(min(bitsPerSecond, RateBucket.maximumBitsPerSecond) / 8 * burstMilliseconds / 1_000)
    }

    /// The rate.
    var bitsPerSecond: UInt64 { bucket.bitsPerSecond }
    /// What may be sent at once after a pause, in bytes.
    var burstByteCount: Int { bucket.burstByteCount }
    /// How many senders have something to send.
    var count: Int { waiting.count }

    /// For how long in all something waited for the rate, up to `now`.
    func waited(now: Instant) -> Interval {
        guard let waitingSince, now > waitingSince else { return waited }
        return waited + (now - waitingSince)
    }

    /// Takes a sender, behind all others.
    mutating func join(_ sender: Sender) { waiting.append(sender) }

    /// Another rate from now on; all keep their turns. No more is there at once than was: a rate that is changed again and
    /// again gives no burst each time.
    mutating func setRate(bitsPerSecond: UInt64, now: Instant) {
        let left = bucket.available(now: now)
        bucket = Self.bucket(bitsPerSecond)
        bucket.spend(bucket.burstByteCount - left, now: now)
        pieceByteCount = Self.piece(bitsPerSecond)
    }

    /// Takes the sender that waits for the longest time out; nil when none waits.
    mutating func leave() -> Sender? { waiting.popFirst() }

    /// Lets all senders go.
    mutating func removeAll() {
        waiting.removeAll()
        waitingSince = nil
    }

    /// Takes the sender whose turn it is, and says how many bytes it may send; nil when there is none, or the bucket does
    /// not hold the piece that it wants.
    ///
    /// - Parameter sendable: how many bytes a sender has; with 0 it is taken at once.
    mutating func next(now: Instant, sendable: (Sender) -> Int) -> (sender: Sender, limit: Int)? {
        guard let first = waiting.first else { return nil }
        let piece = min(pieceByteCount, max(0, sendable(first)))
        guard bucket.available(now: now) >= piece else {
            if waitingSince == nil {
                waitingSince = now
                waitCount &+= 1
            }
            return nil
        }
        waited = waited(now: now)
        waitingSince = nil
        waiting.removeFirst()
        return (first, piece)
    }

    /// A sender sent this much in its turn.
    mutating func onSent(_ byteCount: Int, now: Instant) { bucket.spend(byteCount, now: now) }

    /// When to ask for the next turn; nil while nobody waits.
    mutating func nextTurn(now: Instant, sendable: (Sender) -> Int) -> Instant? {
        guard let first = waiting.first else { return nil }
        return max(
            bucket.whenAvailable(min(pieceByteCount, max(0, sendable(first))), now: now), now + Self.leastWait)
    }
}
