import DXSimulator
import DXWire
import Testing

@testable import DXMatch

/// The search against simulated NATs: what it finds, and in how many rounds.
@Suite struct BindingLifetimeTests {
    private let inside = Endpoint(v4: 0xc0a8_010a, port: 20_000)
    private let server = Endpoint(v4: 0xc000_020b, port: 3478)
    private var otherPort: Endpoint { server.withPort(3479) }
    private var otherAddress: Endpoint { Endpoint(v4: 0xc000_020c, port: 3479) }

    /// Runs a search at a NAT, as a driver would; the time that it took.
    private func run(_ search: inout BindingLifetime, at box: NATBox, roundTrip: Interval = .milliseconds(80))
        -> Interval
    {
        var now = Instant(nanoseconds: 1_000_000_000)
        let start = now
        var socket = inside
        var seen: Endpoint?
        var stepCount = 0
        while !search.isDone, stepCount < 100 {
            stepCount += 1
            switch search.action(now: now) {
            case .open:
                socket = socket.withPort(socket.port + 1)
                seen = box.outbound(source: socket, destination: server, now: now)
                if search.method == .permissionOfPort {
                    _ = box.outbound(source: socket, destination: otherPort, now: now)
                } else if search.method == .permissionOfAddress {
                    _ = box.outbound(source: socket, destination: otherAddress, now: now)
                }
                now += roundTrip
                search.opened(now: now)
            case .ask:
                search.begin(.ask)
                let again = box.outbound(source: socket, destination: server, now: now)
                now += roundTrip
                let answerFrom = search.method == .permissionOfAddress ? otherAddress : otherPort
                let isIn = again.flatMap { box.inbound(source: answerFrom, destination: $0, now: now) } != nil
                search.asked(isAlive: search.method == .port ? again == seen : isIn, now: now)
            case nil: now = search.nextTimeout ?? now
            }
        }
        return now - start
    }

    private func behaviour(_ rules: NATRules) -> NATBehaviour {
        let filtering: NATBehaviour.Filtering =
            switch rules.filtering {
            case .endpointIndependent: .endpointIndependent
            case .addressDependent: .addressDependent
            case .addressAndPortDependent: .addressAndPortDependent
            }
        return NATBehaviour(
            mapping: .endpointIndependent, filtering: filtering, ports: rules.ports == .preserve ? .preserved : .unknown
        )
    }

    /// To a tenth, from below, for every lifetime and both ways to ask.
    @Test(arguments: [NATRules.portRestricted, .linux, .linux.with { $0.filtering = .addressDependent }])
    func theLifetimeIsFoundToATenth(rules: NATRules) throws {
        for seconds in [16, 20, 25, 30, 31, 45, 59, 60, 90, 120, 180, 299, 300, 301, 450, 599, 700, 3_600] as [Int64] {
            let box = NATBox(
                rules: rules.with { $0.timeout = .seconds(seconds) },
                publicAddress: Endpoint(v4: 0xcb00_710a, port: 0), random: RandomSource(seed: UInt64(seconds)))
            var search = try #require(
                BindingLifetime(behaviour: behaviour(rules), hasAlternateAddress: true))
            _ = run(&search, at: box)
            let truth = Interval.seconds(seconds)
            #expect(search.isDone)
            #expect(search.lifetime <= truth, "\(seconds) s")
            // Half a second is the time from sending the request to having the answer, and rounding.
            #expect(
                search.lifetime + search.lifetime / 9 + .milliseconds(500) >= min(truth, .seconds(600)), "\(seconds) s")
            #expect(search.keepalive == search.lifetime * 4 / 5)
            #expect(search.roundCount <= 7, "\(seconds) s: \(search.roundCount)")
        }
    }

    @Test func aShorterOneThanIsLookedForIsSaidToBeTheShortest() throws {
        let box = NATBox(
            rules: NATRules().with { $0.timeout = .seconds(5) }, publicAddress: Endpoint(v4: 1, port: 0),
            random: RandomSource(seed: 1))
        var search = try #require(BindingLifetime(behaviour: behaviour(.portRestricted), hasAlternateAddress: false))
        _ = run(&search, at: box)
        #expect(search.lifetime == .seconds(15) && search.expired == .seconds(15) && search.survived == nil)
        #expect(search.keepalive == .seconds(12))
    }

    /// In a network that is known two rounds are enough; if it has changed, the search goes on from there.
    @Test func aRememberedLifetimeIsTriedFirst() throws {
        func search(_ remembered: Int64, truth: Int64) throws -> BindingLifetime {
            let box = NATBox(
                rules: NATRules().with { $0.timeout = .seconds(truth) }, publicAddress: Endpoint(v4: 1, port: 0),
                random: RandomSource(seed: 1))
            var search = try #require(
                BindingLifetime(
                    behaviour: behaviour(.portRestricted), hasAlternateAddress: false, remembered: .seconds(remembered))
            )
            _ = run(&search, at: box)
            return search
        }
        let same = try search(115, truth: 120)
        #expect(same.roundCount == 2 && same.lifetime == .seconds(115))
        let longer = try search(30, truth: 300)
        #expect(longer.lifetime <= .seconds(300) && longer.lifetime >= .seconds(265))
        let shorter = try search(300, truth: 30)
        #expect(shorter.lifetime <= .seconds(30) && shorter.lifetime >= .seconds(26))
        #expect(try search(1, truth: 60).lifetime >= .seconds(53))
        #expect(try search(9_999, truth: 3_600).lifetime == .seconds(600))
    }

    /// A server that did not answer has said nothing: the round begins anew, as long as before.
    @Test func aRoundWithoutAnAnswerBeginsAnew() throws {
        var search = try #require(BindingLifetime(behaviour: behaviour(.portRestricted), hasAlternateAddress: false))
        var now = Instant.zero + .seconds(1)
        search.opened(now: now)
        let wait = try #require(search.nextTimeout) - now
        now += wait
        #expect(search.action(now: now) == .ask)
        search.begin(.ask)
        search.abandonRound()
        #expect(search.action(now: now) == .open && search.survived == nil && search.expired == nil)
        search.opened(now: now)
        #expect(try #require(search.nextTimeout) - now == wait)
    }

    @Test func whereNothingTellsTheUsualPauseStays() throws {
        let open = NATBehaviour(mapping: .endpointIndependent, filtering: .endpointIndependent, ports: .preserved)
        #expect(BindingLifetime(behaviour: open, hasAlternateAddress: true) == nil)
        let addresses = NATBehaviour(mapping: .endpointIndependent, filtering: .addressDependent, ports: .preserved)
        #expect(BindingLifetime(behaviour: addresses, hasAlternateAddress: false) == nil)
        #expect(BindingLifetime(behaviour: .blocked, hasAlternateAddress: true) == nil)
        #expect(BindingLifetime(behaviour: .open, hasAlternateAddress: true) == nil)
        let search = try #require(BindingLifetime(behaviour: behaviour(.linux), hasAlternateAddress: false))
        #expect(search.keepalive == .seconds(25))
    }
}
