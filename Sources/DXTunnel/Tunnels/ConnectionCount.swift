import Synchronization

/// How many connections are open, over all event loops, and how many may be. Fewer than are open end none of them.
///
/// Two loops that look at the same moment may both find the last place free, so there may be as many too many as there are
/// other loops.
final class ConnectionCount: Sendable {
    private let limit: Atomic<Int>
    private let open = Atomic<Int>(0)

    init(maximum: Int) { limit = Atomic(maximum) }

    /// How many may be open.
    var maximum: Int {
        get { limit.load(ordering: .relaxed) }
        set { limit.store(newValue, ordering: .relaxed) }
    }

    /// Whether one more may be opened.
    var hasRoom: Bool { open.load(ordering: .relaxed) < maximum }

    /// One was opened.
    func opened() { open.add(1, ordering: .relaxed) }

    /// One was closed.
    func closed() { open.subtract(1, ordering: .relaxed) }
}
