import DXMatch
import DXWire
import Testing

@testable import DXSecure
@testable import DXTunnel

/// Two drivers that send to each other, and checks that come at a bad time.
@Suite struct PunchDriverTests {
    /// One gateway: its driver, and what it was told.
    private final class End: PunchHost {
        let identity: Identity
        let endpoint: Endpoint
        var sent: [[UInt8]] = []
        var ways: [Endpoint] = []
        var failures: [String?] = []
        var isSearching = true
        var driver: PunchDriver!

        init(_ identity: Identity, port: UInt16) {
            self.identity = identity
            endpoint = Endpoint(v4: 0xc000_0200 + UInt32(port & 0xff), port: port)
            driver = PunchDriver(self, random: RandomSource(seed: UInt64(port)))
        }

        var ownID: GatewayID { identity.gatewayID }
        func isSearched(_ peer: GatewayID) -> Bool { isSearching }
        func seal(_ check: RawSpan, to receiver: GatewayID, under veil: VeilNumber?) -> [UInt8]? {
            unsafe check.withUnsafeBytes { unsafe [UInt8]($0) }
        }
        func send(_ datagram: RawSpan, to remote: Endpoint, from local: Endpoint?) {
            sent.append(unsafe datagram.withUnsafeBytes { unsafe [UInt8]($0) })
        }
        func openSockets(_ count: Int, beside base: Endpoint) -> [Endpoint] { [] }
        func closeSockets(_ sockets: [Endpoint]) {}
        func onWay(to peer: GatewayID, from base: Endpoint, to remote: Endpoint, priority: UInt64) {
            ways.append(remote)
        }
        func onPunchEnded(with peer: GatewayID, _ failure: String?) { failures.append(failure) }
        func noteDeadline(_ deadline: Instant) {}

        /// What a matchmaker's notice brings about.
        func begin(with peer: End, at place: Endpoint, now: Instant) {
            let priority = CandidatePriority.of(.host, localPreference: 1)
            let secret = driver.secret(with: peer.ownID, identity, key: peer.identity.publicKey)!
            driver.begin(
                with: peer.ownID, secret,
                situation: HolePunch.Situation(
                    ours: Reachability(), theirs: Reachability(), ourObserved: endpoint, theirObserved: place),
                filter: CandidateFilter(ownEndpoints: [endpoint]),
                ours: [PathCandidate(kind: .host, endpoint: endpoint, base: endpoint, priority: priority)],
                theirs: [PathCandidate(kind: .host, endpoint: place, priority: priority)],
                isComplete: true, reason: "a test", now: now)
        }

        func take(_ message: [UInt8], from peer: End, now: Instant) {
            driver.receive(
                VeiledCheck(message: message, veil: .join), from: peer.endpoint, at: endpoint, now: now,
                secretOf: { [unowned self] in driver.secret(with: $0, identity, key: peer.identity.publicKey) },
                beginRun: { [unowned self] _, _ in begin(with: peer, at: peer.endpoint, now: now) })
        }
    }

    /// Two ends; `isLower` says whether the first one controls.
    private func ends(isLower: Bool) throws -> (End, End) {
        let (one, two) = (try Identity.generate(), try Identity.generate())
        let isOrdered = one.gatewayID.bytes.lexicographicallyPrecedes(two.gatewayID.bytes)
        let (lower, higher) = isOrdered ? (one, two) : (two, one)
        return (End(isLower ? lower : higher, port: 4_001), End(isLower ? higher : lower, port: 4_002))
    }

    /// Delivers all that was sent until nothing is.
    private func deliver(_ one: End, _ two: End, now: Instant) {
        while !one.sent.isEmpty || !two.sent.isEmpty {
            for (from, to) in [(one, two), (two, one)] {
                let messages = from.sent
                from.sent = []
                for message in messages { to.take(message, from: from, now: now) }
            }
        }
    }

    /// Runs both for so long.
    private func run(_ one: End, _ two: End, from start: Instant, for time: Interval) {
        var now = start
        deliver(one, two, now: now)
        while let next = [one.driver.nextTimeout, two.driver.nextTimeout].compactMap({ $0 }).min(), next < start + time
        {
            now = max(now, next)
            one.driver.timeoutFired(now: now)
            two.driver.timeoutFired(now: now)
            deliver(one, two, now: now)
        }
    }

    /// The peer's check comes before the notice of a new introduction, while a run of before, to where the peer was then, is
    /// still kept: it answers, and the new one must know.
    @Test(arguments: [true, false], [true, false])
    func aCheckBeforeTheNoticeCounts(isLower: Bool, isOver: Bool) throws {
        let (one, two) = try ends(isLower: isLower)
        let before = two.endpoint.withPort(3_999)
        one.isSearching = false
        one.begin(with: two, at: before, now: .zero)
        one.sent = []
        var now = Instant.zero
        if isOver {
            while let next = one.driver.nextTimeout {
                now = next
                one.driver.timeoutFired(now: now)
            }
            one.sent = []
            try #require(one.failures.count == 1)
        }
        two.begin(with: one, at: one.endpoint, now: now)
        deliver(one, two, now: now)
        one.begin(with: two, at: two.endpoint, now: now)
        run(one, two, from: now, for: .seconds(30))
        #expect(one.ways == [two.endpoint] && two.ways == [one.endpoint])
    }

    /// A check of a peer that is wanted begins a run, also when there was one that is over; of one that is not wanted it does not.
    @Test(arguments: [true, false])
    func aCheckBeginsARunWhenThePeerIsWanted(isSearching: Bool) throws {
        let (one, two) = try ends(isLower: true)
        one.begin(with: two, at: two.endpoint, now: .zero)
        var now = Instant.zero
        while let next = one.driver.nextTimeout {
            now = next
            one.driver.timeoutFired(now: now)
        }
        one.sent = []
        one.isSearching = isSearching
        now = now + .seconds(60)
        two.begin(with: one, at: one.endpoint, now: now)
        run(one, two, from: now, for: .seconds(30))
        #expect(one.ways == (isSearching ? [two.endpoint] : []))
        #expect(two.ways == (isSearching ? [one.endpoint] : []))
    }
}
