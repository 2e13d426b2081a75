import DXWire
import Glibc

/// Which of a tunnel's destinations the next connection goes to (`docs/ha.md` §3).
///
/// A machine; time is an argument. It is told of each destination whether it is there, heard, leaving, and what it says of its
/// target. A destination that is all of that is **usable**. One that was usable and is so no more has **failed**: it is used again when
/// it has been usable for a while (`Failback`), which doubles with each failure within `memory`, or at once when no other is usable.
/// Of those of the lowest order that can be had each gets its weight's part, in turns, or each client's address leads to one of them
/// (rendezvous hashing: no table, and a destination that goes moves only its own clients).
///
/// Limits: one entry for each destination of the configuration.
struct DestinationChoice: Sendable {
    /// When a destination that failed is used again though another one serves.
    enum Failback: Hashable, Sendable {
        /// When it has been usable for so long.
        case after(Interval)
        /// When an operator says so.
        case manual
    }

    /// What is known of one destination.
    struct Standing: Hashable, Sendable {
        /// The name of its gateway.
        let name: String
        /// Lower ones first.
        fileprivate(set) var order: UInt64
        fileprivate(set) var weight: Int64
        /// It has a listener block for the tunnel, and can be called.
        var isPresent = false
        /// Its channel answers.
        var isHeard = true
        /// It is about to stop.
        var isLeaving = false
        /// What it says of its target.
        var target = TargetHealth.State.unknown
        /// Why the target is down.
        var reason: String?
        /// When it has come to be usable; nil when it is not.
        fileprivate(set) var usableSince: Instant?
        /// It failed, and is not trusted again yet.
        fileprivate(set) var isBarred = false
        /// Failures within the memory.
        fileprivate(set) var failureCount = 0
        fileprivate var failedAt: Instant?
        /// How much it is owed among those of one order.
        fileprivate var credit: Int64 = 0

        /// Whether it can be expected to serve.
        var isUsable: Bool { isPresent && isHeard && !isLeaving && target != .down }
        /// Whether anything may be sent there at all.
        fileprivate var isPossible: Bool { isPresent && !isLeaving }
    }

    private(set) var standings: [Standing] = []
    /// How often one to which new connections went failed since the start while another was usable, where they go since.
    private(set) var failovers: UInt64 = 0
    private var failback: Failback
    private var isSticky: Bool

    /// 30 s: a gateway or target that comes back and falls again does it sooner.
    static let usualFailback = Failback.after(.seconds(30))
    /// Ten minutes without a failure, and earlier ones are forgotten.
    static let memory = Interval.seconds(600)
    /// Sixteen times at most: eight minutes with the usual 30 s, which is within the memory.
    private static let mostDoublings = 4

    /// Nothing is known of any destination.
    init(_ ends: [GatewayConfiguration.Destination], isSticky: Bool, failback: Failback) {
        (self.isSticky, self.failback) = (isSticky, failback)
        update(ends, isSticky: isSticky, failback: failback)
    }

    // MARK: State

    /// What is known of a destination; nil of one that is none.
    subscript(_ name: String) -> Standing? { standings.first { $0.name == name } }

    /// How long a destination must still be usable before it is used again; nil when it need not, or waits for an operator.
    func wait(_ standing: Standing, now: Instant) -> Interval? {
        guard standing.isBarred, let since = standing.usableSince, case .after(let least) = failback else { return nil }
        let needed = least * Int64(1 << min(max(standing.failureCount - 1, 0), Self.mostDoublings))
        let left = since + needed - now
        return left > .zero ? left : nil
    }

    /// Whether it waits for an operator.
    func waitsForOperator(_ standing: Standing) -> Bool {
        standing.isBarred && standing.isUsable && failback == .manual
    }

    private func isReady(_ standing: Standing, now: Instant) -> Bool {
        guard standing.isUsable else { return false }
        guard standing.isBarred else { return true }
        return failback != .manual && wait(standing, now: now) == nil
    }

    // MARK: Inputs

    /// The configuration says something else. What is known of destinations that stay, stays.
    mutating func update(_ ends: [GatewayConfiguration.Destination], isSticky: Bool, failback: Failback) {
        (self.isSticky, self.failback) = (isSticky, failback)
        let known = standings
        standings = ends.enumerated().map { place, end in
            var standing =
                known.first { $0.name == end.gateway }
                ?? Standing(name: end.gateway, order: 0, weight: 1)
            standing.order = end.order ?? UInt64(place)
            // A group's record may say any number: of more than a configuration may have sums would not fit.
            standing.weight = Int64(clamping: min(end.weight, 65_535))
            return standing
        }
    }

    /// Something is heard of a destination.
    mutating func change(_ name: String, now: Instant, _ body: (inout Standing) -> Void) {
        guard let index = standings.firstIndex(where: { $0.name == name }) else { return }
        change(at: index, now: now, body)
    }

    /// Something is heard of the destination at that place of `standings`.
    ///
    /// - Returns: whether it has come to be usable, or is so no more.
    @discardableResult
    mutating func change(at index: Int, now: Instant, _ body: (inout Standing) -> Void) -> Bool {
        let before = standings[index]
        body(&standings[index])
        guard before.isUsable != standings[index].isUsable else { return false }
        guard before.isUsable else {
            standings[index].usableSince = now
            return true
        }
        standings[index].usableSince = nil
        // One that goes in good order has not failed.
        guard !standings[index].isLeaving else { return true }
        let isOld = standings[index].failedAt.map { $0 + Self.memory <= now } ?? true
        standings[index].failureCount = isOld ? 1 : standings[index].failureCount + 1
        standings[index].failedAt = now
        standings[index].isBarred = true
        if tookConnections(before, now: now), standings.contains(where: \.isUsable) { failovers &+= 1 }
        return true
    }

    /// Whether new connections went to a destination that is not usable any more, as it stood before: a spare one that fails while the
    /// one before it serves moves nobody.
    private func tookConnections(_ before: Standing, now: Instant) -> Bool {
        isReady(before, now: now) && !standings.contains { $0.order < before.order && isReady($0, now: now) }
    }

    // MARK: Commands

    /// An operator trusts all again.
    mutating func failBack() { for index in standings.indices { standings[index].isBarred = false } }

    /// The destination of a connection; nil when there is none.
    ///
    /// - Parameters:
    ///   - only: the one that is asked for, whatever its order.
    ///   - client: the bytes of the client's address; nil when there is none, and then nothing is sticky.
    ///   - excluded: those that were tried already.
    mutating func choose(
        only: String? = nil, client: [UInt8]? = nil, excluding excluded: Set<String> = [], now: Instant
    ) -> String? {
        let possible = standings.indices.filter { index in
            standings[index].isPossible && !excluded.contains(standings[index].name)
                && (only == nil || only == standings[index].name)
        }
        for tier in Tier.allCases {
            let candidates = possible.filter { isIn(tier, standings[$0], now: now) }
            guard let order = candidates.map({ standings[$0].order }).min() else { continue }
            let chosen = pick(candidates.filter { standings[$0].order == order }, client: client)
            // That one is asked for, or that another did not take this very connection, says nothing of others.
            if standings[chosen].isUsable, only == nil, excluded.isEmpty { standings[chosen].isBarred = false }
            return standings[chosen].name
        }
        return nil
    }

    /// What can be had, best first.
    private enum Tier: CaseIterable {
        case ready
        /// It serves again because no other does.
        case usable
        /// Its silence may be over.
        case silent
        /// It says that its target is down, which the client then sees.
        case down
    }

    private func isIn(_ tier: Tier, _ standing: Standing, now: Instant) -> Bool {
        switch tier {
        case .ready: isReady(standing, now: now)
        case .usable: standing.isUsable
        case .silent: standing.target != .down
        case .down: true
        }
    }

    private mutating func pick(_ candidates: [Int], client: [UInt8]?) -> Int {
        if isSticky, let client {
            return candidates.max { score($0, client) < score($1, client) } ?? candidates[0]
        }
        // Smooth weighted round robin.
        let total = candidates.reduce(0) { $0 + standings[$1].weight }
        for index in candidates { standings[index].credit += standings[index].weight }
        let best = candidates.max { standings[$0].credit < standings[$1].credit } ?? candidates[0]
        standings[best].credit -= total
        return best
    }

    /// Weighted rendezvous hashing: the highest score wins, and each wins its weight's part of all clients.
    private func score(_ index: Int, _ client: [UInt8]) -> Double {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325  // FNV-1a
        for byte in client + [0] + Array(standings[index].name.utf8) {
            hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
        }
        // FNV's high bits are weak for short inputs: spread them (the finaliser of SplitMix64).
        hash = (hash ^ (hash &>> 30)) &* 0xbf58_476d_1ce4_e5b9
        hash = (hash ^ (hash &>> 27)) &* 0x94d0_49bb_1331_11eb
        hash ^= hash &>> 31
        // Between 0 and 1, without either.
        let fraction = (Double(hash &>> 11) + 0.5) / Double(1 << 53 as UInt64)
        return -Double(max(standings[index].weight, 0)) / log(fraction)
    }
}
