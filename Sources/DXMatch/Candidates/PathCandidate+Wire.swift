extension PathCandidate {
    /// What a blob says of a peer's candidate; nil when it is of a kind that this version does not know, or that nobody sends.
    public init?(_ candidate: Candidate) {
        guard let kind = Kind(rawValue: candidate.kind.rawValue), kind != .peerReflexive else { return nil }
        self.init(kind: kind, endpoint: candidate.endpoint, priority: candidate.priority)
    }
}

extension Candidate {
    /// What a blob says of a candidate of our own: its base stays here.
    public init(_ candidate: PathCandidate) {
        self.init(
            kind: Kind(rawValue: candidate.kind.rawValue), priority: candidate.priority, endpoint: candidate.endpoint)
    }
}
