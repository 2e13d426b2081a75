import NIOConcurrencyHelpers

/// The one rehearsal that a gateway may have at a time, whichever of its event loops has it, and what the last one found.
final class RehearsalSlot: Sendable {
    private struct State {
        var isTaken = false
        var report: RehearsalReport?
    }

    private let state = NIOLockedValueBox(State())

    /// Takes the slot; what goes on already when it is taken.
    func take(_ report: RehearsalReport) -> RehearsalReport? {
        state.withLockedValue { state in
            if state.isTaken { return state.report }
            state = State(isTaken: true, report: report)
            return nil
        }
    }

    /// What is known by now; the last word lets the slot go.
    func publish(_ report: RehearsalReport) {
        state.withLockedValue { $0 = State(isTaken: report.phase != .over, report: report) }
    }

    /// The rehearsal that goes on, or the last one; nil when there was none.
    var report: RehearsalReport? { state.withLockedValue { $0.report } }
}
