public import DXWire
public import NIOCore

/// Who a `WakeupTimer` wakes.
public protocol WakeupHandler: AnyObject {
    /// The armed deadline has passed. Called on the event loop; arming again from inside is the usual thing to do.
    func wakeupFired(now: Instant)
}

/// One wake-up for many deadlines. Arming it later than it is armed costs nothing: the armed callback fires, sees that
/// it is early and arms itself again; only an earlier deadline cancels (SwiftNIO's cancel takes a lock and scans).
/// Bound to its event loop. The handler is held weakly.
public final class WakeupTimer<Handler: WakeupHandler> {
    private let eventLoop: any EventLoop

    /// A timer that is not armed.
    public init(on eventLoop: any EventLoop, handler: Handler) {
        self.eventLoop = eventLoop
    }

    /// Wakes at `deadline` (at once when it has passed), instead of any deadline given before; nil: not at all.
    public func arm(at deadline: Instant?) {}
}

@available(*, unavailable)
extension WakeupTimer: Sendable {}
