import DXWire
import Testing

@testable import DXTunnel

@Suite struct IdleListTests {
    private final class Connection: IdleConnection {
        var lastActivity: Instant
        init(_ lastActivity: Instant) { self.lastActivity = lastActivity }
        func onIdle() {}
    }

    private let start = Instant(nanoseconds: 1_000)

    private func list(_ connections: [Connection], timeout: Interval?) -> IdleList {
        var list = IdleList()
        list.timeout = timeout
        for connection in connections { list.add(connection) }
        return list
    }

    @Test func looksAgainWhenTheOldestMayBeIdle() {
        let connections = [Connection(start + .seconds(3)), Connection(start + .seconds(1))]
        let list = list(connections, timeout: .seconds(16))
        let (idle, next) = list.look(now: start + .seconds(4))
        #expect(idle.isEmpty)
        #expect(next == start + .seconds(17))
    }

    @Test func findsThoseWithoutAByteForTheWholeTime() {
        let (old, new) = (Connection(start), Connection(start + .seconds(1)))
        let list = list([old, new], timeout: .seconds(16))
        #expect(list.look(now: start + .seconds(16) - .nanoseconds(1)).idle.isEmpty)
        let (idle, next) = list.look(now: start + .seconds(16))
        #expect(idle.count == 1 && idle.first === old)
        #expect(next == start + .seconds(17))
        // A byte, and it is not idle any more.
        old.lastActivity = start + .seconds(15)
        #expect(list.look(now: start + .seconds(16)).idle.isEmpty)
    }

    /// However the connections' ends lie, a look is taken at most sixteen times in a timeout, and is at most that late.
    @Test func looksSeldom() {
        let connections = (0..<1_000).map { Connection(start + .milliseconds(Int64($0) * 16)) }
        var list = list(connections, timeout: .seconds(16))
        var (now, looks, ended) = (start + .seconds(16), 0, 0)
        while true {
            let (idle, next) = list.look(now: now)
            looks += 1
            for connection in idle {
                #expect(now - connection.lastActivity <= .seconds(17))
                list.remove(connection)
                ended += 1
            }
            guard let next else { break }
            #expect(next >= now + .seconds(1))
            now = next
        }
        #expect(ended == 1_000)
        #expect(looks <= 18)
    }

    @Test func looksAtNothingWithoutATimeoutOrAConnection() {
        let connection = Connection(start)
        var list = list([connection], timeout: nil)
        #expect(list.look(now: start + .seconds(1_000_000)).idle.isEmpty)
        #expect(list.look(now: start + .seconds(1_000_000)).next == nil)
        list.timeout = .seconds(1)
        list.remove(connection)
        #expect(list.count == 0)
        #expect(list.look(now: start + .seconds(1_000_000)).next == nil)
    }

    @Test func aTimeoutThatChangesHoldsForThoseThatAreThere() {
        let connection = Connection(start)
        var list = list([connection], timeout: .seconds(100))
        #expect(list.look(now: start + .seconds(10)).idle.isEmpty)
        list.timeout = .seconds(5)
        #expect(list.look(now: start + .seconds(10)).idle.count == 1)
    }
}
