import DXSecure
import DXWire
import Testing

@testable import DXTunnel

/// Members that exchange records over channels, on virtual time. A message that is lost on the way comes a round trip and
/// 200 ms later, as the transport sends it again; messages of one channel keep their order.
struct GroupNetwork {
    private(set) var syncs: [GroupSync]
    private(set) var now = Instant(nanoseconds: 1_000_000_000)
    /// Bytes that each member sent.
    private(set) var sentByteCounts: [Int]
    private(set) var messageCount = 0
    let keys: [PublicKey]
    private var numbers: [PublicKey: Int] = [:]
    private var links: [Link: Way] = [:]
    private var adjacent: [[Int]]
    private var events: [Event] = []
    private var sequence = 0
    private var random: RandomSource
    private let loss: Double

    private struct Link: Hashable {
        var from: Int
        var to: Int
    }

    private struct Way {
        var delay: Interval
        var lastArrival: Instant
    }

    private struct Event {
        var time: Instant
        var sequence: Int
        var link: Link
        var message: GroupMessage
    }

    /// Members that hold these documents, without channels.
    init(_ documents: [GroupDocument], keys: [PublicKey], seed: UInt64, loss: Double = 0) {
        syncs = zip(documents, keys).map { GroupSync($0, own: $1) }
        sentByteCounts = Array(repeating: 0, count: keys.count)
        adjacent = Array(repeating: [], count: keys.count)
        self.keys = keys
        self.loss = loss
        random = RandomSource(seed: seed)
        for (number, key) in keys.enumerated() { numbers[key] = number }
    }

    /// A key that signs nothing; the same in each run.
    static func key(_ number: Int) throws -> PublicKey {
        var random = RandomSource(seed: UInt64(number) &+ 77)
        let bytes: [UInt8] = [2] + (0..<32).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        var reader = unsafe ByteReader(bytes.span.bytes)
        return try PublicKey(reading: &reader)
    }

    /// Opens a channel.
    mutating func connect(_ one: Int, _ other: Int, delay: Interval = .milliseconds(20)) {
        for (from, to) in [(one, other), (other, one)] {
            let link = Link(from: from, to: to)
            if links[link] == nil { adjacent[from].append(to) }
            links[link] = Way(delay: delay, lastArrival: now)
            syncs[from].connected(keys[to])
        }
        drain(one)
        drain(other)
    }

    /// Closes a channel; what is on the way is lost.
    mutating func disconnect(_ one: Int, _ other: Int) {
        for (from, to) in [(one, other), (other, one)] {
            let link = Link(from: from, to: to)
            guard links.removeValue(forKey: link) != nil else { continue }
            adjacent[from].removeAll { $0 == to }
            events.removeAll { $0.link == link }
            syncs[from].disconnected(keys[to], now: now)
        }
    }

    /// How many channels a member has.
    func channelCount(_ member: Int) -> Int { adjacent[member].count }

    /// A member says something.
    mutating func say(_ record: GroupRecord, at member: Int) -> GroupDocument.Admission {
        let admission = syncs[member].say(record)
        drain(member)
        return admission
    }

    /// A member's software sends what it likes.
    mutating func inject(_ message: GroupMessage, from: Int, to: Int) {
        syncs[to].receive(message, from: keys[from], now: now)
        drain(to)
    }

    /// Runs until nothing happens any more, or `limit` is over. Deadlines are looked at each 100 ms.
    mutating func run(atMost limit: Interval = .seconds(60)) {
        let end = now + limit
        var tickAt = now
        while true {
            guard let event = events.first, event.time <= tickAt else {
                guard tickAt <= end, !events.isEmpty || syncs.contains(where: { $0.nextDeadline != nil }) else {
                    return
                }
                now = tickAt
                for member in syncs.indices where syncs[member].nextDeadline.map({ $0 <= now }) == true {
                    syncs[member].tick(now: now)
                    drain(member)
                }
                tickAt = tickAt + .milliseconds(100)
                continue
            }
            guard event.time <= end else { return }
            events.removeFirst()
            now = event.time
            syncs[event.link.to].receive(event.message, from: keys[event.link.from], now: now)
            drain(event.link.to)
        }
    }

    private mutating func drain(_ member: Int) {
        for neighbour in adjacent[member] {
            while let message = syncs[member].pollMessage(to: keys[neighbour]) { send(message, member, neighbour) }
        }
        while syncs[member].pollChange() != nil {}
    }

    private mutating func send(_ message: GroupMessage, _ from: Int, _ to: Int) {
        let link = Link(from: from, to: to)
        guard var way = links[link] else { return }
        sentByteCounts[from] += message.encoded.count + 3
        messageCount += 1
        var arrival = now + way.delay
        if random.chance(loss) { arrival = arrival + way.delay * 2 + .milliseconds(200) }
        way.lastArrival = max(way.lastArrival, arrival)
        links[link] = way
        sequence += 1
        let event = Event(time: way.lastArrival, sequence: sequence, link: link, message: message)
        // In order of time: a binary search for the place.
        var (low, high) = (0, events.count)
        while low < high {
            let middle = (low + high) / 2
            if events[middle].time <= event.time { low = middle + 1 } else { high = middle }
        }
        events.insert(event, at: low)
    }
}
