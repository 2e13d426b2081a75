import DXWire
import Testing

@testable import DXMatch

private func four(_ a: UInt32, _ b: UInt32, _ c: UInt32, _ d: UInt32, port: UInt16 = 7700) -> Endpoint {
    Endpoint(v4: a << 24 | b << 16 | c << 8 | d, port: port)
}

private func six(_ high: UInt64, _ low: UInt64 = 1, scope: UInt32 = 0) -> Endpoint {
    Endpoint(v6High: high, low: low, scope: scope, port: 7700)
}

@Suite struct AddressScopeTests {
    @Test(arguments: [
        (four(127, 0, 0, 1), AddressScope.loopback), (six(0), .loopback), (four(169, 254, 1, 1), .linkLocal),
        (six(0xfe80_0000_0000_0000), .linkLocal), (four(10, 1, 2, 3), .privateNetwork),
        (four(172, 15, 0, 1), .global), (four(172, 16, 0, 1), .privateNetwork), (four(172, 31, 0, 1), .privateNetwork),
        (four(172, 32, 0, 1), .global), (four(192, 168, 0, 1), .privateNetwork), (four(100, 63, 0, 1), .global),
        (four(100, 64, 0, 1), .privateNetwork), (four(100, 127, 0, 1), .privateNetwork),
        (four(100, 128, 0, 1), .global),
        (six(0xfd00_0000_0000_0000), .privateNetwork), (six(0xfec0_0000_0000_0000), .privateNetwork),
        (six(0x2001_0db8_0000_0000), .global), (four(0, 1, 2, 3), .unusable), (four(224, 0, 0, 1), .unusable),
        (four(240, 0, 0, 1), .unusable), (four(255, 255, 255, 255), .unusable), (six(0, 0), .unusable),
        (six(0xff02_0000_0000_0000), .unusable), (four(192, 0, 2, 1), .global),
    ])
    func isWhatTheRangesSay(endpoint: Endpoint, scope: AddressScope) { #expect(AddressScope(endpoint) == scope) }

    @Test func prefixesHoldWhatIsInThem() {
        let network = AddressPrefix(around: four(192, 168, 1, 10), bitCount: 24)
        #expect(network.contains(four(192, 168, 1, 255)) && !network.contains(four(192, 168, 2, 1)))
        #expect(network.isBroadcast(four(192, 168, 1, 255)) && !network.isBroadcast(four(192, 168, 1, 254)))
        #expect(!AddressPrefix(around: four(10, 0, 0, 1), bitCount: 31).isBroadcast(four(10, 0, 0, 1)))
        #expect(AddressPrefix(around: four(1, 2, 3, 4), bitCount: 0).contains(four(200, 1, 1, 1)))
        for bits in [0, 1, 47, 48, 64, 65, 127, 128] {
            let prefix = AddressPrefix(around: six(0x2001_0db8_1234_5678, 0x9abc), bitCount: bits)
            #expect(prefix.contains(six(0x2001_0db8_1234_5678, 0x9abc)))
            #expect(prefix.contains(six(0x2001_0db8_1234_5678, 0x9abd)) == (bits < 128))
            #expect(prefix.contains(six(0xa001_0db8_1234_5678, 0x9abc)) == (bits == 0))
        }
        #expect(AddressPrefix(around: four(1, 2, 3, 4), bitCount: 99).bitCount == 32)
    }
}

@Suite struct CandidateFilterTests {
    private let filter = CandidateFilter(
        ownEndpoints: [four(192, 168, 1, 10), six(0x2001_0db8_0001_0000)],
        ownNetworks: [AddressPrefix(around: four(192, 168, 1, 10), bitCount: 24)])

    @Test(arguments: [
        (four(203, 0, 113, 5), CandidateFilter.Verdict.allowed), (four(203, 0, 113, 5, port: 0), .refused(.unsendable)),
        (four(240, 1, 1, 1), .refused(.unsendable)), (four(0, 1, 1, 1), .refused(.unsendable)),
        (four(127, 0, 0, 1), .refused(.loopback)), (four(192, 168, 1, 10), .refused(.own)),
        (four(192, 168, 1, 10, port: 22), .refused(.own)), (four(192, 168, 1, 11), .allowed),
        (four(192, 168, 1, 255), .refused(.broadcast)), (four(192, 168, 2, 11), .reluctant),
        (four(100, 64, 1, 1), .reluctant), (four(10, 0, 0, 1), .reluctant),
        (six(0x2001_0db8_0001_0000), .refused(.own)), (.forwarded(number: 1), .refused(.unsendable)),
        (six(0xfd12_0000_0000_0000), .reluctant), (six(0xfe80_0000_0000_0000), .refused(.linkUnknown)),
        (six(0xfe80_0000_0000_0000, 5, scope: 2), .allowed), (six(0x2001_0db8_0002_0000), .allowed),
    ])
    func judges(endpoint: Endpoint, verdict: CandidateFilter.Verdict) { #expect(filter.judge(endpoint) == verdict) }

    @Test func twoGatewaysOnOneHostMustBeWanted() {
        var told = filter
        told.allowsThisHost = true
        #expect(told.judge(four(127, 0, 0, 1)) == .allowed)
        #expect(told.judge(four(192, 168, 1, 10, port: 7701)) == .allowed)
        // Itself it never is.
        #expect(told.judge(four(192, 168, 1, 10)) == .refused(.own))
    }

    @Test func pairsStayOnTheirLink() {
        let link = six(0xfe80_0000_0000_0000, 1, scope: 2)
        #expect(CandidateFilter.canPair(base: link, endpoint: six(0xfe80_0000_0000_0000, 9, scope: 2)))
        #expect(!CandidateFilter.canPair(base: link, endpoint: six(0xfe80_0000_0000_0000, 9, scope: 3)))
        #expect(!CandidateFilter.canPair(base: link, endpoint: six(0x2001_0db8_0002_0000)))
        #expect(!CandidateFilter.canPair(base: four(10, 0, 0, 1), endpoint: six(0x2001_0db8_0002_0000)))
        #expect(!CandidateFilter.canPair(base: four(127, 0, 0, 1), endpoint: four(10, 0, 0, 1)))
        #expect(CandidateFilter.canPair(base: four(10, 0, 0, 1), endpoint: four(203, 0, 113, 1)))
    }
}

@Suite struct CandidatePriorityTests {
    @Test func theFormulasAreThoseOfTheRFC() {
        // RFC 8445 §5.1.2.1 with its recommended type preference and local preference: 126, 65,535, component 1.
        #expect(CandidatePriority.of(.host, localPreference: 65_535) == 2_130_706_431)
        #expect(CandidatePriority.of(.serverReflexive, localPreference: 65_535) == 1_694_498_815)
        let kinds: [PathCandidate.Kind] = [.host, .portMapped, .peerReflexive, .serverReflexive, .forwarded]
        let priorities = kinds.map { CandidatePriority.of($0, localPreference: 0) }
        #expect(priorities == priorities.sorted(by: >))
        #expect(CandidatePriority.pair(controlling: 7, controlled: 5) == 5 << 32 + 15)
        #expect(CandidatePriority.pair(controlling: 5, controlled: 7) == 5 << 32 + 14)
        #expect(CandidatePriority.pair(controlling: .max, controlled: .max) > 0)
    }

    @Test func familiesTakeTurnsAndIPv6Begins() {
        let own = [four(192, 168, 1, 10), six(0x2001_0db8_0001_0000), six(0x2001_0db8_0001_0000, 2), four(10, 0, 0, 1)]
        let preferences = CandidatePriority.localPreferences(of: own)
        #expect(preferences == [65_534, 65_535, 65_533, 65_532])
        // Unique local addresses and tunnels are worth less than IPv4 (RFC 6724).
        let poor = CandidatePriority.localPreferences(of: [six(0xfd00_0000_0000_0000), four(192, 0, 2, 1)])
        #expect(poor == [65_534, 65_535])
        #expect(CandidatePriority.localPreferences(of: []) == [])
    }
}

@Suite struct CandidateSetTests {
    private func host(_ number: UInt32, priority: UInt32) -> PathCandidate {
        PathCandidate(kind: .host, endpoint: four(10, 0, 0, number), priority: priority)
    }

    @Test func oneAddressIsOneCandidate() {
        var set = CandidateSet()
        #expect(set.insert(host(1, priority: 5)) == .inserted(dropped: nil))
        #expect(set.insert(host(1, priority: 5)) == .known)
        #expect(set.insert(host(1, priority: 9)) == .improved)
        #expect(set.insert(host(2, priority: 7)) == .inserted(dropped: nil))
        #expect(set.candidates.map(\.priority) == [9, 7])
        set.remove { $0.priority == 9 }
        #expect(set.candidates == [host(2, priority: 7)])
    }

    /// A host with many addresses would otherwise drive out the one that leads through its NAT.
    @Test func theOnlyOneOfItsKindStays() {
        let reflexive = PathCandidate(kind: .serverReflexive, endpoint: four(203, 0, 113, 1), priority: 1)
        var set = CandidateSet([reflexive])
        for number in 1...40 { set.insert(host(UInt32(number), priority: UInt32(100 + number))) }
        #expect(set.candidates.count == CandidateSet.limit)
        #expect(set.candidates.contains(reflexive))
        #expect(set.candidates.first?.priority == 140)
        #expect(set.insert(host(99, priority: 2)) == .refused)
        #expect(set.insert(host(99, priority: 999)) == .inserted(dropped: host(26, priority: 126)))
    }
}
