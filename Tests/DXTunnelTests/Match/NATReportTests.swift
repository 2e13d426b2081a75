import DXMatch
import Testing

@testable import DXTunnel

/// A network for programs and people.
@Suite struct NATReportTests {
    @Test func hasTheWordsOfTheStandard() {
        let strict = NATReport(
            NATBehaviour(mapping: .endpointIndependent, filtering: .addressAndPortDependent, ports: .preserved))
        #expect(strict.standardName == "endpoint-independent mapping, address-and-port-dependent filtering")
        #expect(strict.udp == .works && strict.ports == .preserved && strict.hairpin == nil)
        #expect(NATReport(.open).standardName == "endpoint-independent filtering")
        #expect(NATReport(.open).mapping == NATReport.Dependence.none)
        #expect(NATReport(.unknown).standardName.isEmpty && NATReport(.unknown).mapping == nil)
        #expect(NATReport(.blocked).udp == .blocked)
    }

    @Test func tellsTheStepOfPorts() {
        let down = NATReport(
            NATBehaviour(mapping: .addressAndPortDependent, ports: .sequential(step: -2), hairpins: false))
        #expect(down.ports == .sequential && down.portStep == -2 && down.hairpin == false)
    }

    /// What is not known is left out of a check's outlook, and a check without servers says what to do.
    @Test func aCheckWithoutServersSaysWhatToName() {
        let report = NetworkReport(time: Timestamp(unixMilliseconds: 0))
        #expect(!report.isUsable && report.problems.count == 1)
        #expect(report.problems.first?.contains("--match HOST:PORT#PIN") == true)
    }

    /// Without UDP all other complaints follow from it.
    @Test func blockedUDPIsTheOneProblem() {
        var report = NetworkReport(time: Timestamp(unixMilliseconds: 0))
        report.families = [
            NetworkReport.Family(ipVersion: 4, addresses: ["192.168.1.10"], nat: NATReport(.blocked), outside: [])
        ]
        report.matchmakers = [MatchmakerStatus(server: "match.example:3478", pin: nil, state: .failing)]
        #expect(report.problems.count == 1 && report.problems.first?.hasPrefix("this network lets no UDP out") == true)
        #expect(!report.isUsable)
        // The other IP version works: then the matchmaker's problem is one of its own.
        report.families.append(
            NetworkReport.Family(ipVersion: 6, addresses: ["2001:db8::1"], nat: NATReport(.open), outside: []))
        #expect(report.problems == ["match.example:3478: it does not answer"])
        report.matchmakers.append(MatchmakerStatus(server: "other.example:3478", pin: nil, state: .answers))
        #expect(report.isUsable)
    }
}
