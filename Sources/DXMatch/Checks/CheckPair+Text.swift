internal import DXWire

extension CheckPair: CustomStringConvertible {
    /// A line of `explain`: what was tried, what came of it, and why it ended.
    public var description: String {
        var parts = ["\(base) to \(remote.endpoint) (\(remote.kind)\(isReluctant ? ", another private network" : ""))"]
        parts.append("\(sentCount) sent")
        if deferredCount > 0 { parts.append("held back \(deferredCount) times by the budget") }
        parts.append("\(heardCount) heard")
        if let roundTrip { parts.append("answered in \(roundTrip)") }
        if let observed { parts.append("seen from \(observed)") }
        parts.append("\(state)")
        return parts.joined(separator: ", ")
    }
}

extension CheckPair.State: CustomStringConvertible {
    /// How far the pair is, in words.
    public var description: String {
        switch self {
        case .waiting: "not tried yet"
        case .inProgress: "waiting for an answer"
        case .answered: "answered, but nothing of the peer's was heard this way"
        case .valid: "works in both directions"
        case .ended(.unanswered): "given up: no answer"
        case .ended(.superseded): "given up: a better way is in use"
        case .ended(.dropped): "given up: its address had to go for better ones"
        case .ended(.listEnded): "not decided when the time was over"
        }
    }
}
