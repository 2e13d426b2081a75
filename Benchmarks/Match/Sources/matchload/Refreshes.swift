import DXMatch
import DXWire

/// Refreshes all that are registered in turn, each once in an interval (`docs/matchmaking.md` §4.1).
struct Refreshes {
    /// At most so many at once, so that what comes meanwhile is read.
    private static let most = 256

    private let perNanosecond: Double
    private var cursor = 0
    private var credit = 0.0
    private var last: Instant
    /// REFRESHes that want an answer.
    private(set) var sent = 0
    /// Those that were answered.
    private(set) var answered = 0
    /// Those that had no answer when the next one was due.
    private(set) var lost = 0
    /// Answers that say *register again*.
    private(set) var moved = 0
    /// The longest that one was late, in seconds.
    private(set) var latest = 0.0

    init(interval: Double, now: Instant) {
        perNanosecond = 1e-9 / interval
        last = now
    }

    /// Sends what is due.
    mutating func step(_ load: Load, now: Instant) {
        let rate = Double(load.registrations.done) * perNanosecond
        credit += Double((now - last).nanoseconds) * rate
        last = now
        if rate > 0 { latest = max(latest, credit / rate * 1e-9) }
        for _ in 0..<min(Self.most, Int(credit)) {
            credit -= 1
            while !load.members[cursor].isRegistered { cursor = (cursor + 1) % load.members.count }
            send(cursor, load)
            cursor = (cursor + 1) % load.members.count
        }
    }

    private mutating func send(_ index: Int, _ load: Load) {
        if load.members[index].awaited != 0 { lost += 1 }
        load.members[index].count += 1
        load.members[index].awaited = load.members[index].count
        sent += 1
        Self.send(RefreshMessage(handle: load.members[index].handle, count: load.members[index].count), index, load)
    }

    /// Says at once that a notice came.
    static func acknowledge(_ number: UInt32, _ index: Int, _ load: Load) {
        load.members[index].count += 1
        let refresh = RefreshMessage(
            handle: load.members[index].handle, count: load.members[index].count, notice: number,
            flags: RefreshMessage.wantsNoAnswer)
        send(refresh, index, load)
    }

    private static func send(_ refresh: RefreshMessage, _ index: Int, _ load: Load) {
        var refresh = refresh
        refresh.code = load.wire.cryptography.code(of: refresh, load.members[index].key)
        let message = [UInt8](capacity: RefreshMessage.byteCount) { refresh.write(to: &$0) }
        guard let datagram = load.wire.datagram(message) else { fatalError("no seals") }
        load.socket.send(datagram, from: AddressPlan.address(of: index))
    }

    /// Takes a REFRESHED.
    mutating func receive(_ refreshed: RefreshedMessage, _ index: Int, _ load: Load) {
        let member = load.members[index]
        guard refreshed.handle == member.handle, refreshed.count <= member.count else {
            load.counts.unmatched += 1
            return
        }
        guard load.wire.cryptography.code(of: refreshed, member.key) == refreshed.code else {
            load.counts.notAuthentic += 1
            return
        }
        // An acknowledgement wants no answer, and has one when the roster has changed.
        guard refreshed.count == member.awaited else { return }
        load.members[index].awaited = 0
        answered += 1
        if refreshed.flags.contains(.registerAgain) { moved += 1 }
    }
}
