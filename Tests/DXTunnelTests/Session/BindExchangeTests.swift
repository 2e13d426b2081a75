import DXWire
import Testing

@testable import DXTunnel

@Suite struct BindExchangeTests {
    private let start = Instant(nanoseconds: 5_000_000_000)

    private func bind(half: UInt64, version: UInt8 = 1, minimum: UInt8 = 1, isSeen: Bool = false) -> Bind {
        Bind(
            version: version, minimumVersion: minimum, isSeen: isSeen, bootID: half, channelHalf: half,
            pathID: PathID(count: 1, role: .lower), parameters: TransportParameters())
    }

    @Test func sendsAtOnceAndAgainWithGrowingWaits() {
        var exchange = BindExchange(own: bind(half: 1))
        var now = start
        #expect(exchange.pollTransmit(now: now) == bind(half: 1))
        #expect(exchange.pollTransmit(now: now) == nil)
        for wait in [100, 200, 400, 800, 1_600, 3_200, 3_200, 3_200] as [Int64] {
            #expect(exchange.nextTimeout == now + .milliseconds(wait))
            now += .milliseconds(wait)
            exchange.timeoutFired(now: now - .nanoseconds(1))
            #expect(exchange.pollTransmit(now: now - .nanoseconds(1)) == nil)
            exchange.timeoutFired(now: now)
            #expect(exchange.pollTransmit(now: now) == bind(half: 1))
        }
    }

    @Test func tellsThatThePeersHasCome() {
        var exchange = BindExchange(own: bind(half: 1))
        _ = exchange.pollTransmit(now: start)
        #expect(exchange.receive(bind(half: 2)) == .attach(bind(half: 2)))
        // At once, without waiting for the timer.
        #expect(exchange.pollTransmit(now: start) == bind(half: 1, isSeen: true))
        #expect(exchange.receive(bind(half: 2, isSeen: true)) == .none)
        #expect(exchange.pollTransmit(now: start) == nil)
        #expect(exchange.nextTimeout == nil)
    }

    @Test func answersAPeerThatRepeatsItself() {
        var exchange = BindExchange(own: bind(half: 1))
        _ = exchange.receive(bind(half: 2))
        _ = exchange.pollTransmit(now: start)
        #expect(exchange.receive(bind(half: 2)) == .none)
        #expect(exchange.pollTransmit(now: start) == bind(half: 1, isSeen: true))
    }

    @Test func aPacketTellsThatThePeerHasOurs() {
        var exchange = BindExchange(own: bind(half: 1))
        _ = exchange.pollTransmit(now: start)
        _ = exchange.receive(bind(half: 2))
        _ = exchange.pollTransmit(now: start)
        exchange.receivedPacket()
        #expect(exchange.nextTimeout == nil)
        exchange.timeoutFired(now: start + .seconds(10))
        #expect(exchange.pollTransmit(now: start + .seconds(10)) == nil)
    }

    /// The first one counts; a peer cannot change its mind on one session.
    @Test func keepsTheFirst() {
        var exchange = BindExchange(own: bind(half: 1))
        _ = exchange.receive(bind(half: 2))
        #expect(exchange.receive(bind(half: 3)) == .none)
        #expect(exchange.peer == bind(half: 2))
    }

    @Test(
        arguments: [
            (1, 1, true), (2, 1, true), (255, 1, true), (2, 2, false), (255, 2, false),
        ] as [(UInt8, UInt8, Bool)])
    func findsACommonVersion(version: UInt8, minimum: UInt8, isCommon: Bool) {
        var exchange = BindExchange(own: bind(half: 1))
        let theirs = bind(half: 2, version: version, minimum: minimum)
        #expect(exchange.receive(theirs) == (isCommon ? .attach(theirs) : .versionMismatch))
        #expect((exchange.peer == nil) == !isCommon)
    }

    /// Both ends over a network that keeps or loses each of the first twelve BINDs, in every combination, and delivers
    /// them at once or a timer later: both attach once, know that the other has theirs, and fall silent.
    @Test func endsWhateverIsLost() {
        for pattern in 0..<(1 << 12) {
            var random = RandomSource(seed: UInt64(pattern))
            var ends = [BindExchange(own: bind(half: 1)), BindExchange(own: bind(half: 2))]
            var attached = [0, 0]
            var sent = 0
            var now = start
            var late: [(to: Int, bind: Bind)] = []
            for _ in 0..<64 where ends.contains(where: { $0.peer == nil || $0.nextTimeout != nil }) {
                var isBusy = true
                while isBusy {
                    isBusy = false
                    for from in 0...1 {
                        guard let message = ends[from].pollTransmit(now: now) else { continue }
                        isBusy = true
                        sent += 1
                        if sent <= 12, pattern & 1 << (sent - 1) != 0 { continue }
                        if random.chance(0.3) {
                            late.append((1 - from, message))
                        } else if case .attach = ends[1 - from].receive(message) {
                            attached[1 - from] += 1
                        }
                    }
                }
                for (to, message) in late { if case .attach = ends[to].receive(message) { attached[to] += 1 } }
                late.removeAll()
                // An end that is attached may send packets as soon as it knows that it is awaited.
                for end in 0...1 where ends[end].peer != nil && ends[1 - end].peer != nil && now > start + .seconds(3) {
                    ends[1 - end].receivedPacket()
                }
                guard let next = ends.compactMap(\.nextTimeout).min() else { continue }
                now = max(now, next)
                for end in 0...1 { ends[end].timeoutFired(now: now) }
            }
            #expect(attached == [1, 1], "pattern \(pattern)")
            #expect(ends.allSatisfy { $0.nextTimeout == nil }, "pattern \(pattern)")
            // A storm would need more.
            #expect(sent <= 40, "pattern \(pattern): \(sent) sent")
        }
    }
}
