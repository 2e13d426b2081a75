/// A gateway's events as one listener gets them: first those that are kept, then what happens, with a `lost` where some are missing.
///
/// One listener at a time may iterate. To let go of it, or to cancel the task that iterates, ends it.
public struct EventSubscription: AsyncSequence, Sendable {
    /// What comes.
    public enum Element: Sendable {
        /// An event, or that some are missing.
        case event(GatewayEventRecord)
        /// Nothing happened since the last `tick()`.
        case idle
    }

    private let hub: EventHub
    private let id: UInt64
    private let items: AsyncStream<EventHub.Item>
    private let start: EventCursor

    init(hub: EventHub, id: UInt64, items: AsyncStream<EventHub.Item>, start: EventCursor) {
        self.hub = hub
        self.id = id
        self.items = items
        self.start = start
    }

    /// Has `idle` come behind all that waits, for who must say now and then that it is there.
    public func tick() { hub.tick(id) }

    /// Listens no more: the iteration ends.
    public func end() { hub.end(id) }

    /// What comes, in order.
    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate var items: AsyncStream<EventHub.Item>.Iterator
        fileprivate var cursor: EventCursor
        /// An event that comes after what is said of those that are missing before it.
        fileprivate var held: GatewayEventRecord?

        /// The next one; nil when the gateway stops.
        public mutating func next() async -> Element? {
            if let held {
                self.held = nil
                return .event(held)
            }
            guard let item = await items.next() else { return nil }
            guard case .entry(let entry) = item else { return .idle }
            let (lost, record) = cursor.take(entry)
            guard let lost else { return .event(record) }
            held = record
            return .event(lost)
        }
    }

    /// Begins to listen.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(items: items.makeAsyncIterator(), cursor: start)
    }
}

/// How far a listener has come: tells where events are missing, by their numbers.
struct EventCursor: Sendable {
    /// This start of the gateway.
    let run: String
    /// The event that the listener had last; 0 for none, which misses nothing.
    private(set) var last: UInt64
    /// What it had last was of another start.
    private var isOfOtherRun: Bool
    private var isFresh: Bool

    /// A listener that had the event of this id last; nil for one that begins.
    init(run: String, after id: String?) {
        self.run = run
        let parts = (id ?? "").split(separator: "-", maxSplits: 1)
        let number = parts.count == 2 && parts[0] == run ? UInt64(parts[1]) : nil
        last = number ?? 0
        isFresh = id == nil
        isOfOtherRun = id != nil && number == nil
    }

    /// The next event, and what is to be said before it of those that are missing.
    mutating func take(_ entry: EventHub.Entry) -> (lost: GatewayEventRecord?, record: GatewayEventRecord) {
        // Refusals that gave their places to later ones are not missed.
        let between = entry.number > last &+ 1 ? entry.number &- last &- 1 : 0
        let missing = between &- min(between, entry.omitted)
        defer { (last, isFresh, isOfOtherRun) = (entry.number, false, false) }
        let record = GatewayEventRecord(entry.event, id: "\(run)-\(entry.number)", time: entry.time)
        if isOfOtherRun { return (GatewayEventRecord(lost: nil), record) }
        // Who begins has not lost what was before.
        return (missing > 0 && !isFresh ? GatewayEventRecord(lost: missing) : nil, record)
    }
}

extension Gateway {
    /// The events that are kept, after the one of this id (`GatewayEventRecord.id`; nil for all), then those that happen.
    ///
    /// - Throws: `GatewayError.exhausted` when as many listen as may.
    public func events(after id: String? = nil) throws(GatewayError) -> EventSubscription {
        let cursor = EventCursor(run: eventHub.run, after: id)
        guard let (number, items) = eventHub.subscribe(after: cursor.last) else {
            throw .tooManyListeners(EventHub.mostListeners)
        }
        return EventSubscription(hub: eventHub, id: number, items: items, start: cursor)
    }

    /// The events that are kept, after the one of this id; nil for all.
    public func recentEvents(after id: String? = nil) -> [GatewayEventRecord] {
        var cursor = EventCursor(run: eventHub.run, after: id)
        return eventHub.recent(after: cursor.last).flatMap { entry in
            let (lost, record) = cursor.take(entry)
            return [lost, record].compactMap { $0 }
        }
    }
}
