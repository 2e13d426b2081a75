internal import DXWire

/// Candidates of one gateway: each once, the best first, at most `limit` (`docs/matchmaking.md` §6).
///
/// Of two with the same endpoint and base the better stays (RFC 8445 §5.1.3). When there are too many the least goes, but not
/// the last one of its kind and family as long as another has several: ten addresses of an interface must not drive out the one
/// that leads through the NAT.
public struct CandidateSet: Sendable {
    /// The most that a blob holds (§6), and that are kept of a peer.
    public static let limit = 16

    /// The candidates, the best first.
    public private(set) var candidates: [PathCandidate] = []

    /// An empty set.
    public init() {}

    /// A set of these, as far as it takes them.
    public init(_ candidates: [PathCandidate]) {
        for candidate in candidates { insert(candidate) }
    }

    /// What became of an insertion.
    public enum Insertion: Sendable, Equatable {
        /// It is in the set now; one that had to go for it.
        case inserted(dropped: PathCandidate?)
        /// It replaces the same address of a lower priority, or another kind.
        case improved
        /// The set has it, no worse.
        case known
        /// The set is full, of better ones.
        case refused
    }

    /// Takes a candidate in, at its place.
    @discardableResult
    public mutating func insert(_ candidate: PathCandidate) -> Insertion {
        if let index = candidates.firstIndex(where: {
            $0.endpoint == candidate.endpoint && $0.base == candidate.base
        }) {
            guard candidate.priority > candidates[index].priority else { return .known }
            candidates.remove(at: index)
            place(candidate)
            return .improved
        }
        place(candidate)
        guard candidates.count > Self.limit else { return .inserted(dropped: nil) }
        let dropped = candidates.remove(at: leastNeeded)
        return dropped == candidate ? .refused : .inserted(dropped: dropped)
    }

    /// Takes out what no longer is: an interface went away, a mapping ended.
    public mutating func remove(where isGone: (PathCandidate) -> Bool) { candidates.removeAll(where: isGone) }

    private mutating func place(_ candidate: PathCandidate) {
        let index = candidates.firstIndex { $0.priority < candidate.priority } ?? candidates.endIndex
        candidates.insert(candidate, at: index)
    }

    /// The worst one that is not the only one of its kind and family. There are five kinds and two families, ten in all, so a
    /// full set has one.
    private var leastNeeded: Int {
        for index in candidates.indices.reversed() {
            let one = candidates[index]
            let isAlone = !candidates.indices.contains {
                $0 != index && candidates[$0].kind == one.kind && candidates[$0].endpoint.family == one.endpoint.family
            }
            if !isAlone { return index }
        }
        return candidates.endIndex - 1
    }
}
