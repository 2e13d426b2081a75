import DXWire
import Testing

@testable import DXMatch

/// One check list, driven by hand: what it sends, when, and what it makes of what comes.
@Suite struct CheckListTests {
    static let here = Endpoint(v4: 0xc0a8_010a, port: 7700)
    static let peer = Endpoint(v4: 0xc633_640a, port: 40_000)
    static let start = Instant(nanoseconds: 5_000_000_000)

    static func id(_ number: UInt8) -> GatewayID { GatewayID([UInt8](repeating: number, count: 32))! }

    static func remote(_ endpoint: Endpoint, _ kind: PathCandidate.Kind = .serverReflexive, rank: UInt16 = 9)
        -> PathCandidate
    {
        PathCandidate(kind: kind, endpoint: endpoint, priority: CandidatePriority.of(kind, localPreference: rank))
    }

    /// A list with one base, and time that goes from one deadline to the next.
    struct Rig {
        var list: CheckList
        var budget = CheckBudget()
        var now = CheckListTests.start
        var sent: [(at: Interval, transmit: CheckTransmit)] = []
        var events: [CheckList.Event] = []

        init(isControlling: Bool = true, filter: CandidateFilter? = nil) {
            let ids = isControlling ? (1, 2) : (2, 1)
            let own = CandidateFilter(
                ownEndpoints: [CheckListTests.here],
                ownNetworks: [AddressPrefix(around: CheckListTests.here, bitCount: 24)])
            list = CheckList(
                local: CheckListTests.id(UInt8(ids.0)), remote: CheckListTests.id(UInt8(ids.1)), filter: filter ?? own,
                random: RandomSource(seed: 7), now: CheckListTests.start)!
            let host = CandidatePriority.of(.host, localPreference: 65_535)
            let base = CheckListTests.here
            list.addLocal([PathCandidate(kind: .host, endpoint: base, base: base, priority: host)], now: now)
        }

        mutating func poll() {
            while let transmit = list.pollTransmit(budget: &budget, now: now) {
                sent.append((now - CheckListTests.start, transmit))
            }
            while let event = list.pollEvent() { events.append(event) }
        }

        mutating func run(for time: Interval) {
            let end = now + time
            poll()
            var stepCount = 0
            while let due = list.nextTimeout, due <= end {
                stepCount += 1
                precondition(stepCount < 10_000, "a list that never rests")
                now = max(now, due)
                list.timeoutFired(now: now)
                poll()
            }
            now = end
        }

        mutating func add(_ candidates: [PathCandidate], isComplete: Bool = true) {
            list.addRemote(candidates, now: now)
            if isComplete {
                list.localIsComplete(now: now)
                list.remoteIsComplete(now: now)
            }
            poll()
        }

        /// The last check that went to `destination`.
        func lastCheck(to destination: Endpoint) -> CheckContent? {
            for entry in sent.reversed() where entry.transmit.destination == destination {
                if case .check(let check) = entry.transmit.message { return check }
            }
            return nil
        }

        mutating func answer(_ endpoint: Endpoint, on base: Endpoint = CheckListTests.here) {
            guard let check = lastCheck(to: endpoint) else { return }
            let checked = CheckedContent(transaction: check.transaction, observed: CheckListTests.peer.withPort(1))
            list.receive(checked, from: endpoint, on: base, now: now)
            poll()
        }

        mutating func hear(_ endpoint: Endpoint, nominated: Bool = false, on base: Endpoint = CheckListTests.here) {
            var random = RandomSource(seed: UInt64(now.nanoseconds))
            let check = CheckContent(
                transaction: TransactionID(random: &random),
                priority: CandidatePriority.of(.peerReflexive, localPreference: 1), isNominated: nominated)
            list.receive(check, from: endpoint, on: base, now: now)
            poll()
        }

        func times(to destination: Endpoint) -> [Int64] {
            sent.filter { $0.transmit.destination == destination }.map(\.at.milliseconds)
        }
    }

    // MARK: The schedule

    @Test func anAddressThatIsSilentGetsTenChecks() {
        var rig = Rig()
        rig.add([Self.remote(Self.peer)])
        rig.run(for: .seconds(20))
        #expect(rig.times(to: Self.peer) == [0, 100, 300, 700, 1_500, 3_100, 4_700, 6_300, 7_900, 9_500])
        #expect(rig.events == [.failed(.silence)])
        #expect(rig.list.isOver && rig.list.nextTimeout == nil)
        #expect(rig.list.pairs[0].state == .ended(.listEnded))
        #expect(rig.list.pairs[0].sentCount == 10)
    }

    @Test func firstChecksAreTwentyMillisecondsApartTheBestFirst() {
        var rig = Rig()
        let addresses = (1...4).map { Endpoint(v4: UInt32($0) << 24 | 1, port: 7700) }
        rig.add(addresses.enumerated().map { Self.remote($1, rank: UInt16(10 - $0)) })
        rig.run(for: .milliseconds(99))
        #expect(rig.sent.map(\.at.milliseconds) == [0, 20, 40, 60])
        #expect(rig.sent.map(\.transmit.destination) == addresses)
    }

    @Test func privateAddressesOfOtherNetworksComeLastAndTwice() {
        var rig = Rig()
        let foreign = Endpoint(v4: 0xc0a8_0205, port: 7700)
        // A better priority does not help it.
        rig.add([Self.remote(foreign, .host), Self.remote(Self.peer)])
        rig.run(for: .seconds(20))
        #expect(rig.sent[0].transmit.destination == Self.peer)
        #expect(rig.times(to: foreign) == [20, 120])
        #expect(rig.list.pairs.first { $0.remote.endpoint == foreign }?.state == .ended(.unanswered))
    }

    @Test func whatIsRefusedIsListedWithItsReason() {
        var rig = Rig()
        let reflexive = PathCandidate(kind: .peerReflexive, endpoint: Self.peer, priority: 1)
        rig.add([Self.remote(Endpoint(v4: 0x7f00_0001, port: 1)), Self.remote(Self.here), reflexive])
        #expect(rig.list.refusals.map(\.reason) == [.loopback, .own, .kind])
        rig.run(for: .seconds(20))
        #expect(rig.sent.isEmpty)
        #expect(rig.events == [.failed(.noRemoteCandidate)])
    }

    // MARK: Validity and nomination

    @Test func aPairIsValidInBothDirectionsOnly() {
        var rig = Rig()
        rig.add([Self.remote(Self.peer)])
        rig.now += .milliseconds(40)
        rig.answer(Self.peer)
        #expect(rig.events.isEmpty)
        #expect(rig.list.pairs[0].state == .answered)
        #expect(rig.list.pairs[0].roundTrip == .milliseconds(40))
        rig.hear(Self.peer)
        #expect(rig.events == [.valid(pair: 0)])
        // We control: the choice goes out at once, and holds when it is answered.
        #expect(rig.lastCheck(to: Self.peer)?.isNominated == true)
        rig.answer(Self.peer)
        #expect(rig.events == [.valid(pair: 0), .nominated(pair: 0)])
        rig.run(for: .seconds(20))
        #expect(rig.events.last == .finished)
        #expect(rig.sent.count == 3)
    }

    @Test func theOtherSideFollows() {
        var rig = Rig(isControlling: false)
        rig.add([Self.remote(Self.peer)])
        rig.answer(Self.peer)
        rig.hear(Self.peer)
        #expect(rig.events == [.valid(pair: 0)])
        rig.hear(Self.peer, nominated: true)
        #expect(rig.events == [.valid(pair: 0), .nominated(pair: 0)])
        #expect(
            rig.sent.allSatisfy { if case .check(let check) = $0.transmit.message { !check.isNominated } else { true } }
        )
    }

    /// A choice that arrives before our own check was answered waits for that.
    @Test func aChoiceAheadOfItsAnswerIsKept() {
        var rig = Rig(isControlling: false)
        rig.add([Self.remote(Self.peer)])
        rig.hear(Self.peer, nominated: true)
        #expect(rig.events.isEmpty)
        rig.now += .milliseconds(30)
        rig.run(for: .milliseconds(30))
        rig.answer(Self.peer)
        #expect(rig.events == [.valid(pair: 0), .nominated(pair: 0)])
    }

    @Test func aLostChoiceIsRepeated() {
        var rig = Rig()
        rig.add([Self.remote(Self.peer)])
        rig.now += .milliseconds(30)
        rig.answer(Self.peer)
        rig.hear(Self.peer)
        let before = rig.sent.count
        rig.run(for: .milliseconds(1_000))
        let repeats = rig.sent[before...].filter { $0.transmit.destination == Self.peer }
        #expect(repeats.count == 6)
        rig.answer(Self.peer)
        #expect(rig.events.last == .nominated(pair: 0))
    }

    @Test func aStrangerMakesAPeerReflexiveCandidate() {
        var rig = Rig()
        rig.add([Self.remote(Self.peer)])
        let other = Self.peer.withPort(50_505)
        rig.now += .milliseconds(50)
        rig.hear(other)
        #expect(rig.list.pairs[1].remote.kind == .peerReflexive)
        #expect(rig.list.pairs[1].remote.endpoint == other)
        rig.run(for: .milliseconds(20))
        rig.answer(other)
        #expect(rig.events == [.valid(pair: 1)])
    }

    @Test func aBetterPairTakesOver() {
        var rig = Rig()
        rig.add([Self.remote(Self.peer)], isComplete: false)
        rig.now += .milliseconds(60)
        rig.answer(Self.peer)
        rig.hear(Self.peer)
        rig.answer(Self.peer)
        #expect(rig.list.selected == 0)
        // It comes late, and is in our own network.
        let near = Endpoint(v4: 0xc0a8_0122, port: 7700)
        rig.add([Self.remote(near, .host)])
        rig.now += .milliseconds(60)
        rig.run(for: .milliseconds(1))
        rig.answer(near)
        rig.hear(near)
        rig.run(for: .milliseconds(20))
        rig.answer(near)
        #expect(rig.events == [.valid(pair: 0), .nominated(pair: 0), .valid(pair: 1), .nominated(pair: 1)])
        // A worse one than that in use is not even tried.
        rig.add([Self.remote(Self.peer.withPort(3), .forwarded)])
        rig.run(for: .seconds(20))
        #expect(rig.times(to: Self.peer.withPort(3)) == [])
        #expect(rig.list.pairs[2].state == .ended(.superseded))
        #expect(rig.events.last == .finished)
    }

    /// A repetition of an old choice that was held up on its way does not bring the old pair back.
    @Test func anOldChoiceThatComesLateIsNone() {
        var rig = Rig(isControlling: false)
        let other = Self.peer.withPort(2)
        rig.add([Self.remote(Self.peer, rank: 1), Self.remote(other, rank: 9)])
        for endpoint in [Self.peer, other] {
            rig.run(for: .milliseconds(50))
            rig.answer(endpoint)
            rig.hear(endpoint, nominated: true)
        }
        #expect(rig.list.selectedPair?.remote.endpoint == other)
        rig.hear(Self.peer, nominated: true)
        #expect(rig.list.selectedPair?.remote.endpoint == other)
        #expect(rig.events.count { if case .nominated = $0 { true } else { false } } == 2)
    }

    /// Random inputs found a list that never rested: a private address of another network was due, and had to wait for a better
    /// one, which waited for the budget; so the next deadline was now, again and again.
    @Test func waitingForTheBudgetIsNoReasonToWakeUp() {
        var rig = Rig()
        let near = (1...14).map { Self.remote(Endpoint(v4: 0xc633_6400 + UInt32($0), port: 7700)) }
        let foreign = Endpoint(v4: 0xc0a8_0205, port: 7700)
        rig.add(near + [Self.remote(foreign, .host)])
        rig.run(for: .milliseconds(900))
        #expect(rig.sent.count == 6)
        rig.run(for: .seconds(20))
        // After all others had their first check, whatever the budget made of that.
        let firstForeign = rig.times(to: foreign).first ?? 0
        #expect(near.allSatisfy { (rig.times(to: $0.endpoint).first ?? .max) < firstForeign })
    }

    @Test func answersToNothingAreDropped() {
        var rig = Rig()
        rig.add([Self.remote(Self.peer)])
        let check = rig.lastCheck(to: Self.peer)!
        let checked = CheckedContent(transaction: check.transaction, observed: Self.here)
        // From elsewhere; on another socket; twice.
        rig.list.receive(checked, from: Self.peer.withPort(1), on: Self.here, now: rig.now)
        rig.list.receive(checked, from: Self.peer, on: Self.here.withPort(1), now: rig.now)
        #expect(rig.list.pairs[0].state == .inProgress)
        rig.list.receive(checked, from: Self.peer, on: Self.here, now: rig.now)
        rig.list.receive(checked, from: Self.peer, on: Self.here, now: rig.now)
        #expect(rig.list.droppedCount == 3)
        #expect(rig.list.pairs[0].state == .answered)
    }

    // MARK: The end

    @Test func withoutACommonFamilyItEndsAtOnce() {
        var rig = Rig()
        rig.add([Self.remote(Endpoint(v6High: 0x2001_0db8_0000_0000, low: 1, port: 7700), .host)])
        #expect(rig.events == [.failed(.noCommonFamily)])
    }

    @Test func whatTheoryForbidsEndsEarly() {
        var rig = Rig()
        rig.list.expectNothing()
        rig.add([Self.remote(Self.peer)])
        rig.run(for: .seconds(20))
        #expect(rig.times(to: Self.peer) == [0, 100, 300, 700, 1_500, 3_100])
        #expect(rig.list.endsAt - Self.start == .seconds(4))
    }

    @Test func theReasonSaysWhichWayIsClosed() {
        var oneWay = Rig()
        oneWay.add([Self.remote(Self.peer)])
        oneWay.hear(Self.peer)
        oneWay.run(for: .seconds(20))
        #expect(oneWay.events == [.failed(.unanswered)])
        var otherWay = Rig()
        otherWay.add([Self.remote(Self.peer)])
        otherWay.answer(Self.peer)
        otherWay.run(for: .seconds(20))
        #expect(otherWay.events == [.failed(.unheard)])
    }

    @Test func itAnswersAfterItsEnd() {
        var rig = Rig()
        rig.add([Self.remote(Self.peer)])
        rig.run(for: .seconds(20))
        let before = rig.sent.count
        rig.hear(Self.peer)
        #expect(rig.sent.count == before + 1)
        #expect(rig.events == [.failed(.silence)])
    }

    /// What `explain` prints of a pair.
    @Test func eachPairTellsItsStory() {
        var rig = Rig()
        rig.add([Self.remote(Self.peer), Self.remote(Endpoint(v4: 0xc0a8_0205, port: 7700), .host)])
        rig.now += .milliseconds(40)
        rig.answer(Self.peer)
        rig.hear(Self.peer)
        rig.run(for: .seconds(20))
        #expect(
            rig.list.pairs.map(\.description) == [
                "192.168.1.10:7700 to 198.51.100.10:40000 (server-reflexive), 14 sent, 1 heard, answered in 40.000ms, "
                    + "seen from 198.51.100.10:1, works in both directions",
                "192.168.1.10:7700 to 192.168.2.5:7700 (host, another private network), 2 sent, 0 heard, "
                    + "given up: no answer",
            ])
    }

    @Test func twoWithOneIdHaveNoList() {
        let filter = CandidateFilter()
        #expect(
            CheckList(
                local: Self.id(1), remote: Self.id(1), filter: filter, random: RandomSource(seed: 1), now: Self.start)
                == nil)
    }
}
