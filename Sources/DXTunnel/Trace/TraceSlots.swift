import NIOConcurrencyHelpers

/// How many channels of a gateway are traced at a time, whichever of its event loops has them.
final class TraceSlots: Sendable {
    private let taken = NIOLockedValueBox(0)

    /// Each costs 3 MB of memory while nobody takes what it notes, and the time of writing it out; somebody looks at one or two.
    static let most = 4

    /// Takes a slot; false when there is none.
    func take() -> Bool {
        taken.withLockedValue { taken in
            guard taken < Self.most else { return false }
            taken += 1
            return true
        }
    }

    /// Gives a slot back.
    func release() { taken.withLockedValue { $0 -= 1 } }

    /// How many are taken.
    var count: Int { taken.withLockedValue { $0 } }
}
