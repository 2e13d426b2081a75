import Synchronization

/// The bytes of tunnel data that a gateway holds, over all its event loops, each of which tells its own from time to time.
final class MemoryUse: Sendable {
    private let held = Atomic<Int>(0)

    init() {}

    /// A loop holds so many bytes more than it said before (fewer, if negative); what all of them hold.
    func add(_ change: Int) -> Int { held.add(change, ordering: .relaxed).newValue }
}
