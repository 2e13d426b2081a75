import DXSecure
import DXSocket
import DXWire
import DequeModule
import NIOConcurrencyHelpers

/// A gateway's events: takes them from any event loop, keeps the last ones, and hands them to who listens.
///
/// **Nobody waits for a listener**: each has a queue of its own, and one that does not read loses the oldest, which it is told. Events are
/// rare; refusals, which strangers can bring about as often as they like, are counted and said at most every `pause`, and what was counted
/// since is said when somebody listens or anything else happens. They take a part of the ring at most, so that they do not drive out what
/// strangers cannot bring about. Without listeners an event costs a place in the ring.
///
/// Limits: `ringCount` events, `refusalCount` of them refusals, `mostListeners`, `queueCount` for each of them, `mostTallies` reasons of refusals between two pauses.
final class EventHub: Sendable {
    /// An event in its place.
    struct Entry: Sendable, Hashable {
        /// Its number, from 1.
        let number: UInt64
        /// When it happened.
        let time: Timestamp
        let event: GatewayEvent
        /// So many refusals before it gave their places to later ones.
        var omitted: UInt64 = 0
    }

    /// What a listener gets.
    enum Item: Sendable {
        case entry(Entry)
        /// Nothing happened: a sign of life is due.
        case tick
    }

    /// A hundred bytes each: some dozens of kilobytes, and more than happens in an hour of a calm network.
    static let ringCount = 256
    /// A quarter of it.
    static let refusalCount = ringCount / 4
    /// A dashboard or two, and somebody at a terminal; each is a connection of the control socket.
    static let mostListeners = 8
    /// As many as the ring has, which is what comes first.
    static let queueCount = 256
    /// Refusals of one kind are said so often.
    static let pause = Interval.seconds(10)
    /// Those of further tunnels are counted under no name.
    static let mostTallies = 64

    private struct Tally {
        var count: UInt64 = 0
        var saidAt: Instant
    }

    private struct Key: Hashable {
        var tunnel: String
        var reason: RefusalReason
    }

    private struct State {
        var ring: Deque<Entry> = []
        var last: UInt64 = 0
        var tallies: [Key: Tally] = [:]
        var listeners: [UInt64: AsyncStream<Item>.Continuation] = [:]
        var nextListener: UInt64 = 0
        var isOver = false
    }

    /// Names this start of the gateway in ids.
    let run: String
    private let state = NIOLockedValueBox(State())

    /// No events yet.
    init(run: UInt64 = SecureRandom.next()) { self.run = String(run & 0xffff_ffff, radix: 16) }

    // MARK: What happens

    /// Something happened.
    func post(_ event: GatewayEvent, now: Instant = MonotonicClock.now()) {
        state.withLockedValue { state in
            Self.say(event, &state)
            Self.flush(&state, now: now)
        }
    }

    /// A connection or flow was refused.
    func noteRefusal(tunnel: String, reason: RefusalReason, now: Instant = MonotonicClock.now()) {
        state.withLockedValue { state in
            var key = Key(tunnel: tunnel, reason: reason)
            if state.tallies[key] == nil, state.tallies.count >= Self.mostTallies {
                state.tallies = state.tallies.filter { $0.value.count > 0 || $0.value.saidAt + Self.pause > now }
                if state.tallies.count >= Self.mostTallies { key.tunnel = "" }
            }
            guard state.tallies[key] != nil else {
                state.tallies[key] = Tally(saidAt: now)
                return Self.say(.connectionsRefused(tunnel: key.tunnel, reason: reason, count: 1), &state)
            }
            state.tallies[key]?.count += 1
            Self.flush(&state, now: now)
        }
    }

    /// Says what was counted long enough ago.
    private static func flush(_ state: inout State, now: Instant) {
        for (key, tally) in state.tallies where tally.count > 0 && tally.saidAt + pause <= now {
            state.tallies[key] = Tally(saidAt: now)
            say(.connectionsRefused(tunnel: key.tunnel, reason: key.reason, count: tally.count), &state)
        }
    }

    private static func say(_ event: GatewayEvent, _ state: inout State) {
        guard !state.isOver else { return }
        state.last &+= 1
        let entry = Entry(number: state.last, time: .now(), event: event)
        if case .connectionsRefused = event { makeRoomForRefusal(&state) }
        if state.ring.count >= ringCount { state.ring.removeFirst() }
        state.ring.append(entry)
        for listener in state.listeners.values { listener.yield(.entry(entry)) }
    }

    /// The oldest refusal goes when there are as many as may be.
    private static func makeRoomForRefusal(_ state: inout State) {
        let refusals = state.ring.indices.filter {
            if case .connectionsRefused = state.ring[$0].event { true } else { false }
        }
        guard refusals.count >= refusalCount, let oldest = refusals.first else { return }
        let gone = state.ring.remove(at: oldest)
        // There is a later one: the newest refusal.
        state.ring[oldest].omitted &+= gone.omitted &+ 1
    }

    // MARK: Listeners

    /// Those events that are kept, after the one of this number, then all that follow; nil when as many listen as may.
    func subscribe(after number: UInt64, now: Instant = MonotonicClock.now()) -> (id: UInt64, items: AsyncStream<Item>)?
    {
        let (items, continuation) = AsyncStream.makeStream(
            of: Item.self, bufferingPolicy: .bufferingNewest(Self.queueCount))
        let id = state.withLockedValue { state -> UInt64? in
            guard state.listeners.count < Self.mostListeners else { return nil }
            Self.flush(&state, now: now)
            for entry in state.ring where entry.number > number { continuation.yield(.entry(entry)) }
            guard !state.isOver else {
                continuation.finish()
                return 0
            }
            state.nextListener += 1
            state.listeners[state.nextListener] = continuation
            return state.nextListener
        }
        guard let id else { return nil }
        continuation.onTermination = { [weak self] _ in self?.end(id) }
        return (id, items)
    }

    /// A listener is due a sign of life; refusals that were counted meanwhile are said.
    func tick(_ id: UInt64, now: Instant = MonotonicClock.now()) {
        state.withLockedValue { state in
            Self.flush(&state, now: now)
            state.listeners[id]?.yield(.tick)
        }
    }

    /// A listener listens no more.
    func end(_ id: UInt64) {
        // Ended outside of the lock: to end a stream calls this again.
        state.withLockedValue { $0.listeners.removeValue(forKey: id) }?.finish()
    }

    /// What is kept after the event of this number.
    func recent(after number: UInt64, now: Instant = MonotonicClock.now()) -> [Entry] {
        state.withLockedValue { state in
            Self.flush(&state, now: now)
            return state.ring.filter { $0.number > number }
        }
    }

    /// The number of the newest event.
    var last: UInt64 { state.withLockedValue { $0.last } }

    /// How many listen.
    var listenerCount: Int { state.withLockedValue { $0.listeners.count } }

    /// The gateway stops: nothing more happens, and who listens has heard all.
    func finish() {
        let listeners = state.withLockedValue { state in
            state.isOver = true
            defer { state.listeners = [:] }
            return state.listeners
        }
        for listener in listeners.values { listener.finish() }
    }
}
