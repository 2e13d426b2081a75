import DXSocket
import DXWire
import NIOCore

/// Who sends into a tunnel with a rate: one end of one connection.
protocol RateLimitedSender: AnyObject {
    /// It is among those that wait for their turn. Set by the limiter alone.
    var isWaitingForTurn: Bool { get set }
    /// The bytes that it has and its stream takes now; 0 when it has none any more.
    var sendableByteCount: Int { get }
    /// Sends at most `limit` bytes, and says how many.
    func send(atMost limit: Int) -> Int
}

/// Keeps what this gateway sends of one tunnel, all its connections together, within the tunnel's rate. Bound to the
/// gateway's event loop.
///
/// Senders keep what they have until it is their turn, and take no more meanwhile: so nothing is dropped, and TCP's own flow
/// control slows the applications down. One timer serves all senders of the tunnel.
final class TunnelLimiter {
    private var turns: RateTurns<any RateLimitedSender>
    /// Nil once the gateway has ended.
    private var timer: WakeupTimer<TunnelLimiter>?
    private var isServing = false

    /// The largest read of a connection: no more than the burst, of which all connections have a part, so that slow tunnels
    /// hold little.
    var maximumRead: Int { min(turns.burstByteCount, TCPBridge.maximumRead) }

    init(bitsPerSecond: UInt64, on eventLoop: any EventLoop) {
        turns = RateTurns(bitsPerSecond: bitsPerSecond)
        timer = WakeupTimer(on: eventLoop, handler: self)
    }

    /// The rate.
    var bitsPerSecond: UInt64 { turns.bitsPerSecond }
    /// How often the tunnel stopped sending for its rate.
    var waitCount: UInt64 { turns.waitCount }
    /// For how long in all something waited.
    var waited: Interval { turns.waited(now: MonotonicClock.now()) }

    /// A sender has something to send: it gets its turn, at once or when the rate allows.
    func submit(_ sender: any RateLimitedSender) {
        guard timer != nil, !sender.isWaitingForTurn else { return }
        sender.isWaitingForTurn = true
        turns.join(sender)
        // Whoever is served now is asked afterwards whether there is more.
        if !isServing { serve(now: MonotonicClock.now()) }
    }

    /// The tunnel has another rate from now on.
    func setRate(bitsPerSecond: UInt64) {
        guard bitsPerSecond != turns.bitsPerSecond else { return }
        let now = MonotonicClock.now()
        turns.setRate(bitsPerSecond: bitsPerSecond, now: now)
        if !isServing { serve(now: now) }
    }

    /// The tunnel has no rate any more: whoever waits sends what its stream takes, and the rest by itself.
    func release() {
        while let sender = turns.leave() {
            sender.isWaitingForTurn = false
            // Until the stream takes no more: then it says when it does again.
            while sender.send(atMost: .max) > 0 {}
        }
        cancel()
    }

    /// Lets all senders go: the gateway ends.
    func cancel() {
        timer?.cancel()
        timer = nil
        turns.removeAll()
    }

    private func serve(now: Instant) {
        isServing = true
        while let (sender, limit) = turns.next(now: now, sendable: { $0.sendableByteCount }) {
            turns.onSent(limit > 0 ? sender.send(atMost: limit) : 0, now: now)
            if sender.sendableByteCount > 0 { turns.join(sender) } else { sender.isWaitingForTurn = false }
        }
        isServing = false
        timer?.arm(at: turns.nextTurn(now: now, sendable: { $0.sendableByteCount }))
    }
}

@available(*, unavailable)
extension TunnelLimiter: Sendable {}

extension TunnelLimiter: WakeupHandler {
    func wakeupFired(now: Instant) { serve(now: now) }
}
