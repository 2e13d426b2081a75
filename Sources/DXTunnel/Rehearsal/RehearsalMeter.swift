import DXWire

/// What applications feel while a path or a peer is cut: who stood still and for how long, who broke, what new connections met.
///
/// A machine: its owner looks at every connection some fifty times a second and says what it sees; time is an argument. A
/// connection **should move** when bytes of it wait here for the peer. When none do it should move as well if the silence began with the
/// cut (`nearCut`) and it was a transfer from the peer (`streakTime`), or, at an origin, had asked and had no answer yet: at a
/// destination what went last is the answer, and nothing is to come. Its silence counts from when it moved last, or had something to
/// send, or from the cut. A connection **stood still** when its longest silence, over or not, is at least `threshold`.
///
/// Limits: `maximum` connections are followed, those beyond are counted; times are as exact as the looks are frequent. A pause that a
/// server made of its own at the moment of the cut cannot be told from one of the network.
struct RehearsalMeter: Sendable {
    /// Connections that are followed: each costs some 150 bytes, and a look at it 0.2 µs.
    static let maximum = 4_096
    /// 100 ms: nobody notices less, and a busy host and its event loop take some of it.
    static let leastThreshold = Interval.milliseconds(100)
    /// So long before the cut and after it: what moved last then was stopped by it, as far as anybody can know.
    static let nearCut = (before: Interval.milliseconds(500), after: Interval.seconds(1))
    /// Who received for so long without a pause, and sent nothing meanwhile, is amid a transfer.
    static let streakTime = Interval.milliseconds(300)
    /// Longer pauses interrupt a transfer.
    private static let streakPause = Interval.milliseconds(200)

    /// What one look at a connection shows.
    struct Look: Hashable, Sendable {
        /// Bytes that have come as far as the peer, or from it, since it began.
        var moved: UInt64
        /// Of these the bytes from the peer.
        var received: UInt64
        /// Something of it is to move towards the peer, and nothing at this end holds it back.
        var isWaiting: Bool
        /// Its application here does not take what has come.
        var isHeldBack: Bool
    }

    /// How a connection ended.
    enum End: Hashable, Sendable {
        /// In good order.
        case inOrder
        /// By an application, in no order.
        case reset
        /// A gateway ended it; why, in a word.
        case broken(String)
    }

    /// A connection that is followed.
    private struct Followed {
        var tunnel: Int
        var isNew: Bool
        var begun: Instant
        var look: Look
        /// When it moved last, as far as was seen.
        var movedAt: Instant
        /// When bytes last came from the peer.
        var receivedAt: Instant?
        /// Since when they have come without a pause, and none have gone.
        var streakSince: Instant?
        /// Since when something waits.
        var waitsSince: Instant?
        var longest = Interval.zero
        /// It should move, and has not for `threshold`.
        var isStill = false
        /// That was so when the cut was over, and it had not moved since it began.
        var stoodToTheEnd = false
        var answeredAt: Instant?
        var isOver = false
    }

    /// One end of a tunnel.
    private struct Tunnel {
        var name: String
        var isOrigin: Bool
        var open = 0
        var unfollowed = 0
        var broken: [String: Int] = [:]
        var asked = 0
        var refused = 0
        /// By whom new connections were answered, and how long each waited.
        var answers: [String: Int] = [:]
        var waits: [Interval] = []
        var servedAt: Instant?
    }

    /// Silences of at least this count as standing still.
    let threshold: Interval
    private var cutAt: Instant?
    private var restoredAt: Instant?
    private var followed: [Followed] = []
    private var tunnels: [Tunnel]
    private var firstMovedAt: Instant?
    private var firstHeardAt: Instant?

    /// Nothing is followed yet.
    ///
    /// - Parameters:
    ///   - tunnels: the ends of tunnels that may feel it, at most one of each name and end.
    ///   - roundTrip: of the path in use: twice that is no silence.
    init(tunnels: [(name: String, isOrigin: Bool)], roundTrip: Interval?) {
        self.tunnels = tunnels.map { Tunnel(name: $0.name, isOrigin: $0.isOrigin) }
        threshold = max(Self.leastThreshold, (roundTrip ?? .zero) * 2)
    }

    // MARK: State

    /// Those that stand still now.
    var stillCount: Int { followed.count { !$0.isOver && $0.isStill } }
    /// Those that asked since the cut and have no answer.
    var unansweredCount: Int { followed.count { $0.isNew && !$0.isOver && $0.answeredAt == nil } }

    // MARK: Inputs

    /// The cut begins: what is silent from now on counts.
    mutating func cut(now: Instant) { cutAt = now }

    /// The cut is over; who stands still may still do so for a moment.
    mutating func restored(now: Instant) {
        restoredAt = now
        guard let cutAt else { return }
        // One that moved meanwhile has what took over: it may be silent at this very moment all the same.
        for place in followed.indices where followed[place].isStill && followed[place].movedAt <= cutAt {
            followed[place].stoodToTheEnd = true
        }
    }

    /// A connection is there, or, since the cut, is asked for.
    ///
    /// - Parameter tunnel: by its place in what the meter was made with.
    /// - Returns: what it is called from now on; nil when as many as may be are followed, and it is only counted.
    mutating func follow(tunnel: Int, isNew: Bool, _ look: Look, now: Instant) -> Int? {
        if isNew { tunnels[tunnel].asked += 1 } else { tunnels[tunnel].open += 1 }
        guard followed.count < Self.maximum else {
            tunnels[tunnel].unfollowed += 1
            return nil
        }
        followed.append(
            Followed(
                tunnel: tunnel, isNew: isNew, begun: now, look: look, movedAt: now,
                waitsSince: look.isWaiting ? now : nil))
        return followed.count - 1
    }

    /// A connection looks like that.
    mutating func look(_ place: Int, _ look: Look, now: Instant) {
        guard !followed[place].isOver else { return }
        let old = followed[place].look
        if look.moved != old.moved {
            note(silenceOf: place, until: now)
            moved(place, from: old, to: look, now: now)
        } else if look.isHeldBack {
            // What does not move now is its application's own doing.
            followed[place].movedAt = now
            followed[place].waitsSince = nil
        } else if !look.isWaiting {
            followed[place].waitsSince = nil
        } else if followed[place].waitsSince == nil {
            followed[place].waitsSince = now
        }
        followed[place].look = look
        let silence = silence(of: place, until: now)
        followed[place].isStill = silence.map { $0 >= threshold } ?? false
    }

    private mutating func moved(_ place: Int, from old: Look, to look: Look, now: Instant) {
        // One that began meanwhile moves wherever it went: it says nothing of those that the cut hit.
        if cutAt != nil, firstMovedAt == nil, !followed[place].isNew { firstMovedAt = now }
        followed[place].movedAt = now
        followed[place].waitsSince = look.isWaiting ? now : nil
        guard look.received != old.received else { return }
        let hasSent = look.moved &- look.received != old.moved &- old.received
        let hasPaused = followed[place].receivedAt.map { now - $0 > Self.streakPause } ?? true
        if hasSent || hasPaused || followed[place].streakSince == nil { followed[place].streakSince = now }
        followed[place].receivedAt = now
    }

    /// A new connection was answered by that destination: it has the stream.
    mutating func answered(_ place: Int, by destination: String, now: Instant) {
        guard followed[place].isNew, followed[place].answeredAt == nil, !followed[place].isOver else { return }
        followed[place].answeredAt = now
        tunnels[followed[place].tunnel].answers[destination, default: 0] += 1
        tunnels[followed[place].tunnel].waits.append(now - followed[place].begun)
    }

    /// A connection has ended.
    mutating func ended(_ place: Int, _ end: End, now: Instant) {
        guard !followed[place].isOver else { return }
        let each = followed[place]
        if each.isStill { note(silenceOf: place, until: now) }
        followed[place].isOver = true
        followed[place].isStill = false
        guard cutAt != nil else {
            tunnels[each.tunnel].open -= 1
            return
        }
        // One that never had an answer is told of as such.
        if each.isNew, each.answeredAt == nil { return }
        switch end {
        case .inOrder: break
        // Whoever gave up a connection that stood still was not content with it.
        case .reset: if each.isStill { tunnels[each.tunnel].broken["given_up", default: 0] += 1 }
        case .broken(let how): tunnels[each.tunnel].broken[how, default: 0] += 1
        }
    }

    /// A new connection was refused before there was anything to follow.
    mutating func refused(tunnel: Int) {
        guard cutAt != nil, restoredAt == nil else { return }
        tunnels[tunnel].asked += 1
        tunnels[tunnel].refused += 1
    }

    /// The peer was heard, over whatever is left.
    mutating func heard(now: Instant) {
        if cutAt != nil, restoredAt == nil, firstHeardAt == nil { firstHeardAt = now }
    }

    /// The end of a tunnel has somebody who takes its connections, at whom the cut is not.
    mutating func served(tunnel: Int, now: Instant) {
        if cutAt != nil, restoredAt == nil, tunnels[tunnel].servedAt == nil { tunnels[tunnel].servedAt = now }
    }

    // MARK: Silence

    /// How long a connection that should move has been silent since the cut; nil when it need not move.
    private func silence(of place: Int, until now: Instant) -> Interval? {
        guard let cutAt else { return nil }
        let each = followed[place]
        let since: Instant
        if isExpected(each, since: cutAt) {
            since = max(each.movedAt, cutAt)
        } else if let waitsSince = each.waitsSince {
            since = max(each.movedAt, waitsSince, cutAt)
        } else {
            return nil
        }
        if let restoredAt, since > restoredAt { return nil }
        return now - since
    }

    /// Whether bytes from the peer are to be expected of a silence that began with the cut.
    private func isExpected(_ each: Followed, since cutAt: Instant) -> Bool {
        guard !each.look.isHeldBack, each.movedAt + Self.nearCut.before >= cutAt,
            each.movedAt <= cutAt + Self.nearCut.after, let receivedAt = each.receivedAt
        else { return false }
        // The peer has what was sent last, and has said nothing since: a question, if it comes from the client.
        if receivedAt < each.movedAt { return tunnels[each.tunnel].isOrigin }
        return each.streakSince.map { receivedAt - $0 >= Self.streakTime } ?? false
    }

    private mutating func note(silenceOf place: Int, until now: Instant) {
        followed[place].longest = longestSilence(of: place, until: now)
    }

    /// The longest so far, with the one that goes on.
    private func longestSilence(of place: Int, until now: Instant) -> Interval {
        let each = followed[place]
        return each.isOver ? each.longest : max(each.longest, silence(of: place, until: now) ?? .zero)
    }

    // MARK: Outputs

    /// What was felt at each end of a tunnel; silences that go on count until now.
    func report(now: Instant) -> [RehearsalReport.Tunnel] {
        var places = [[Int]](repeating: [], count: tunnels.count)
        for place in followed.indices { places[followed[place].tunnel].append(place) }
        return zip(tunnels, places).map { tunnel, places in
            let own = places.map { followed[$0] }
            let silences = places.filter { !followed[$0].isNew }.map { longestSilence(of: $0, until: now) }.sorted()
            let still = silences.filter { $0 >= threshold }
            let unanswered = own.filter { $0.isNew && $0.answeredAt == nil && !$0.isOver }
            let lost = own.filter { $0.isNew && $0.answeredAt == nil && $0.isOver }.count
            let waits = tunnel.waits + unanswered.map { now - $0.begun }
            return RehearsalReport.Tunnel(
                name: tunnel.name, role: tunnel.isOrigin ? .origin : .destination, openConnections: tunnel.open,
                unfollowedConnections: tunnel.unfollowed, stalledConnections: still.count,
                stallP50Milliseconds: Self.percentile(still, 50), stallP99Milliseconds: Self.percentile(still, 99),
                longestSilenceMilliseconds: silences.last.map(Self.milliseconds) ?? 0,
                stillUntilRestored: own.count { !$0.isNew && $0.stoodToTheEnd }, broken: tunnel.broken,
                askedConnections: tunnel.asked, answeredBy: tunnel.answers,
                refusedConnections: tunnel.refused + lost, unansweredConnections: unanswered.count,
                longestAnswerMilliseconds: waits.max().map(Self.milliseconds),
                servedAfterMilliseconds: tunnel.servedAt.flatMap { at in cutAt.map { Self.milliseconds(at - $0) } })
        }
    }

    /// How long after the cut the first byte of any connection moved that was open before.
    var firstByteMilliseconds: UInt64? {
        guard let cutAt, let firstMovedAt else { return nil }
        if let restoredAt, firstMovedAt > restoredAt { return nil }
        return Self.milliseconds(firstMovedAt - cutAt)
    }

    /// How long after the cut the peer was heard, over what was left; nil when it was not.
    var heardMilliseconds: UInt64? {
        guard let cutAt, let firstHeardAt else { return nil }
        return Self.milliseconds(firstHeardAt - cutAt)
    }

    /// The value that so many percent do not pass; nil of none.
    static func percentile(_ sorted: [Interval], _ percent: Int) -> UInt64? {
        guard !sorted.isEmpty else { return nil }
        let place = (sorted.count * percent + 99) / 100 - 1
        return milliseconds(sorted[max(0, min(place, sorted.count - 1))])
    }

    static func milliseconds(_ interval: Interval) -> UInt64 { UInt64(max(0, interval.milliseconds)) }
}
