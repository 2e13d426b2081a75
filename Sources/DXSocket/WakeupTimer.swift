public import DXWire
public import NIOCore

/// Who a `WakeupTimer` wakes.
public protocol WakeupHandler: AnyObject, SendableMetatype {
    /// The armed deadline has passed. Called on the event loop; arming again from inside is the usual thing to do.
    func wakeupFired(now: Instant)
}

/// One wake-up for many deadlines. Arming it later than it is armed costs nothing: the armed callback fires, sees that
/// it is early and arms itself again; only an earlier deadline cancels (SwiftNIO's cancel takes a lock and scans).
/// Bound to its event loop. The handler is held weakly.
public final class WakeupTimer<Handler: WakeupHandler> {
    private let eventLoop: any EventLoop
    private weak var handler: Handler?
    /// What the owner wants; nil: nothing.
    private var deadline: Instant?
    /// When the callback will come; never after `deadline`.
    private var armed: Instant?
    private var callback: NIOScheduledCallback?

    /// A timer that is not armed.
    public init(on eventLoop: any EventLoop, handler: Handler) {
        self.eventLoop = eventLoop
        self.handler = handler
    }

    /// Wakes at `deadline` (at once when it has passed), instead of any deadline given before; nil: not at all.
    public func arm(at deadline: Instant?) {
        self.deadline = deadline == .distantFuture ? nil : deadline
        guard let deadline = self.deadline else { return }
        if let armed {
            guard deadline < armed else { return }
            callback?.cancel()
        }
        schedule(at: deadline)
    }

    /// Wakes no more, and lets go of the event loop's callback. For the owner's end; `arm(at: nil)` is cheaper.
    public func cancel() {
        deadline = nil
        armed = nil
        callback?.cancel()
        callback = nil
    }

    private func schedule(at deadline: Instant) {
        armed = deadline
        // NIODeadline counts CLOCK_MONOTONIC on Linux, as MonotonicClock does. Scheduling fails only when the event loop
        // is shutting down: then nobody is left to be woken.
        let point = NIODeadline.uptimeNanoseconds(UInt64(max(0, deadline.nanoseconds)))
        callback = try? eventLoop.scheduleCallback(
            at: point, handler: WakeupCallback(timer: NIOLoopBound(self, eventLoop: eventLoop)))
    }

    fileprivate func callbackFired() {
        armed = nil
        callback = nil
        guard let deadline else { return }
        let now = MonotonicClock.now()
        guard now >= deadline else {
            schedule(at: deadline)
            return
        }
        self.deadline = nil
        handler?.wakeupFired(now: now)
    }
}

@available(*, unavailable)
extension WakeupTimer: Sendable {}

/// What the event loop holds: three words, so that scheduling allocates no box for it.
private struct WakeupCallback<Handler: WakeupHandler>: NIOScheduledCallbackHandler, Sendable {
    let timer: NIOLoopBound<WakeupTimer<Handler>>

    func handleScheduledCallback(eventLoop: some EventLoop) { timer.value.callbackFired() }
}
