public import DXWire
internal import NIOCore

/// Several paths at once (`docs/transport.md` §11): which one carries what, and what happens when one does not answer.
extension MessageChannel {
    /// Whether paths beside the one in use are kept.
    var keepsPaths: Bool { configuration.multipath != .single }

    // MARK: Commands

    /// Says how gladly this end uses a path; the peer is told. Of both ends' wishes the less glad one holds.
    public mutating func setPreference(_ preference: PathPreference, of id: PathID, now: Instant) {
        advance(to: now)
        guard let index = index(of: id), paths[index].preference != preference else { return }
        paths[index].preference = preference
        paths[index].statusSequence &+= 1
        paths[index].isStatusDue = keepsPaths
        choosePath(now: now)
    }

    /// What a path leads over has become known, or another.
    public mutating func setEnds(_ ends: PathEnds, of id: PathID) {
        if let index = index(of: id) { paths[index].ends = ends }
    }

    /// The network of a path is gone: what is on the way there goes again over another at once, and the path is retired.
    /// Of the last path nothing is given up.
    public mutating func abandonPath(_ id: PathID, now: Instant) {
        advance(to: now)
        guard let index = index(of: id), paths.indices.contains(where: { $0 != index && paths[$0].state != .retiring })
        else { return }
        let wasInUse = index == activeIndex
        retirePath(id, now: now)
        if wasInUse, keepsPaths { searchPath() }
        guard let index = self.index(of: id) else { return }
        declareAllLost(on: index, now: now)
        paths[index].received.repeatElsewhere()
        paths[index].forgetAt = now
    }

    // MARK: Which path

    /// Chooses the path that carries what is not bulk data, and in most modes everything.
    mutating func choosePath(now: Instant) {
        guard keepsPaths, phase == .open else { return }
        var best: Int?
        for index in paths.indices where paths[index].state != .retiring {
            if best.map({ isBetter(index, than: $0) }) ?? true { best = index }
        }
        guard let best, best != activeIndex else { return }
        let left = activeIndex
        setActive(best, now: now)
        // One on trial answers: what is on the way there arrives.
        if let left, !paths[left].liveness.answers { leave(left) }
    }

    private func isBetter(_ index: Int, than other: Int) -> Bool {
        let (own, theirs) = (rank(index), rank(other))
        if own != theirs { return own < theirs }
        if paths[index].isPreferred != paths[other].isPreferred {
            return paths[index].isPreferred < paths[other].isPreferred
        }
        // Neither is in use, as that does not answer: rather the one that has nothing in common with it.
        if index != activeIndex, other != activeIndex {
            let (shared, theirShared) = (fatesShared(index), fatesShared(other))
            if shared != theirShared { return shared < theirShared }
        }
        // Of equals the one in use stays, unless the other is much quicker: a change costs a window that has to grow.
        if index == activeIndex { return !isMuchQuicker(other, than: index) }
        return other == activeIndex && isMuchQuicker(index, than: other)
    }

    /// Whether a path is trusted before another, whatever it costs; lower is better. A path that costs money is used when
    /// nothing else answers, not when something else missed one answer. One that has never answered may be none: the peer may have
    /// given up its session while this end took it for complete.
    private func rank(_ index: Int) -> Int {
        let isMetered = paths[index].isPreferred == .metered
        return switch paths[index].liveness.state {
        case .up where index != activeIndex && paths[index].loss.largestAcknowledged == nil: isMetered ? 4 : 1
        case .up: isMetered ? 3 : 0
        case .recovering: isMetered ? 4 : 1
        case .doubted: isMetered ? 5 : 2
        case .down: 6
        }
    }

    /// How many ends it shares with paths that do not answer.
    private func fatesShared(_ index: Int) -> Int {
        var count = 0
        for other in paths.indices where other != index && paths[other].state != .retiring {
            switch paths[other].liveness.state {
            case .doubted, .down: count &+= paths[index].ends.sharedCount(with: paths[other].ends)
            case .up, .recovering: break
            }
        }
        return count
    }

    private func isMuchQuicker(_ index: Int, than other: Int) -> Bool {
        guard paths[index].rtt.hasSample, paths[other].rtt.hasSample else { return false }
        return paths[index].rtt.minimum + Self.noticeable < paths[other].rtt.minimum * 3 / 4
    }

    /// A difference of round trips below which no path is worth a change.
    private static var noticeable: Interval { .milliseconds(2) }

    /// Another path that is trusted as much as one in use, for what goes twice: the one that has least in common with it.
    var secondPath: Int? {
        guard let activeIndex else { return nil }
        var best: Int?
        func shared(_ index: Int) -> Int { paths[index].ends.sharedCount(with: paths[activeIndex].ends) }
        for index in paths.indices where index != activeIndex && paths[index].state == .standby {
            guard paths[index].liveness.state == .up, paths[index].isPreferred != .metered else { continue }
            guard let other = best else {
                best = index
                continue
            }
            let (own, theirs) = (shared(index), shared(other))
            if own < theirs || own == theirs && isBetter(index, than: other) { best = index }
        }
        return best
    }

    /// Whether another path can take over at once from the one in use.
    func standsBy(for index: Int) -> Bool {
        guard keepsPaths, paths.count > 1, index == activeIndex else { return false }
        return paths.contains {
            $0.state == .standby && $0.liveness.state == .up && $0.isPreferred != .metered && $0.rtt.hasSample
        }
    }

    /// Whether bulk data goes on this path too.
    func sharesBulk(_ index: Int) -> Bool {
        guard configuration.multipath == .aggregate, let activeIndex, paths[index].state == .standby else {
            return false
        }
        return paths[index].liveness.state == .up && paths[index].isPreferred == paths[activeIndex].isPreferred
    }

    /// The windows of all paths that bulk data goes on.
    var bulkWindow: Int {
        guard let activeIndex else { return 0 }
        var total = paths[activeIndex].congestion.windowBytes
        guard configuration.multipath == .aggregate else { return total }
        for index in paths.indices where sharesBulk(index) { total &+= paths[index].congestion.windowBytes }
        return total
    }

    /// The round trip that windows are made for: the longest of the paths that data comes by.
    var windowRoundTrip: Interval {
        guard let activeIndex else { return .milliseconds(100) }
        var longest = paths[activeIndex].rtt.smoothed
        guard configuration.multipath == .aggregate else { return longest }
        for index in paths.indices where sharesBulk(index) && paths[index].rtt.hasSample {
            longest = max(longest, paths[index].rtt.smoothed)
        }
        return longest
    }

    /// Whether bulk data of the stream whose turn it is may go on a path that is not the quickest. What goes there arrives late,
    /// and until then the receiver keeps what the quicker path brings: with too little room for that the slow path would
    /// hold the quick one up.
    func mayCarryBulk(_ index: Int) -> Bool {
        guard let activeIndex, let slot = scheduler.front, !scheduler.hasInteractive else { return false }
        let quick = paths[activeIndex].rtt.smoothed
        let own = paths[index].rtt.smoothed
        guard own > quick * 2 + .milliseconds(10) else { return true }
        let room =
            streams[slot].send.peerMaximum &- min(streams[slot].send.nextChunkOffset, streams[slot].send.peerMaximum)
        let rate = paths[activeIndex].pacer.rateBytesPerSecond
        let meanwhile = rate.multipliedReportingOverflow(by: UInt64(max(own.microseconds, 0)))
        guard !meanwhile.overflow else { return false }
        return min(room, channelCredit) >= meanwhile.partialValue / 500_000
    }

    // MARK: A path does not answer

    /// A probe timeout. With another path to go on there is no need to wait for a second one: everything on the way goes there
    /// too, at once.
    mutating func onMissedAnswer(_ index: Int, now: Instant) {
        let wasDown = paths[index].liveness.state == .down
        if paths[index].liveness.onTimeout(now: now) {
            events.append(.pathDown(paths[index].id))
            if trace != nil { tracePath(index, .down) }
        }
        let wasInUse = index == activeIndex
        choosePath(now: now)
        if wasInUse { searchPath() }
        if index == activeIndex { return askOnTheOnlyPath(index) }
        // Asked for itself, it is asked at an even pace.
        paths[index].loss.probeCount = 0
        if wasDown || paths[index].liveness.state == .down {
            declareAllLost(on: index, now: now)
            paths[index].probesPending = 0
        } else {
            leave(index)
            paths[index].probesPending = 1
        }
    }

    /// A packet that asked for an acknowledgement got it; `isFirst` of all on this path, which may be better than the one in use.
    ///
    /// - Parameter chooses: false where it has just been chosen, by this very answer.
    mutating func onAnswer(_ index: Int, isFirst: Bool, chooses: Bool, now: Instant) {
        if paths[index].measurementsLeft > 0, index != activeIndex, paths[index].state == .standby {
            paths[index].measurementsLeft &-= 1
            paths[index].probesPending = max(paths[index].probesPending, 1)
        }
        let before = paths[index].liveness.state
        guard before != .up else {
            if isFirst, chooses { choosePath(now: now) }
            return
        }
        let isUsable = paths[index].liveness.onAnswer(now: now)
        if chooses, isUsable || before == .down { choosePath(now: now) }
    }

    /// Data came on another path than before. The peer has left the one in use, perhaps because nothing of ours arrives there any
    /// more; with nothing of our own on the way we would not notice. So it is asked, and meanwhile we follow.
    mutating func notePeerData(on index: Int, now: Instant) {
        let before = peerDataPath
        guard before != paths[index].id else { return }
        peerDataPath = paths[index].id
        guard keepsPaths, configuration.multipath != .aggregate, let activeIndex, activeIndex != index,
            before == paths[activeIndex].id, paths[index].liveness.state == .up,
            paths[activeIndex].liveness.state == .up, paths[index].isPreferred != .metered
        else { return }
        paths[activeIndex].liveness.doubt()
        paths[activeIndex].probesPending = max(paths[activeIndex].probesPending, 1)
        choosePath(now: now)
    }

    /// A path does not answer: what is on the way there goes over others too, and over them the peer is told what came from there, as
    /// acknowledgements on the way may be lost.
    mutating func leave(_ index: Int) {
        moveUnacknowledged(from: index)
        paths[index].received.repeatElsewhere()
    }

    /// Sends the content of all that is on the way on a path over others too, without declaring it lost.
    private mutating func moveUnacknowledged(from index: Int) {
        var number = paths[index].sent.packets.firstIndex
        while number < paths[index].sent.packets.endIndex {
            moveContent(number, on: index)
            number &+= 1
        }
    }

    /// Sends the content of a packet on the way once more, wherever it goes best; once only.
    @discardableResult
    private mutating func moveContent(_ number: UInt64, on index: Int) -> Bool {
        let packet = paths[index].sent.packets[number]
        guard packet.state == .outstanding, packet.traits.contains(.isAckEliciting), packet.obligationCount > 0,
            !packet.traits.contains(.isMoved)
        else { return false }
        requeue(packet, on: index)
        paths[index].sent.addTraits(.isMoved, to: number)
        return true
    }

    // MARK: The end of a transfer over several paths

    /// With nothing left to send, what a slower path will bring last is sent on the quickest one too, where it would be there
    /// before. True when there is something to send now.
    mutating func reinjectTail(now: Instant) -> Bool {
        guard configuration.multipath == .aggregate, let activeIndex else { return false }
        let quick = paths[activeIndex].rtt.smoothed
        for index in paths.indices where sharesBulk(index) && paths[index].sent.outstandingCount > 0 {
            let own = paths[index].rtt.smoothed
            guard own > quick else { continue }
            var number = max(paths[index].reinjectedBelow, paths[index].sent.packets.firstIndex)
            while number < paths[index].sent.packets.endIndex {
                let isWorthIt = paths[index].sent.packets[number].sentAt + own > now + quick * 5 / 4
                number &+= 1
                paths[index].reinjectedBelow = number
                if isWorthIt, moveContent(number &- 1, on: index) { return true }
            }
        }
        return false
    }

    // MARK: Timers

    /// When a path that is not in use has to be heard of next, to be kept open and to be known to work.
    func standbyDeadline(_ index: Int) -> Instant? {
        guard keepsPaths, paths[index].state != .retiring else { return nil }
        // Also of the one in use, which may be on trial still.
        if let due = paths[index].liveness.deadline { return due }
        guard paths[index].state == .standby, let keepalive = configuration.keepalive, paths[index].probesPending == 0,
            paths[index].sent.outstandingCount == 0
        else { return nil }
        return paths[index].lastSentAt + keepalive + (role == .upper ? keepalive / 8 : .zero)
    }

    /// Asks paths that are not in use whether they work.
    mutating func fireStandbyTimers(_ index: Int, now: Instant) {
        guard keepsPaths, paths[index].state != .retiring else { return }
        switch paths[index].liveness.timeoutFired(now: now) {
        case .nothing: break
        case .question: if paths[index].sent.outstandingCount == 0 { paths[index].probesPending = 1 }
        case .up:
            events.append(.pathUp(paths[index].id))
            if trace != nil { tracePath(index, .up) }
            choosePath(now: now)
        }
        if let due = standbyDeadline(index), due <= now, paths[index].liveness.deadline == nil {
            paths[index].probesPending = 1
        }
    }

    // MARK: What the peer says

    /// PATH_STATUS (`docs/wire-format.md` §6.17).
    mutating func applyPathStatus(_ frame: PathStatusFrame, on index: Int, now: Instant) {
        guard frame.id == paths[index].id, frame.sequence > paths[index].peerStatusSequence else { return }
        paths[index].peerStatusSequence = frame.sequence
        paths[index].peerPreference = frame.preference
        choosePath(now: now)
    }
}
