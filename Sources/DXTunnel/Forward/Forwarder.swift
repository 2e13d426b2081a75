import DXWire

/// What a member that forwards passes on, and what it does not (`docs/wire-format.md` §6.13.1): pure, one for each gateway.
///
/// It passes on between two members with which it has channels of its own, both over a direct path: what came through another member goes
/// no further. It never looks into what it passes on, which is sealed for somebody else.
///
/// **Limits.** A token bucket for each pair of members, both ways together, and one for all. At most `mostPairs` pairs are remembered;
/// beyond that pairs at rest are forgotten, and when none is at rest further pairs get nothing. At most `longestQueue` bytes wait for
/// one receiver. What is over a limit is dropped and counted: the two ends see it as loss, as on any other path.
struct Forwarder: Sendable {
    /// Why something is not passed on.
    enum Refusal: String, CaseIterable, Sendable {
        /// This gateway does not forward.
        case off
        /// It names nobody, or carries nothing.
        case malformed
        /// It came over a forwarded path, or would have to leave over one.
        case chained
        /// It names this gateway itself.
        case toItself = "to_itself"
        /// It names whoever sent it.
        case toSender = "to_sender"
        /// It names nobody with whom there is a channel that answers.
        case notConnected = "not_connected"
        /// It does not fit into a datagram to the receiver.
        case tooLarge = "too_large"
        /// Of this pair, or of all, there is more than this gateway carries.
        case rate
        /// Too much waits for the receiver.
        case full
    }

    /// A member, as far as it matters here.
    struct Neighbour: Sendable {
        var tag: PresenceTag
        /// The path to it leads through another member.
        var isForwarded: Bool
        /// What fits into one message to it, and what waits to be sent, in bytes.
        var capacity: Int
        var queued: Int
    }

    /// What it has done. The counts only rise.
    struct Statistics: Hashable, Sendable {
        /// Datagrams passed on, and their bytes.
        var datagrams: UInt64 = 0
        var bytes: UInt64 = 0
        /// Those that were not, by reason.
        var refused: [Refusal: UInt64] = [:]
    }

    private struct Pair: Hashable {
        let low: PresenceTag
        let high: PresenceTag

        init(_ one: PresenceTag, _ other: PresenceTag) { (low, high) = (min(one, other), max(one, other)) }
    }

    private struct Share: Sendable {
        var bucket: TokenBucket
        var usedAt: Instant
    }

    let own: PresenceTag
    /// In bits a second; nil where this gateway does not forward.
    let rate: UInt64?
    private(set) var statistics = Statistics()
    private var pairs: [Pair: Share] = [:]
    private var all: TokenBucket

    static let mostPairs = 1_024
    /// At 20 Mbit/s this is a tenth of a second; the queue of a channel drops its oldest at twice as much.
    static let longestQueue = 128 << 10
    /// A channel of two members that forwards asks for a sign of life every 20 s.
    private static let servingTime = Interval.seconds(60)
    /// A small datagram costs as much work as one of this size.
    static let leastCost = 128
    /// A pair may have this part of the whole, so that no pair takes all of it.
    private static let pairShare: UInt64 = 2
    /// A bucket holds a tenth of a second's worth, and at least what a window of a few dozen packets sends at once.
    private static let leastBurst = 64 << 10

    /// One that is this member, and forwards at most so many bits a second, or not at all.
    init(own: PresenceTag, rate: UInt64?) {
        self.own = own
        self.rate = rate
        all = Self.bucket(rate ?? 0)
    }

    private static func bucket(_ bitsPerSecond: UInt64) -> TokenBucket {
        let bytes = Int(clamping: bitsPerSecond / 8)
        return TokenBucket(perSecond: bytes, burst: max(bytes / 10, leastBurst))
    }

    /// Pairs for which something was passed on lately.
    func pairCount(now: Instant) -> Int { pairs.values.count { $0.usedAt + Self.servingTime > now } }

    /// Whether something was passed on for a member lately.
    func isServing(_ member: PresenceTag, now: Instant) -> Bool {
        pairs.contains { pair, share in
            (pair.low == member || pair.high == member) && share.usedAt + Self.servingTime > now
        }
    }

    /// Whether a message of so many bytes is passed on; nil when it is, and it counts as passed on then.
    ///
    /// - Parameters:
    ///   - sender: who sent it.
    ///   - named: whom it names; nil when it cannot be read.
    ///   - receiver: that member, when there is a channel to it that answers.
    mutating func judge(
        _ byteCount: Int, from sender: Neighbour, to named: PresenceTag?, _ receiver: Neighbour?, now: Instant
    ) -> Refusal? {
        let refusal = refusal(byteCount, from: sender, to: named, receiver, now: now)
        if let refusal {
            statistics.refused[refusal, default: 0] &+= 1
        } else {
            statistics.datagrams &+= 1
            statistics.bytes &+= UInt64(max(0, byteCount - ForwardMessage.headByteCount))
        }
        return refusal
    }

    private mutating func refusal(
        _ byteCount: Int, from sender: Neighbour, to named: PresenceTag?, _ receiver: Neighbour?, now: Instant
    ) -> Refusal? {
        guard rate != nil else { return .off }
        guard let named else { return .malformed }
        guard !sender.isForwarded else { return .chained }
        guard named != own else { return .toItself }
        guard named != sender.tag else { return .toSender }
        guard let receiver, receiver.tag == named else { return .notConnected }
        guard !receiver.isForwarded else { return .chained }
        guard byteCount <= receiver.capacity else { return .tooLarge }
        // Before the rate: what cannot leave costs the pair nothing.
        guard receiver.queued + byteCount <= Self.longestQueue else { return .full }
        return take(max(byteCount, Self.leastCost), Pair(sender.tag, named), now: now) ? nil : .rate
    }

    private mutating func take(_ cost: Int, _ pair: Pair, now: Instant) -> Bool {
        if pairs[pair] == nil, pairs.count >= Self.mostPairs {
            pairs = pairs.filter { $0.value.usedAt + Self.servingTime > now }
        }
        guard pairs[pair] != nil || pairs.count < Self.mostPairs else { return false }
        var share = pairs[pair] ?? Share(bucket: Self.bucket((rate ?? 0) / Self.pairShare), usedAt: now)
        defer { pairs[pair] = share }
        guard share.bucket.take(cost, now: now), all.take(cost, now: now) else { return false }
        share.usedAt = now
        return true
    }
}
