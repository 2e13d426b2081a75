import DXStream
import DXWire

/// What went over the paths to one peer since the start, by kind of path: channels end, sessions are renewed, and a count must never fall.
///
/// Told of all paths of the channel whenever somebody wants to know, and when one comes or goes. What a path did between the last look and
/// its end is known from what the channel counts of paths that have ended, and belongs to the kind that it was of. One entry for each path.
struct PathLedger: Sendable {
    /// What went over paths since the start, by kind; kinds that were never used are absent.
    private(set) var counts: [PathKind: PathCounts] = [:]
    /// What is counted already of paths that there are.
    private var seen: [PathID: (kind: PathKind, counts: PathCounts)] = [:]
    /// What is counted already of paths of the present channel that have ended.
    private var ended = PathCounts()

    /// Nothing yet.
    init() {}

    /// These are all paths of the channel now, and so much went over those that it had before.
    mutating func note(_ paths: [(id: PathID, kind: PathKind, counts: PathCounts)], ended total: PathCounts) {
        var counted = ended
        var kind: PathKind?
        for (id, gone) in seen where !paths.contains(where: { $0.id == id }) {
            counted.add(gone.counts)
            kind = gone.kind
            seen[id] = nil
        }
        let rest = total.subtracting(counted)
        // A path that nobody saw, and that has ended, did nothing but to end.
        if rest != PathCounts() { counts[kind ?? .direct, default: PathCounts()].add(rest) }
        ended = total
        for path in paths {
            let before = seen[path.id]?.counts ?? PathCounts()
            counts[path.kind, default: PathCounts()].add(path.counts.subtracting(before))
            seen[path.id] = (path.kind, path.counts)
        }
    }

    /// The channel is over; the next one counts from zero.
    mutating func channelEnded() {
        seen.removeAll()
        ended = PathCounts()
    }
}

/// What went over channels that have ended, of what channels count as a whole.
struct PastChannels: Sendable {
    var streamBytesSent: UInt64 = 0
    var streamBytesReceived: UInt64 = 0
    var streamBytesRetransmitted: UInt64 = 0
    var packetsDuplicate: UInt64 = 0

    /// A channel is over, of which so much was counted before.
    mutating func add(_ statistics: ChannelStatistics, since counted: ChannelStatistics = ChannelStatistics()) {
        streamBytesSent &+= statistics.streamBytesSent &- counted.streamBytesSent
        streamBytesReceived &+= statistics.streamBytesReceived &- counted.streamBytesReceived
        streamBytesRetransmitted &+= statistics.streamBytesRetransmitted &- counted.streamBytesRetransmitted
        packetsDuplicate &+= statistics.packetsDuplicate &- counted.packetsDuplicate
    }
}

extension ChannelSession {
    /// What kind of path it is now.
    var pathKind: PathKind { remote.isForwarded ? .forwarded : remote.isPrivate ? .lan : .direct }
}

extension PeerLink {
    /// Counts what went over the channel's paths until now.
    func noteTraffic() {
        guard let channel else { return }
        let paths = channel.transport.pathSnapshots.map { path in
            (id: path.id, kind: channel.session(of: path.id)?.pathKind ?? .direct, counts: PathCounts(path.statistics))
        }
        ledger.note(paths, ended: PathCounts(channel.transport.endedPathStatistics))
    }
}
