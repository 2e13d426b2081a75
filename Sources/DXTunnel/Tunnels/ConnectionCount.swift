import Synchronization

/// How many connections are open, over all event loops, and how many may be.
///
/// Two loops that look at the same moment may both find the last place free, so there may be as many too many as there are
/// other loops.
final class ConnectionCount: Sendable {
    /// How many may be open.
    let maximum: Int
    private let open = Atomic<Int>(0)

    init(maximum: Int) { self.maximum = maximum }

    /// Whether one more may be opened.
    var hasRoom: Bool { open.load(ordering: .relaxed) < maximum }

    /// One was opened.
    func opened() { open.add(1, ordering: .relaxed) }

    /// One was closed.
    func closed() { open.subtract(1, ordering: .relaxed) }
}
