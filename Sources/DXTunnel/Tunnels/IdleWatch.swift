import DXSocket
import DXWire
import NIOCore

/// Ends the connections of one end of a tunnel that have been idle for too long. Bound to the gateway's event loop; one timer
/// serves all.
final class IdleWatch {
    private var list = IdleList()
    private var timer: WakeupTimer<IdleWatch>?
    private var isArmed = false

    /// After how long without a byte a connection ends; nil is never.
    var timeout: Interval? { list.timeout }

    /// When each connection's last byte came or went.
    var lastActivities: [Instant] { list.lastActivities }

    /// There is this timeout from now on, for connections that are open, too.
    func update(_ timeout: Duration?, on eventLoop: any EventLoop) {
        let timeout = timeout.map { Interval.nanoseconds(TimeAmount($0).nanoseconds) }
        guard timeout != list.timeout else { return }
        list.timeout = timeout
        if timeout == nil {
            timer?.arm(at: nil)
            isArmed = false
        } else {
            if timer == nil { timer = WakeupTimer(on: eventLoop, handler: self) }
            wakeupFired(now: MonotonicClock.now())
        }
    }

    /// Watches a connection.
    func add(_ connection: any IdleConnection) {
        list.add(connection)
        guard !isArmed, let timeout = list.timeout else { return }
        // Once armed it comes in time for those that come later, too.
        arm(at: MonotonicClock.now() + timeout)
    }

    /// A connection ended.
    func remove(_ connection: any IdleConnection) { list.remove(connection) }

    /// Watches nothing any more: the gateway ends.
    func cancel() {
        timer?.cancel()
        timer = nil
        list.removeAll()
    }

    private func arm(at deadline: Instant?) {
        isArmed = deadline != nil
        timer?.arm(at: deadline)
    }
}

@available(*, unavailable)
extension IdleWatch: Sendable {}

extension IdleWatch: WakeupHandler {
    func wakeupFired(now: Instant) {
        let (idle, next) = list.look(now: now)
        arm(at: next)
        for connection in idle { connection.onIdle() }
    }
}
