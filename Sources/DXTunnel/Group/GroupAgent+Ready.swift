import DXSecure
import DXWire
import NIOCore

/// An admin that was off, or came back from a backup, hears what the others know before it signs anything: or it would sign
/// with a revision that is too low, and be outvoted by what it has not heard of.
extension GroupAgent {
    /// Nothing has to be waited for any more.
    var isReady: Bool {
        let now = core.currentTime()
        // Nobody to hear, or nobody there.
        if !state.members.contains(where: { $0.id != member && !$0.addresses.isEmpty }) { return true }
        if startedAt + core.tuning.lonelyTime <= now { return true }
        guard let since = neighbourSince else { return false }
        return since + core.tuning.settleTime <= now && !sync.isAsking
    }

    /// Calls back once this gateway may sign.
    func whenReady() -> EventLoopFuture<Void> {
        guard !wasReady else { return core.eventLoop.makeSucceededVoidFuture() }
        guard !isReady else {
            wasReady = true
            return core.eventLoop.makeSucceededVoidFuture()
        }
        let bound = NIOLoopBound(self, eventLoop: core.eventLoop)
        return core.eventLoop.flatScheduleTask(in: .milliseconds(50)) { bound.value.whenReady() }.futureResult
    }
}
