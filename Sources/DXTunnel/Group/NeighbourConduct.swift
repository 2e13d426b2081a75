import DXWire

/// How one member behaves in the group's exchange, over all the channels that it had since this gateway was started: what its
/// messages and the answers to them have cost, and how often it went against the rules (`docs/group.md` §7).
///
/// A member whose program does what it should never comes near the limit. One that floods is heard at the rate alone: what
/// it sends beyond waits with it, by the stream's flow control, so that nothing of it is lost and nothing kept here.
struct NeighbourConduct: Sendable {
    /// Messages that could not be read.
    private(set) var malformed: UInt64 = 0
    /// How often it had to wait because it sent too much.
    private(set) var pauses: UInt64 = 0
    private var bucket = RateBucket(bitsPerSecond: bytesPerSecond * 8, burstByteCount: burst)

    /// A hundred times what the exchange takes while a group of 500 changes.
    static let bytesPerSecond: UInt64 = 1 << 20
    /// A document that is as large as it may be, at once.
    static let burst = GroupDocument.mostBytes
    /// What a message costs beside its bytes: short ones make this gateway compare all that it holds, some 50 microseconds of
    /// work. So of messages there are at most 256 a second, beyond the first 8,192.
    static let messageCost = 4_096
    /// What a new stream costs, with which both begin to compare anew.
    static let streamCost = 65_536
    /// A pause ends when so much may be taken again, a quarter of a second's worth: so a timer comes four times a second.
    private static let resumption = Int(bytesPerSecond) / 4
    /// Pauses that are worth an operator's look: two seconds beyond the burst.
    private static let manyPauses: UInt64 = 8

    /// Whether another message or stream may be taken now.
    mutating func mayGoOn(now: Instant) -> Bool { bucket.available(now: now) > 0 }

    /// It cost this much.
    mutating func spend(_ byteCount: Int, now: Instant) { bucket.spend(byteCount, now: now) }

    /// It has to wait; until when.
    mutating func pause(now: Instant) -> Instant {
        pauses &+= 1
        return bucket.whenAvailable(Self.resumption, now: now)
    }

    /// A message made no sense.
    mutating func noteMalformed() { malformed &+= 1 }

    /// Whether there is nothing to remember of it.
    mutating func isForgettable(now: Instant) -> Bool {
        malformed == 0 && pauses == 0 && bucket.available(now: now) == bucket.burstByteCount
    }

    /// What operators should know of it, if anything, with its name.
    func words(_ name: String) -> String? {
        if malformed > 0 {
            return "\(name) sent what makes no sense, \(malformed) times: update it, or look at it, or remove it"
        }
        guard pauses >= Self.manyPauses else { return nil }
        return "\(name) sends more than a member has to say, and had to wait \(pauses) times: look at it, or remove it"
    }
}
