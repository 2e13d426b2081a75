import DXWire
import Testing

@testable import DXMatch

/// What `HolePunch` adds to its parts; that they work together is the matrix's business.
@Suite struct HolePunchTests {
    private let hard = NATBehaviour(
        mapping: .addressAndPortDependent, filtering: .addressAndPortDependent, ports: .random)
    private let easy = NATBehaviour(mapping: .endpointIndependent, filtering: .addressAndPortDependent)
    private let here = CheckListTests.here
    private let peer = CheckListTests.peer
    private let ours = Endpoint(v4: 0xcb00_710a, port: 5_000)

    private func punch(_ ours: NATBehaviour, _ theirs: NATBehaviour, observed: Endpoint?, now: Instant) -> HolePunch {
        let situation = HolePunch.Situation(
            ours: Reachability(v4: ours), theirs: Reachability(v4: theirs), ourObserved: self.ours,
            theirObserved: observed)
        var punch = HolePunch(
            local: CheckListTests.id(1), remote: CheckListTests.id(2), situation: situation,
            filter: CandidateFilter(ownEndpoints: [here]), random: RandomSource(seed: 3), now: now)!
        let priority = CandidatePriority.of(.host, localPreference: 1)
        punch.addLocal([PathCandidate(kind: .host, endpoint: here, base: here, priority: priority)], now: now)
        punch.addRemote([CheckListTests.remote(peer)], now: now)
        punch.candidatesAreComplete(now: now)
        return punch
    }

    /// Runs to the end with sockets as they are wanted; what was sent, and the events.
    private func run(
        _ punch: inout HolePunch, budget: inout HolePunch.Budget, now start: Instant
    ) -> (sent: [CheckTransmit], events: [HolePunch.Event]) {
        var now = start
        var sent: [CheckTransmit] = []
        var events: [HolePunch.Event] = []
        while true {
            while let transmit = punch.pollTransmit(budget: &budget, now: now) { sent.append(transmit) }
            while let event = punch.pollEvent() {
                events.append(event)
                if case .openSockets(let count) = event {
                    punch.opened(sockets: (0..<count).map { here.withPort(20_000 + UInt16($0)) })
                }
            }
            guard let due = punch.nextTimeout, sent.count < 5_000 else { return (sent, events) }
            now = max(now, due)
            punch.timeoutFired(now: now)
        }
    }

    @Test func theHardSideOpensSocketsAndTellsThatItDidNotGuess() {
        var budget = HolePunch.Budget()
        var punch = punch(hard, easy, observed: peer, now: .zero)
        let (sent, events) = run(&punch, budget: &budget, now: .zero)
        #expect(events == [.openSockets(count: 256), .failed(.notGuessed)])
        #expect(sent.count == 512 + 10)
        #expect(sent.allSatisfy { $0.destination == peer })
    }

    @Test func aFourthRunIsNotBegun() {
        var budget = HolePunch.Budget()
        for round in 0..<4 {
            let now = Instant.zero + .seconds(Int64(20 * round))
            var punch = punch(easy, hard, observed: peer, now: now)
            let (sent, events) = run(&punch, budget: &budget, now: now)
            #expect(sent.count == (round < 3 ? 1_024 + 10 : 10))
            #expect(events == [.failed(round < 3 ? .notGuessed : .notFound(.silence))])
        }
    }

    /// Guesses go to an address that a matchmaker saw: without one, or to one that is never sent to, there are none.
    @Test(arguments: [nil, Endpoint(v4: 0x7f00_0001, port: 1), Endpoint(v4: 0x0a00_0001, port: 1)])
    func nothingIsGuessedElsewhere(observed: Endpoint?) {
        var budget = HolePunch.Budget()
        var punch = punch(easy, hard, observed: observed, now: .zero)
        let (sent, events) = run(&punch, budget: &budget, now: .zero)
        #expect(sent.count == 10 && events == [.failed(.notFound(.silence))])
    }

    @Test func aWayThatIsFoundEndsTheGuessing() {
        var budget = HolePunch.Budget()
        var punch = punch(easy, hard, observed: peer, now: .zero)
        var now = Instant.zero
        var guessed = peer
        while punch.prediction?.sentCount ?? 0 < 100, let due = punch.nextTimeout {
            now = max(now, due)
            punch.timeoutFired(now: now)
            while let transmit = punch.pollTransmit(budget: &budget, now: now) { guessed = transmit.destination }
        }
        let name = TransactionID(high: 1, low: 1)
        punch.receive(
            CheckContent(transaction: name, priority: 1, isNominated: false), from: guessed, on: here, now: now)
        var answered = false
        while let transmit = punch.pollTransmit(budget: &budget, now: now + .milliseconds(20)) {
            guard case .check(let check) = transmit.message, transmit.destination == guessed, !answered else {
                continue
            }
            answered = true
            punch.receive(
                CheckedContent(transaction: check.transaction, observed: here), from: guessed, on: here, now: now)
        }
        #expect(answered)
        #expect(punch.prediction?.isOver == true)
        #expect(punch.list.pairs.contains { $0.state == .valid && $0.remote.kind == .peerReflexive })
    }

    @Test func whatTheoryForbidsIsSaidWithItsRemedy() {
        var budget = HolePunch.Budget()
        var punch = punch(hard, hard, observed: peer, now: .zero)
        let (sent, events) = run(&punch, budget: &budget, now: .zero)
        #expect(events == [.failed(.impossible(.bothHard, .mapPort))])
        // It was tried all the same, for four seconds.
        #expect(sent.count == 6)
    }

    /// Behind one address, and the NAT turns nothing back: only neighbours' own addresses can work, which is known after four
    /// seconds, whether the NAT was known from the beginning or is looked at meanwhile.
    @Test(arguments: [false, true]) func neighboursAreTriedForAShortTime(isLearnt: Bool) {
        var budget = HolePunch.Budget()
        var plain = easy
        plain.hairpins = false
        let outside = ours.withPort(6_000)
        var punch = punch(isLearnt ? .unknown : plain, isLearnt ? .unknown : plain, observed: outside, now: .zero)
        if isLearnt {
            punch.learn(
                HolePunch.Situation(
                    ours: Reachability(v4: plain), theirs: Reachability(v4: plain), ourObserved: ours,
                    theirObserved: outside))
        }
        let (sent, events) = run(&punch, budget: &budget, now: .zero)
        #expect(events == [.failed(.impossible(.noHairpin, .allowNeighbours))])
        #expect(sent.count == 6)
    }

    /// Some NATs let the peer in at a port that was opened for another. Its checks call for ours, which are soon used up and cannot
    /// be answered; the guessing goes on all the same.
    @Test func checksThatCannotBeAnsweredDoNotEndTheGuessing() {
        var budget = HolePunch.Budget()
        var punch = punch(hard, easy, observed: peer, now: .zero)
        var now = Instant.zero
        var events: [HolePunch.Event] = []
        var heard: UInt64 = 0
        while let due = punch.nextTimeout {
            now = max(now, due)
            punch.timeoutFired(now: now)
            if heard < 10 {
                heard += 1
                punch.receive(
                    CheckContent(
                        transaction: TransactionID(high: 1, low: UInt32(heard)), priority: 1, isNominated: false),
                    from: peer, on: here, now: now)
            }
            while punch.pollTransmit(budget: &budget, now: now) != nil {}
            while let event = punch.pollEvent() {
                events.append(event)
                if case .openSockets(let count) = event {
                    punch.opened(sockets: (0..<count).map { here.withPort(20_000 + UInt16($0)) })
                }
            }
        }
        #expect(punch.list.pairs.contains { $0.heardCount == 10 && $0.state == .ended(.unanswered) })
        #expect(events == [.openSockets(count: 256), .failed(.notGuessed)])
        #expect(now == punch.list.startedAt + CheckList.lifetime)
    }
}
