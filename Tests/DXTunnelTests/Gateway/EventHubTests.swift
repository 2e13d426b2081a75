import DXWire
import Testing

@testable import DXTunnel

@Suite struct EventHubTests {
    private let hub = EventHub(run: 0xabcd)

    private func silent(_ number: Int) -> GatewayEvent { .peerSilent(peer: "p\(number)") }

    /// The events of a listener until the hub ends.
    private func heard(_ id: String?) async throws -> [GatewayEventRecord] {
        let cursor = EventCursor(run: hub.run, after: id)
        let (number, items) = try #require(hub.subscribe(after: cursor.last))
        hub.finish()
        var records: [GatewayEventRecord] = []
        for await case .event(let record) in EventSubscription(hub: hub, id: number, items: items, start: cursor) {
            records.append(record)
        }
        return records
    }

    @Test func whoBeginsGetsWhatIsKept() async throws {
        for number in 1...3 { hub.post(silent(number)) }
        let records = try await heard(nil)
        #expect(records.map(\.id) == ["abcd-1", "abcd-2", "abcd-3"])
        #expect(records.map(\.peer) == ["p1", "p2", "p3"] && records.allSatisfy { $0.event == .peerSilent })
    }

    @Test func whoComesBackGoesOnWhereItWas() async throws {
        for number in 1...5 { hub.post(silent(number)) }
        #expect(try await heard("abcd-3").map(\.id) == ["abcd-4", "abcd-5"])
    }

    /// The ring has room for so many; who was away for longer is told how many are gone, who begins is not.
    @Test func whatIsNotKeptIsLost() async throws {
        for number in 1...(EventHub.ringCount + 10) { hub.post(silent(number)) }
        #expect(hub.recent(after: 0).count == EventHub.ringCount)
        let records = try await heard("abcd-4")
        #expect(records.count == EventHub.ringCount + 1)
        #expect(records[0].event == .lost && records[0].count == 6 && records[0].id == nil)
        #expect(records[1].id == "abcd-11")
        var cursor = EventCursor(run: hub.run, after: nil)
        #expect(cursor.take(hub.recent(after: 0)[0]).lost == nil)
    }

    @Test(arguments: ["ffff-2", "nonsense", "", "abcd-", "abcd-99999999999999999999999"])
    func anotherStartIsTold(_ id: String) async throws {
        for number in 1...2 { hub.post(silent(number)) }
        let records = try await heard(id)
        #expect(records.map(\.event) == [.lost, .peerSilent, .peerSilent] && records[0].count == nil)
    }

    /// A listener that does not read holds up nobody, and learns what it missed when it reads again.
    @Test func aSlowListenerLosesTheOldest() async throws {
        let cursor = EventCursor(run: hub.run, after: nil)
        let (id, items) = try #require(hub.subscribe(after: 0))
        let subscription = EventSubscription(hub: hub, id: id, items: items, start: cursor)
        var iterator = subscription.makeAsyncIterator()
        hub.post(silent(1))
        guard case .event(let first) = await iterator.next() else { return #expect(Bool(false), "an event") }
        #expect(first.id == "abcd-1")
        for number in 2...(EventHub.queueCount + 41) { hub.post(silent(number)) }
        guard case .event(let lost) = await iterator.next(), case .event(let next) = await iterator.next() else {
            return #expect(Bool(false), "two events")
        }
        #expect(lost.event == .lost && lost.count == 40)
        #expect(next.id == "abcd-42")
        subscription.end()
    }

    @Test func aSignOfLifeComesBehindWhatWaits() async throws {
        let (id, items) = try #require(hub.subscribe(after: 0))
        hub.post(silent(1))
        hub.tick(id)
        let subscription = EventSubscription(
            hub: hub, id: id, items: items, start: EventCursor(run: hub.run, after: nil))
        var iterator = subscription.makeAsyncIterator()
        guard case .event = await iterator.next(), case .idle = await iterator.next() else {
            return #expect(Bool(false), "an event, then a sign of life")
        }
        subscription.end()
        #expect(await iterator.next() == nil)
    }

    @Test func soManyMayListen() throws {
        var listeners: [(id: UInt64, items: AsyncStream<EventHub.Item>)] = []
        for _ in 0..<EventHub.mostListeners { listeners.append(try #require(hub.subscribe(after: 0))) }
        #expect(hub.subscribe(after: 0) == nil)
        hub.end(listeners[3].id)
        #expect(hub.listenerCount == EventHub.mostListeners - 1)
        listeners.append(try #require(hub.subscribe(after: 0)))
        // Who lets go without a word is forgotten, too.
        listeners.removeAll()
        #expect(hub.listenerCount == 0)
    }

    // MARK: Refusals

    private func time(_ seconds: Int64) -> Instant { .zero + .seconds(seconds) }
    private var refusals: [String] {
        hub.recent(after: 0, now: .zero).compactMap { entry in
            guard case .connectionsRefused(let tunnel, let reason, let count) = entry.event else { return nil }
            return "\(tunnel) \(reason.rawValue) \(count)"
        }
    }

    /// The first is told at once; those that follow stand together.
    @Test func refusalsStandTogether() {
        for second in 0..<25 { hub.noteRefusal(tunnel: "web", reason: .refused, now: time(Int64(second))) }
        hub.noteRefusal(tunnel: "web", reason: .exhausted, now: time(25))
        #expect(refusals == ["web refused 1", "web refused 10", "web refused 10", "web exhausted 1"])
        // What was counted last is said when a listener is due a sign of life.
        hub.tick(1, now: time(40))
        #expect(refusals.last == "web refused 4" && refusals.count == 5)
    }

    /// Anybody may bring refusals about: what happened to peers stays, and who comes back is not told of losses for them.
    @Test func refusalsDriveNothingElseOut() {
        hub.post(silent(1), now: time(0))
        for second in stride(from: 0, to: 10_000, by: 10) {
            hub.noteRefusal(tunnel: "web", reason: .refused, now: time(Int64(second)))
        }
        hub.post(silent(2), now: time(10_000))
        let kept = hub.recent(after: 0, now: .zero)
        #expect(kept.count == EventHub.refusalCount + 2)
        #expect(kept.first?.event == silent(1) && kept.last?.event == silent(2))
        var cursor = EventCursor(run: hub.run, after: "abcd-0")
        let lost = kept.compactMap { cursor.take($0).lost }
        #expect(lost.isEmpty)
    }

    /// However many tunnels there are, what is remembered has an end, and none is left out of the count.
    @Test func theOthersHaveNoName() {
        for number in 0..<(EventHub.mostTallies + 6) {
            hub.noteRefusal(tunnel: "t\(number)", reason: .refused, now: time(0))
        }
        hub.tick(1, now: time(11))
        // The first two gave their places to the last two.
        #expect(refusals.count == EventHub.refusalCount)
        #expect(refusals.suffix(2) == [" refused 1", " refused 5"])
        // Later there is room again.
        hub.noteRefusal(tunnel: "late", reason: .refused, now: time(60))
        #expect(refusals.last == "late refused 1")
    }
}
