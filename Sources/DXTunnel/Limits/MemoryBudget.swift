/// How full a gateway's memory for tunnel data is, and what follows (`docs/architecture.md` §8).
///
/// A machine: told by `update` how much is held, it says by how much windows shrink and whether a new connection is taken. From
/// half of the limit on windows shrink, evenly, to an eighth at seven eighths; there new connections are refused, so that what is
/// left is for those that are open, and until less than three quarters are held, so that a gateway at its limit does not take and
/// refuse in turns. From half of the limit on a peer that holds its part gets no new connection either: the rest is for others.
struct MemoryBudget: Sendable, Equatable {
    /// How full it is.
    enum Level: UInt8, Sendable, Comparable, CaseIterable {
        /// Less than half: nothing is held back.
        case plenty
        /// Windows are smaller than usual.
        case tight
        /// No new connections.
        case full

        static func < (lhs: Level, rhs: Level) -> Bool { lhs.rawValue < rhs.rawValue }
    }

    /// Why a new connection is not taken.
    enum Refusal: Sendable, Equatable {
        /// The gateway holds what it may.
        case full
        /// The peer holds its part.
        case peer
    }

    /// Bytes that may be held.
    let limit: Int
    /// A peer's part of them.
    let part: Int
    /// Bytes held when `update` was called last.
    private(set) var used = 0
    private(set) var level = Level.plenty

    /// 512 KiB: with more than 128 peers at 64 MiB one that uses no more than its windows is not refused for it.
    static let leastPart = 512 << 10

    /// Windows are divided in so many steps: each step is a change that peers are told of.
    static let steps = 8

    /// - Parameters:
    ///   - limit: bytes that may be held, at least 1.
    ///   - partCount: among how many peers they are divided, at least 1.
    init(limit: Int, partCount: Int) {
        self.limit = max(1, limit)
        // Not less than a channel's two windows have in any case, while there is that much at all.
        part = max(min(Self.leastPart, self.limit), self.limit / max(1, partCount))
    }

    /// So many bytes are held now; true when the level is another one than before.
    mutating func update(used: Int) -> Bool {
        self.used = max(0, used)
        let before = level
        switch level {
        case .full where self.used >= limit / 4 * 3: break
        case .plenty, .tight, .full:
            level = self.used >= limit / 8 * 7 ? .full : self.used >= limit / 2 ? .tight : .plenty
        }
        return level != before
    }

    /// How many `steps` of their usual size windows have now, at least 1.
    var windowSteps: Int {
        switch level {
        case .plenty: return Self.steps
        case .full: return 1
        case .tight: break
        }
        // From half to seven eighths: three eighths of the limit.
        let range = limit / 8 * 3
        let step = max(1, (range + Self.steps - 2) / (Self.steps - 1))
        return Self.steps - min(max(0, used - limit / 2) / step, Self.steps - 1)
    }

    /// Why a new connection with a peer that holds so many bytes is not taken; nil when it is.
    func refusal(peerHolds held: Int) -> Refusal? {
        if level == .full { return .full }
        return level == .tight && held >= part ? .peer : nil
    }
}
