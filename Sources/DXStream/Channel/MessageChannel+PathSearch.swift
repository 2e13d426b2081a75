internal import DXWire

/// The search for a path that works, when the one in use does not answer (`docs/transport.md` §11).
///
/// Which of the others works is not known before one has answered: those that were never asked since the last failure look as good
/// as ever, and one that is on trial may be the only one that is whole. So all are asked at the same moment; what there is to send
/// goes meanwhile on the one that is thought best; and the first that answers takes over, unless it is less gladly used.
extension MessageChannel {
    /// Asks every path but the one in use, which has something to answer where there is something to send, and is asked too where not.
    mutating func searchPath() {
        isSearching = true
        searchedAt = lastNow
        for index in paths.indices {
            switch paths[index].state {
            case .standby: paths[index].probesPending = max(paths[index].probesPending, 1)
            case .active where paths[index].sent.outstandingCount == 0:
                paths[index].probesPending = max(paths[index].probesPending, 1)
            case .active, .retiring: break
            }
        }
    }

    /// A path answered: the first one ends a search. That may be the one that was left, which was only late. Where bulk data goes
    /// on several paths there is always an answer on the way of each: there it counts if it is to what was sent in the search.
    ///
    /// - Parameter sentAt: when the newest was sent of what was acknowledged.
    /// - Returns: whether it took over.
    mutating func noteAnswerInSearch(_ index: Int, sentAt: Instant, now: Instant) -> Bool {
        guard isSearching, let left = activeIndex, configuration.multipath != .aggregate || sentAt >= searchedAt else {
            return false
        }
        if index == left {
            isSearching = false
            return false
        }
        guard paths[index].state == .standby, paths[index].isPreferred <= paths[left].isPreferred else { return false }
        isSearching = false
        // Asked like this one, they have not answered; an answer that is only later makes them as good as before.
        for other in paths.indices where other != index && paths[other].state != .retiring {
            paths[other].liveness.doubt()
            guard paths[other].sent.outstandingCount == 0 else { continue }
            paths[other].probesPending = max(paths[other].probesPending, 1)
        }
        setActive(index, now: now)
        leave(left)
        return true
    }
}
