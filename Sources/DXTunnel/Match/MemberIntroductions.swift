import DXWire

/// What a gateway remembers of introductions through members, so that they stay few (`docs/matchmaking.md` §11). Pure.
///
/// **Limits.** A member is asked for after 5 s, then twice as long, up to a minute. Passed on are of each asker and to each target one a
/// second, `burst` at once. Of each member that asks one a second is acted on, each number once.
struct MemberIntroductions: Sendable {
    /// Peers that were asked for.
    private var searches: [GatewayID: Search] = [:]
    /// By who asked to pass on, and for whom.
    private var askers: [GatewayID: TokenBucket] = [:]
    private var targets: [GatewayID: TokenBucket] = [:]
    /// Members that asked.
    private var peers: [GatewayID: Peer] = [:]
    /// What was passed on, what was not, and what was of no use.
    private(set) var statistics = Statistics()

    /// They only rise.
    struct Statistics: Hashable, Sendable {
        /// Introductions asked for.
        var asked: UInt64 = 0
        /// Messages of others passed on.
        var passed: UInt64 = 0
        /// Not passed on, or not acted on: there were too many.
        var limited: UInt64 = 0
        /// For members with which there is no channel, or that do not know such messages.
        var unreachable: UInt64 = 0
        /// Not sealed by whom they name, seen before, or answers to nothing.
        var refused: UInt64 = 0
    }

    private struct Search: Sendable {
        var nextAt: Instant
        var failureCount: Int
        /// Numbers of the last ones, and when the newest was asked.
        var pending: [UInt64]
        var askedAt: Instant
    }

    private struct Peer: Sendable {
        var seen: [UInt64] = []
        var rate = TokenBucket(perSecond: 1, burst: burst)
    }

    static let burst = 4
    /// Members that are remembered, of each kind: more than a group has. At the limit all that are at rest are forgotten.
    static let most = 1_024
    private static let firstPause = Interval.seconds(5)
    private static let longestPause = Interval.seconds(60)
    /// Answers that come later find nobody waiting.
    private static let answerTime = Interval.seconds(10)
    /// Numbers of a member that are known again.
    private static let mostSeen = 16
    private static let mostPending = 4

    // MARK: Asking

    /// Whether it is time to ask for a peer.
    func mayAsk(for peer: GatewayID, now: Instant) -> Bool { searches[peer].map { $0.nextAt <= now } ?? true }

    /// It is asked for, by that number. How often it was in vain before says whom to ask: each time another one.
    mutating func asked(for peer: GatewayID, number: UInt64, now: Instant) {
        if searches.count >= Self.most { searches = searches.filter { $0.value.nextAt + Self.longestPause > now } }
        guard searches[peer] != nil || searches.count < Self.most else { return }
        var search = searches[peer] ?? Search(nextAt: now, failureCount: 0, pending: [], askedAt: now)
        search.pending.append(number)
        if search.pending.count > Self.mostPending { search.pending.removeFirst() }
        search.askedAt = now
        search.nextAt = now + min(Self.firstPause * (1 &<< Int64(min(search.failureCount, 4))), Self.longestPause)
        search.failureCount += 1
        searches[peer] = search
        statistics.asked &+= 1
    }

    /// How often a peer was asked for in vain.
    func failureCount(of peer: GatewayID) -> Int { searches[peer]?.failureCount ?? 0 }

    /// A peer is reached, or is none any more.
    mutating func forget(_ peer: GatewayID) {
        searches[peer] = nil
        peers[peer] = nil
    }

    // MARK: Passing on

    /// Whether what a neighbour says to a member is passed on.
    mutating func mayPass(from asker: GatewayID, to target: GatewayID, now: Instant) -> Bool {
        let isTaken =
            Self.take(asker, &askers, now: now) && Self.take(target, &targets, now: now)
        if isTaken { statistics.passed &+= 1 } else { statistics.limited &+= 1 }
        return isTaken
    }

    private static func take(
        _ member: GatewayID, _ buckets: inout [GatewayID: TokenBucket], now: Instant
    ) -> Bool {
        if buckets.count >= most { buckets = buckets.filter { !$0.value.isFull(now: now) } }
        guard buckets[member] != nil || buckets.count < most else { return false }
        // Of both ends: each introduction is two messages.
        return buckets[member, default: TokenBucket(perSecond: 1, burst: 2 * burst)].take(now: now)
    }

    /// It cannot be passed on.
    mutating func noteUnreachable() { statistics.unreachable &+= 1 }

    // MARK: Receiving

    /// Whether a member's question may be looked at; before it is opened, which costs something.
    mutating func mayTake(from peer: GatewayID, now: Instant) -> Bool {
        if peers[peer] == nil, peers.count >= Self.most {
            peers = peers.filter { !$0.value.rate.isFull(now: now) }
            guard peers.count < Self.most else {
                statistics.limited &+= 1
                return false
            }
        }
        let isTaken = peers[peer, default: Peer()].rate.take(now: now)
        if !isTaken { statistics.limited &+= 1 }
        return isTaken
    }

    /// Whether a question is a new one.
    mutating func isNew(_ number: UInt64, from peer: GatewayID) -> Bool {
        guard peers[peer]?.seen.contains(number) == false else {
            statistics.refused &+= 1
            return false
        }
        peers[peer]?.seen.append(number)
        if let count = peers[peer]?.seen.count, count > Self.mostSeen { peers[peer]?.seen.removeFirst() }
        return true
    }

    /// Whether an answer is waited for; each once.
    mutating func takeAnswer(_ number: UInt64, from peer: GatewayID, now: Instant) -> Bool {
        guard let search = searches[peer], search.askedAt + Self.answerTime >= now,
            let index = search.pending.firstIndex(of: number)
        else {
            statistics.refused &+= 1
            return false
        }
        searches[peer]?.pending.remove(at: index)
        return true
    }

    /// What came is not by whom it names.
    mutating func noteRefused() { statistics.refused &+= 1 }
}
