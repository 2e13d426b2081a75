import DXMatch
import DXWire
import Testing

/// The code of the article "Find a way to a peer", which `scripts/docs` compares with it: two lists of checks on a network in memory.
@Suite struct FindAWayTests {
    // docs:type
    /// One gateway: the list, what it may send, and where its socket is.
    struct End {
        var list: CheckList
        var budget = CheckBudget()
        let address: Endpoint
        var nominated: Int?

        init(_ own: GatewayID, peer: GatewayID, at address: Endpoint, now: Instant) {
            let filter = CandidateFilter(
                ownEndpoints: [address], ownNetworks: [AddressPrefix(around: address, bitCount: 24)])
            guard
                let list = CheckList(
                    local: own, remote: peer, filter: filter, random: RandomSource(seed: UInt64(address.port)),
                    now: now)
            else { preconditionFailure("two gateways have two ids") }
            self.list = list
            self.address = address
            let priority = CandidatePriority.of(.host, localPreference: 65_535)
            self.list.addLocal(
                [PathCandidate(kind: .host, endpoint: address, base: address, priority: priority)], now: now)
            self.list.localIsComplete(now: now)
        }

        /// What the matchmaker told of the peer.
        mutating func learn(_ endpoint: Endpoint, now: Instant) {
            let priority = CandidatePriority.of(.host, localPreference: 65_535)
            list.addRemote([PathCandidate(kind: .host, endpoint: endpoint, priority: priority)], now: now)
            list.remoteIsComplete(now: now)
        }
        // docs:end

        // docs:poll
        /// After any input or command: messages until there is none, then events until there is none.
        mutating func drain(now: Instant) -> [CheckTransmit] {
            var transmits: [CheckTransmit] = []
            while let transmit = list.pollTransmit(budget: &budget, now: now) { transmits.append(transmit) }
            while let event = list.pollEvent() {
                if case .nominated(let pair) = event { nominated = pair }
            }
            return transmits
        }

        /// A message of the peer arrived. On a real network it was sealed, and opening it proved who sent it.
        mutating func receive(_ transmit: CheckTransmit, now: Instant) {
            switch transmit.message {
            case .check(let check): list.receive(check, from: transmit.base, on: address, now: now)
            case .checked(let checked): list.receive(checked, from: transmit.base, on: address, now: now)
            }
        }
        // docs:end
    }

    @Test func twoListsInMemoryFindAWay() throws {
        let ids = try (
            #require(GatewayID([UInt8](repeating: 1, count: 32))), #require(GatewayID([UInt8](repeating: 2, count: 32)))
        )
        // docs:drive
        var now = Instant(nanoseconds: 1_000_000_000)
        var one = End(ids.0, peer: ids.1, at: Endpoint(v4: 0xc0a8_010a, port: 7_700), now: now)
        var other = End(ids.1, peer: ids.0, at: Endpoint(v4: 0xc0a8_010b, port: 7_700), now: now)
        one.learn(other.address, now: now)
        other.learn(one.address, now: now)

        while one.nominated == nil || other.nominated == nil, !one.list.isOver {
            let (there, back) = (one.drain(now: now), other.drain(now: now))
            now = now + .milliseconds(5)
            for transmit in there { other.receive(transmit, now: now) }
            for transmit in back { one.receive(transmit, now: now) }
            if let due = one.list.nextTimeout, due <= now { one.list.timeoutFired(now: now) }
            if let due = other.list.nextTimeout, due <= now { other.list.timeoutFired(now: now) }
        }
        // docs:end
        #expect(one.list.selectedPair?.remote.endpoint == other.address)
        #expect(other.list.selectedPair?.remote.endpoint == one.address)
        #expect(now < Instant(nanoseconds: 2_000_000_000))
    }
}
