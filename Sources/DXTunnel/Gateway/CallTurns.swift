import DXWire

/// Which of a peer's addresses are called next, where there are more than are called at once: a name may have many, and a
/// configuration lists up to 64.
struct CallTurns: Sendable {
    /// The place of the first of them in the next turn.
    private var first = 0

    /// At once: each costs a handshake until one is answered.
    static let atOnce = NameResolver.maximumCount

    /// All of them where they are few. Else the one that answered last, and the next ones in turn.
    mutating func next(of remotes: [Endpoint], known: Endpoint?) -> [Endpoint] {
        guard remotes.count > Self.atOnce else { return remotes }
        let others = remotes.filter { $0 != known }
        let count = min(Self.atOnce - (remotes.count - others.count), others.count)
        let begin = first % others.count
        first = (begin + count) % others.count
        return remotes.filter { $0 == known } + (0..<count).map { others[(begin + $0) % others.count] }
    }
}
