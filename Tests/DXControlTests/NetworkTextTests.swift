import DXTunnel
import Foundation
import Testing

@testable import DXControl

/// What operators read of their networks and peers.
@Suite struct NetworkTextTests {
    /// Layouts are a promise to programs: a key may be added, none may go or change.
    @Test func layoutsStay() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let network = try encoder.encode(try sample(NetworkReport.self, sampleNetworkJSON))
        #expect(String(decoding: network, as: UTF8.self) == sampleNetworkJSON)
        for json in [sampleExplanationJSON, sampleConnectionJSON] {
            let explanation = try encoder.encode(try sample(PeerExplanation.self, json))
            #expect(String(decoding: explanation, as: UTF8.self) == json)
        }
    }

    @Test func netcheckIsReadable() throws {
        let expected = """
            UDP passes, and a matchmaker answers.

            IPv4              port-restricted cone NAT (RFC 4787: endpoint-independent mapping, address-and-port-dependent filtering)
                              one outside address and port for all destinations; the inside port is kept
                              only ports that were sent to may send in
                              hosts behind it do not reach each other by their outside addresses (no hairpin)
                              here at 192.168.1.10
                              seen from outside at 203.0.113.10:40144

            IPv6              this host has no such address

            Router, IPv4      192.168.1.1 opens ports when asked (NAT-PMP): it gave 203.0.113.10:7700

            Matchmaker        match.example:3478 registered, 3.179 ms, 2 members, sees this gateway at 203.0.113.10:20578
                              pin \(idText("m"))
                              datagrams of 1,200 bytes, sent whole, arrive there (larger ones were not tried)
                              tells outside addresses (STUN)

            Matchmaker        192.0.2.21:3478: it has another pin
                              pin \(idText("n"))
                              but it shows the pin \(idText("o"))

            Keepalive         it remembers 29 s of silence, not 31 s
                              registrations are refreshed every 23 s

            From here there is a way to peers whose network has
              directly            no NAT; full cone NAT
              by a guessed port   symmetric NAT
              not at all          none

            To mend:
              192.0.2.21:3478: it has another pin
            """
        #expect("\(NetworkReportText(try sample(NetworkReport.self, sampleNetworkJSON)))" == expected)
    }

    @Test func explainNamesTheRemedyFirst() throws {
        let expected = """
            edge-1: both NATs choose outside ports that cannot be foreseen
            to change that: map a port to the gateway

            state             down for 14 s
            registered at     192.0.2.11:3478
            attempts          2 introductions asked for; the next in 21 s

            last introduction, 6 s ago, by 192.0.2.11:3478
              outcome         no way was found within 4.0 s
                              both NATs choose outside ports that cannot be foreseen
              this gateway    IPv4: symmetric NAT (hard: its outside port differs for each peer)
                              the matchmaker sees it at 203.0.113.10:47628
              edge-1          nothing is known of its network
                              its router lets others in at a port that was asked for
              in theory       no direct way
              guessing        this gateway's outside port: many ports at once were tried; 512 datagrams sent from here
              what happened   after 0 ms: asked for at 192.0.2.11:3478
                              after 11 ms: introduced by 192.0.2.11:3478

              ways that were tried (SENT and HEARD count datagrams that ask for an answer, times are from the beginning on)
              FROM                TO                   KNOWN AS         SENT  HEARD  FIRST  ANSWERED  RTT  RESULT
              192.168.1.10:57617  198.51.100.10:27188  seen in a check  8     2      20 ms  -         -    not decided when the time was over; made to wait once by the limit on checks
              192.168.1.10:57617  192.168.2.10:59681   its own address  2     0      44 ms  -         -    given up: no answer

              not tried
              127.0.0.1:7700 (its own address): it is a loopback address
            """
        #expect("\(PeerExplanationText(try sample(PeerExplanation.self, sampleExplanationJSON)))" == expected)
    }

    @Test func explainSaysHowTheWayWasFound() throws {
        let text = "\(PeerExplanationText(try sample(PeerExplanation.self, sampleConnectionJSON)))"
        #expect(text.hasPrefix("edge-1: connected, by a direct way\n\nstate"))
        #expect(
            text.contains(
                """
                way in use        192.168.1.10:57617 to 198.51.100.10:44073 (direct)
                                  found by an introduction, for 17 s, round trip 3.489 ms
                """))
        #expect(text.contains("a way was found after 12 ms") && text.contains("used; works in both directions"))
        #expect(!text.contains("to change that"))
    }

    /// With many ways those that came furthest are shown.
    @Test func longTablesAreCut() throws {
        var explanation = try sample(PeerExplanation.self, sampleExplanationJSON)
        let pair = try #require(explanation.introduction?.pairs.first)
        explanation.introduction?.pairs = (0..<40).map { number in
            var one = pair
            one.remote = "192.0.2.\(number):7700"
            one.heard = number == 39 ? 1 : 0
            return one
        }
        let text = "\(PeerExplanationText(explanation))"
        #expect(text.contains("192.0.2.39:7700") && text.contains("... and 24 more: see --json"))
        #expect(!text.contains("192.0.2.20:7700"))
    }

    @Test func statusShowsMatchmakersAndTheNetwork() throws {
        let network = try sample(NetworkReport.self, sampleNetworkJSON)
        var status = sampleStatus
        status.match = MatchStatus(
            matchmakers: network.matchmakers,
            networks: [
                MatchStatus.Network(
                    ipVersion: 4, nat: try #require(network.families.first?.nat), binding: network.binding)
            ], keepaliveSeconds: 23.5)
        let text = "\(StatusReport(status))"
        #expect(
            text.contains(
                """
                matchmaker  match.example:3478 registered, 3.179 ms, 2 members, sees this gateway at 203.0.113.10:20578
                            192.0.2.21:3478: it has another pin
                network     IPv4: port-restricted cone NAT (easy: peers can be told where to send); it remembers 29 s of silence, not 31 s
                """))
        let data = try JSONEncoder().encode(status)
        #expect(try JSONDecoder().decode(GatewayStatus.self, from: data) == status)
    }
}
