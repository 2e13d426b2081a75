import DXWire
import Testing

@testable import DXTunnel

/// What counts as standing still, breaking and being answered while something is cut.
@Suite struct RehearsalMeterTests {
    /// A meter of one end of `web`, and the clock; looks every 20 ms.
    private struct Watch {
        var meter: RehearsalMeter
        var now = Instant.zero + .seconds(100)

        init(isOrigin: Bool = true) {
            meter = RehearsalMeter(tunnels: [(name: "web", isOrigin: isOrigin)], roundTrip: .milliseconds(10))
        }

        /// Looks at all connections again and again for so long; `state` says how each is.
        mutating func pass(_ milliseconds: Int, _ state: (inout [RehearsalMeter.Look]) -> Void) {
            for _ in 0..<milliseconds / 20 {
                now += .milliseconds(20)
                state(&looks)
                for (place, look) in looks.enumerated() { meter.look(place, look, now: now) }
            }
        }

        var looks: [RehearsalMeter.Look] = []

        @discardableResult
        mutating func open(isNew: Bool = false) -> Int {
            let look = RehearsalMeter.Look(moved: 0, received: 0, isWaiting: false, isHeldBack: false)
            looks.append(look)
            return meter.follow(tunnel: 0, isNew: isNew, look, now: now)!
        }

        mutating func cut() { meter.cut(now: now) }
        mutating func restore() { meter.restored(now: now) }
        var web: RehearsalReport.Tunnel { meter.report(now: now)[0] }
    }

    private static func sends(_ look: inout RehearsalMeter.Look) {
        look.moved += 100
        look.isWaiting = true
    }
    private static func receives(_ look: inout RehearsalMeter.Look) {
        look.moved += 1_000
        look.received += 1_000
    }

    @Test func whoHasSomethingToSendAndMovesNothingStandsStill() {
        var watch = Watch()
        watch.open()
        watch.pass(500) { Self.sends(&$0[0]) }
        watch.cut()
        watch.pass(300) { _ in }
        #expect(watch.meter.stillCount == 1)
        watch.pass(20) { Self.sends(&$0[0]) }
        #expect(watch.meter.stillCount == 0)
        watch.pass(680) { Self.sends(&$0[0]) }
        watch.restore()
        let web = watch.web
        #expect(web.openConnections == 1 && web.stalledConnections == 1 && web.stillUntilRestored == 0)
        #expect(web.longestSilenceMilliseconds == 320)
        #expect(web.stallP50Milliseconds == 320 && web.stallP99Milliseconds == 320)
        #expect(watch.meter.firstByteMilliseconds == 320)
    }

    @Test func silenceBelowTheThresholdIsToldAndIsNoStandstill() {
        var watch = Watch()
        watch.open()
        watch.pass(500) { Self.sends(&$0[0]) }
        watch.cut()
        watch.pass(60) { _ in }
        watch.pass(400) { Self.sends(&$0[0]) }
        #expect(watch.web.stalledConnections == 0 && watch.web.longestSilenceMilliseconds == 80)
        #expect(watch.web.stallP50Milliseconds == nil)
        // Two round trips of a long path are no silence.
        let slow = RehearsalMeter(tunnels: [], roundTrip: .milliseconds(300))
        #expect(slow.threshold == .milliseconds(600))
        #expect(watch.meter.threshold == .milliseconds(100))
    }

    /// Nothing waits here: that the transfer stopped with the cut tells that it should go on.
    @Test func aTransferFromThePeerStandsStill() {
        var watch = Watch()
        watch.open()
        watch.pass(500) { Self.receives(&$0[0]) }
        watch.cut()
        watch.pass(1_000) { _ in }
        #expect(watch.meter.stillCount == 1)
        watch.restore()
        watch.pass(200) { _ in }
        watch.pass(20) { Self.receives(&$0[0]) }
        #expect(watch.web.stillUntilRestored == 1 && watch.web.longestSilenceMilliseconds == 1_220)
        // Not a byte moved before it was over.
        #expect(watch.meter.firstByteMilliseconds == nil)
    }

    /// The question is there, the answer is lost.
    @Test func whoAskedAndHasNoAnswerStandsStill() {
        var watch = Watch()
        watch.open()
        watch.pass(20) { Self.receives(&$0[0]) }
        watch.pass(400) { _ in }
        watch.pass(20) { $0[0].moved += 10 }
        watch.cut()
        watch.pass(400) { _ in }
        watch.pass(20) { Self.receives(&$0[0]) }
        #expect(watch.web.longestSilenceMilliseconds == 420 && watch.web.stalledConnections == 1)
    }

    /// At a destination it is the answer that went last: nothing is to come before the client asks again.
    @Test func whoHasAnsweredIsNotSilent() {
        var watch = Watch(isOrigin: false)
        watch.open()
        watch.pass(500) { Self.receives(&$0[0]) }
        watch.pass(20) { $0[0].moved += 10 }
        watch.cut()
        watch.pass(3_000) { _ in }
        watch.restore()
        #expect(watch.web.longestSilenceMilliseconds == 0 && watch.web.stillUntilRestored == 0)
    }

    /// What is told meanwhile, and at the end, is not only what is over.
    @Test func aSilenceThatGoesOnIsTold() {
        var watch = Watch()
        watch.open()
        watch.open()
        watch.pass(500) { for place in $0.indices { Self.sends(&$0[place]) } }
        watch.cut()
        watch.pass(80) { _ in }
        #expect(watch.web.longestSilenceMilliseconds == 80 && watch.web.stalledConnections == 0)
        watch.pass(20) { Self.sends(&$0[1]) }
        watch.pass(200) { Self.sends(&$0[1]) }
        #expect(watch.web.longestSilenceMilliseconds == 300)
        #expect(watch.web.stalledConnections == 2 && watch.web.stallP50Milliseconds == 100)
    }

    /// One that is asked for meanwhile goes to whoever is there, and says nothing of those that the cut hit.
    @Test func theFirstByteIsOfOneThatWasOpen() {
        var watch = Watch()
        watch.open()
        watch.pass(500) { Self.sends(&$0[0]) }
        watch.cut()
        watch.open(isNew: true)
        watch.pass(100) { Self.sends(&$0[1]) }
        #expect(watch.meter.firstByteMilliseconds == nil)
        watch.pass(20) { Self.sends(&$0[0]) }
        #expect(watch.meter.firstByteMilliseconds == 120)
    }

    /// Each end has its own.
    @Test func whatIsFeltIsToldByEnd() {
        var meter = RehearsalMeter(
            tunnels: [(name: "web", isOrigin: true), (name: "web", isOrigin: false), (name: "dns", isOrigin: true)],
            roundTrip: nil)
        let now = Instant.zero + .seconds(100)
        let waits = RehearsalMeter.Look(moved: 0, received: 0, isWaiting: true, isHeldBack: false)
        for tunnel in [2, 0, 2] { #expect(meter.follow(tunnel: tunnel, isNew: false, waits, now: now) != nil) }
        meter.cut(now: now)
        let tunnels = meter.report(now: now + .milliseconds(200))
        #expect(tunnels.map(\.name) == ["web", "web", "dns"] && tunnels.map(\.openConnections) == [1, 0, 2])
        #expect(tunnels.map(\.stalledConnections) == [1, 0, 2])
        #expect(tunnels.map(\.longestSilenceMilliseconds) == [200, 0, 200])
    }

    @Test func whoIsIdleIsNotSilent() {
        var watch = Watch()
        watch.open()
        watch.open()
        // One received something long ago, one a single answer just before.
        watch.pass(20) { Self.receives(&$0[0]) }
        watch.pass(1_000) { _ in }
        watch.pass(20) { Self.receives(&$0[1]) }
        watch.cut()
        watch.pass(3_000) { _ in }
        #expect(watch.meter.stillCount == 0)
        // Its user goes on: what he sends is the beginning of what may be silence.
        watch.pass(40) { $0[0].isWaiting = true }
        watch.pass(20) { $0[0] = .init(moved: 1_100, received: 1_000, isWaiting: false, isHeldBack: false) }
        #expect(watch.web.longestSilenceMilliseconds == 40 && watch.web.stalledConnections == 0)
    }

    /// The client does not read: that is nobody's silence but its own.
    @Test func anApplicationThatDoesNotReadIsNotSilent() {
        var watch = Watch()
        watch.open()
        watch.pass(500) { Self.receives(&$0[0]) }
        watch.cut()
        watch.pass(2_000) { $0[0].isHeldBack = true }
        #expect(watch.meter.stillCount == 0 && watch.web.longestSilenceMilliseconds == 0)
    }

    /// A connection that stood still before is charged with what came after the cut, and not with what began after the end.
    @Test func onlyTheTimeOfTheCutCounts() {
        var watch = Watch()
        watch.open()
        watch.pass(20) { Self.sends(&$0[0]) }
        watch.pass(2_000) { _ in }
        watch.cut()
        watch.pass(200) { _ in }
        watch.pass(20) { Self.sends(&$0[0]) }
        #expect(watch.web.longestSilenceMilliseconds == 220)
        watch.restore()
        watch.pass(20) { Self.sends(&$0[0]) }
        watch.pass(3_000) { _ in }
        #expect(watch.web.longestSilenceMilliseconds == 220)
    }

    @Test func whatBrokeIsToldByHow() {
        var watch = Watch()
        for _ in 0..<4 { watch.open() }
        watch.pass(500) { for place in $0.indices { Self.sends(&$0[place]) } }
        // Before the cut connections come and go.
        watch.meter.ended(0, .reset, now: watch.now)
        watch.cut()
        watch.pass(20) { Self.sends(&$0[1]) }
        watch.meter.ended(1, .inOrder, now: watch.now)
        watch.pass(400) { _ in }
        // A client that loses patience, and a gateway that gives up.
        watch.meter.ended(2, .reset, now: watch.now)
        watch.meter.ended(3, .broken("channel_lost"), now: watch.now)
        #expect(watch.web.openConnections == 3)
        #expect(watch.web.broken == ["given_up": 1, "channel_lost": 1])
        #expect(watch.meter.stillCount == 0)
        #expect(watch.web.longestSilenceMilliseconds == 400 + 20)
    }

    @Test func newConnectionsAreToldByWhoAnswered() {
        var watch = Watch()
        watch.cut()
        let (first, second, third) = (watch.open(isNew: true), watch.open(isNew: true), watch.open(isNew: true))
        watch.meter.refused(tunnel: 0)
        watch.pass(300) { _ in }
        watch.meter.answered(first, by: "cloud-2", now: watch.now)
        watch.meter.answered(first, by: "cloud-2", now: watch.now)
        watch.pass(100) { _ in }
        watch.meter.ended(second, .broken("refused"), now: watch.now)
        #expect(watch.meter.unansweredCount == 1)
        let web = watch.web
        #expect(web.askedConnections == 4 && web.answeredBy == ["cloud-2": 1])
        #expect(web.refusedConnections == 2 && web.unansweredConnections == 1 && web.broken.isEmpty)
        #expect(web.longestAnswerMilliseconds == 400 && web.openConnections == 0)
        watch.meter.answered(third, by: "cloud-1", now: watch.now)
        #expect(watch.web.answeredBy == ["cloud-1": 1, "cloud-2": 1])
        // When it is over others are of no interest.
        watch.restore()
        watch.meter.refused(tunnel: 0)
        #expect(watch.web.askedConnections == 4)
    }

    @Test func whenThePeerIsHeardAndSomebodyServesIsTold() {
        var watch = Watch()
        watch.meter.heard(now: watch.now)
        #expect(watch.meter.heardMilliseconds == nil)
        watch.cut()
        watch.pass(140) { _ in }
        watch.meter.served(tunnel: 0, now: watch.now)
        watch.pass(20) { _ in }
        watch.meter.served(tunnel: 0, now: watch.now)
        watch.meter.heard(now: watch.now)
        #expect(watch.web.servedAfterMilliseconds == 140 && watch.meter.heardMilliseconds == 160)
    }

    @Test func beyondTheLimitConnectionsAreCounted() {
        var watch = Watch()
        let look = RehearsalMeter.Look(moved: 0, received: 0, isWaiting: false, isHeldBack: false)
        for _ in 0..<RehearsalMeter.maximum { watch.open() }
        let more = watch.meter.follow(tunnel: 0, isNew: false, look, now: watch.now)
        #expect(more == nil)
        #expect(watch.web.openConnections == RehearsalMeter.maximum + 1 && watch.web.unfollowedConnections == 1)
    }

    @Test func percentilesAreOfThoseThatStoodStill() {
        let hundred = (1...100).map { Interval.milliseconds($0) }
        #expect(RehearsalMeter.percentile(hundred, 50) == 50)
        #expect(RehearsalMeter.percentile(hundred, 99) == 99)
        #expect(RehearsalMeter.percentile([.milliseconds(7)], 50) == 7)
        #expect(RehearsalMeter.percentile([], 99) == nil)
    }
}
