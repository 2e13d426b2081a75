import DXWire

/// Which paths there are to be to a peer: over which interface of ours to which address of the peer's a session is wanted, when it is tried,
/// and which sessions are of no use any more (`docs/paths.md` §3). A machine: time is an argument, chance a seeded source.
///
/// Inputs: `setSources`, `setRemotes`, `attached`, `ended`, `failed`, `channelEnded`; output: `pollAction`, until nil, after any of them
/// and at `nextTimeout`. It names no address that was not given to it, and opens at most two at a time, so that no peer makes a gateway send
/// more than handshakes at that pace, whatever it says of itself.
///
/// Invariant: of each interface and remote address there is one entry, and no more than `mostSources` times `mostRemotes` in all.
struct PathPlan: Sendable {
    /// An address of ours that paths may begin at.
    struct Source: Sendable, Hashable {
        /// With port 0.
        var address: Endpoint
        /// The number of its interface.
        var interface: UInt32
        /// What paths over it are for.
        var use: PathRules.Use
        /// The peer may have learned of it: then it may begin as well.
        var isKnownToPeer = false
    }

    /// An address of the peer's that somebody vouched for: its record, a configuration, an introduction.
    typealias Remote = Endpoint

    /// Two addresses.
    struct Pair: Sendable, Hashable {
        /// Of ours, port 0.
        var local: Endpoint
        /// The peer's.
        var remote: Endpoint
        var interface: UInt32
    }

    /// What there is to do.
    enum Action: Sendable, Equatable {
        /// A session over these two is wanted: begin a handshake, then say `attached` or `failed`.
        case open(Pair, PathRules.Use)
        /// The session is of no use any more; `ended` need not be said.
        case retire(PathID)
    }

    /// Addresses of ours, and of the peer's, that are thought of; the first ones.
    static let mostSources = 16
    static let mostRemotes = 16
    /// Paths that are wanted, where nothing else is said: two networks in both IP versions. The channel takes 8 (`maximumPaths`), of which
    /// each may have a successor for a moment.
    static let usualLimit = 4
    /// Handshakes at a time.
    private static let mostOpening = 2
    /// After a failure a pair rests for this, then for twice as long each time.
    private static let firstRest = Interval.seconds(1)
    private static let longestRest = Interval.seconds(300)
    /// The upper end lets the lower one begin, which takes it a round trip or two, where that can.
    private static let grace = Interval.seconds(2)
    /// A path that lasted so long has shown that it works: its next failure is the first again.
    private static let provenTime = Interval.seconds(30)

    private struct Key: Hashable, Comparable {
        var interface: UInt32
        var remote: Endpoint

        static func < (left: Key, right: Key) -> Bool {
            (left.interface, left.remote.high, left.remote.low, left.remote.port)
                < (right.interface, right.remote.high, right.remote.low, right.remote.port)
        }
    }

    private struct Entry {
        var source: Source
        /// The place of the remote address in the list: those first named are the likelier ones.
        var order: Int
        var state = State.idle
        /// Not before that.
        var triesAt: Instant
        var failures = 0

        var pair: Pair { Pair(local: source.address, remote: remote, interface: source.interface) }
        var remote: Endpoint
        /// The session over it.
        var id: PathID? {
            if case .up(let id, _) = state { id } else { nil }
        }
    }

    private enum State: Equatable {
        case idle
        case opening
        case up(PathID, since: Instant)
    }

    private let role: ChannelRole
    private let limit: Int
    private var random: RandomSource
    private var sources: [Source] = []
    private var remotes: [Remote] = []
    private var entries: [Key: Entry] = [:]
    /// Sessions whose addresses are none of the pairs: over NATs, and what the peer began. Counted, and retired when their address is gone.
    private var strays: [PathID: Pair] = [:]
    private var retirements: [PathID] = []

    /// A plan without addresses.
    ///
    /// - Parameter limit: paths wanted at a time, 1 to 8.
    init(role: ChannelRole, limit: Int = usualLimit, random: RandomSource) {
        self.role = role
        self.limit = min(max(limit, 1), 8)
        self.random = random
    }

    // MARK: Inputs

    /// The channel is over, and with it all sessions and what was begun for it.
    mutating func channelEnded() {
        strays.removeAll()
        retirements.removeAll()
        for key in entries.keys { entries[key]?.state = .idle }
    }

    /// The addresses of ours are these. What goes over one that is gone retires at once; one that is new is tried at once.
    mutating func setSources(_ new: [Source], now: Instant) {
        let new = Array(new.prefix(Self.mostSources))
        guard new != sources else { return }
        sources = new
        refresh(now: now)
    }

    /// The addresses of the peer's are these, the likeliest first. A session to one that is not named any more goes on as long as it
    /// works.
    mutating func setRemotes(_ new: [Remote], now: Instant) {
        var distinct: [Remote] = []
        for remote in new where !distinct.contains(remote) && remote.isSendable { distinct.append(remote) }
        distinct = Array(distinct.prefix(Self.mostRemotes))
        guard distinct != remotes else { return }
        remotes = distinct
        refresh(now: now)
    }

    /// A session is part of the channel, whoever began it.
    mutating func attached(_ id: PathID, local: Endpoint?, remote: Endpoint, now: Instant) {
        guard let source = local.flatMap({ local in sources.first { $0.address.hasSameAddress(as: local) } }) else {
            return
        }
        let key = Key(interface: source.interface, remote: remote)
        if case .up(let old, _) = entries[key]?.state, old != id { strays[old] = entries[key]?.pair }
        guard entries[key] != nil else {
            strays[id] = Pair(local: source.address, remote: remote, interface: source.interface)
            return
        }
        entries[key]?.state = .up(id, since: now)
    }

    /// A session is no part of the channel any more: it retired, or its path does not answer.
    mutating func ended(_ id: PathID, now: Instant) {
        strays[id] = nil
        guard let (key, entry) = entries.first(where: { $0.value.id == id }) else { return }
        entries[key]?.state = .idle
        if case .up(_, let since) = entry.state, now - since >= Self.provenTime { entries[key]?.failures = 0 }
        rest(key, now: now)
    }

    /// A handshake that was wanted came to nothing.
    mutating func failed(_ pair: Pair, now: Instant) {
        let key = Key(interface: pair.interface, remote: pair.remote)
        guard entries[key]?.state == .opening else { return }
        entries[key]?.state = .idle
        rest(key, now: now)
    }

    private mutating func rest(_ key: Key, now: Instant) {
        guard let failures = entries[key]?.failures else { return }
        // Doubled nine times it is beyond the longest.
        let pause = min(Self.firstRest * (1 << Int64(min(failures, 9))), Self.longestRest)
        let jitter = Interval(nanoseconds: Int64(random.below(UInt64(max(1, pause.nanoseconds / 4)))))
        entries[key]?.failures = failures + 1
        entries[key]?.triesAt = now + pause + jitter
    }

    private mutating func refresh(now: Instant) {
        let usable = Set(sources.map(\.address))
        for (id, pair) in strays where !usable.contains(pair.local) {
            strays[id] = nil
            retirements.append(id)
        }
        for (key, entry) in entries where !usable.contains(entry.source.address) {
            if let id = entry.id { retirements.append(id) }
            entries[key] = nil
        }
        var wanted: Set<Key> = []
        for source in sources {
            for (order, remote) in remotes.enumerated() where Self.canReach(remote, from: source) {
                let key = Key(interface: source.interface, remote: remote)
                // The first address of an interface is the one that counts.
                guard wanted.insert(key).inserted else { continue }
                if entries[key] != nil {
                    entries[key]?.source = source
                    entries[key]?.order = order
                    continue
                }
                let waits = role == .upper && source.isKnownToPeer
                var entry = Entry(
                    source: source, order: order, triesAt: waits ? now + Self.grace : now, remote: remote)
                // The peer may have begun a session over it before the address was known.
                if let (id, _) = strays.first(where: {
                    $0.value.remote == remote && $0.value.interface == source.interface
                }) {
                    strays[id] = nil
                    entry.state = .up(id, since: now)
                }
                entries[key] = entry
            }
        }
        for (key, entry) in entries where !wanted.contains(key) {
            if let id = entry.id { strays[id] = entry.pair }
            entries[key] = nil
        }
    }

    /// Whether an address can be reached from another one in principle.
    private static func canReach(_ remote: Endpoint, from source: Source) -> Bool {
        guard remote.family == source.address.family, !remote.isForwarded else { return false }
        if remote.isLoopback != source.address.isLoopback { return false }
        // What is of a link alone is reached from that link's own address, and nothing else is.
        return remote.scope == source.address.scope
    }

    // MARK: Outputs

    /// The next thing to do; nil when there is none at this time.
    mutating func pollAction(now: Instant) -> Action? {
        if !retirements.isEmpty { return .retire(retirements.removeFirst()) }
        let chosen = chosenKeys
        if let needless = needless(chosen) {
            forget(needless)
            return .retire(needless)
        }
        guard entries.values.count(where: { $0.state == .opening }) < Self.mostOpening else { return nil }
        for key in chosen {
            guard let entry = entries[key], entry.state == .idle, entry.triesAt <= now else { continue }
            entries[key]?.state = .opening
            return .open(entry.pair, entry.source.use)
        }
        return nil
    }

    /// When `pollAction` may have something without another input.
    var nextTimeout: Instant? {
        guard entries.values.count(where: { $0.state == .opening }) < Self.mostOpening else { return nil }
        return chosenKeys.compactMap { key in
            entries[key].flatMap { $0.state == .idle ? $0.triesAt : nil }
        }.min()
    }

    /// The pairs of which sessions are wanted: the best first, and each next one as different as can be from those before, as what cuts one
    /// path should leave another. Pairs that have failed again and again make room for those that have not.
    private var chosenKeys: [Key] {
        var rest = entries.keys.sorted()
        var chosen: [Key] = []
        while chosen.count < limit, !rest.isEmpty {
            let best = rest.indices.min { worth(rest[$0], beside: chosen) < worth(rest[$1], beside: chosen) }
            guard let best else { break }
            chosen.append(rest.remove(at: best))
        }
        return chosen
    }

    /// The lower the better, the first difference decides.
    private func worth(_ key: Key, beside chosen: [Key]) -> Worth {
        guard let entry = entries[key] else { return Worth(parts: [.max]) }
        let sharesInterface = chosen.count { $0.interface == key.interface }
        let sharesRemote = chosen.count { $0.remote.hasSameAddress(as: key.remote) }
        let sharesFamily = chosen.count { $0.remote.family == key.remote.family }
        return Worth(parts: [
            // Two failures in a row are no accident.
            entry.failures >= 2 ? 1 : 0, sharesInterface, sharesRemote, sharesFamily,
            Int(entry.source.use.preference.rawValue), entry.source.use.isMetered ? 1 : 0, Int(entry.source.use.rank),
            entry.id == nil ? 1 : 0, entry.order,
        ])
    }

    private struct Worth: Comparable {
        var parts: [Int]

        static func < (left: Worth, right: Worth) -> Bool { left.parts.lexicographicallyPrecedes(right.parts) }
    }

    /// A session beyond the limit, once what is wanted instead is up: never the last one over its interface, unless that has another.
    private func needless(_ chosen: [Key]) -> PathID? {
        let up = entries.filter { $0.value.id != nil }
        guard up.count + strays.count > limit else { return nil }
        let spare = up.filter { !chosen.contains($0.key) }.min { $0.key < $1.key }
        if let spare, chosen.allSatisfy({ entries[$0]?.id != nil }) { return spare.value.id }
        // Those that fit nowhere go last, and only where each interface keeps one that does.
        let stray = strays.min { $0.key < $1.key }
        guard let stray, up.contains(where: { $0.value.source.interface == stray.value.interface }) else { return nil }
        return stray.key
    }

    private mutating func forget(_ id: PathID) {
        strays[id] = nil
        let key = entries.first { $0.value.id == id }?.key
        if let key { entries[key]?.state = .idle }
    }

    // MARK: State

    /// How many sessions there are of which this knows.
    var sessionCount: Int { strays.count + entries.values.count { $0.id != nil } }
}
