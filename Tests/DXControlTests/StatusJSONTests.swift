import DXControl
import DXTunnel
import Foundation
import Testing

@Suite struct StatusJSONTests {
    /// The layout is a promise to programs: a key may be added here, none may go or change.
    private let golden = """
        {
          "drops" : {
            "unknown_connection" : 3
          },
          "healthy" : false,
          "id" : "\(idText("b"))",
          "listen" : [
            "0.0.0.0:7700",
            "[::]:7700"
          ],
          "memory" : {
            "limit_bytes" : 67108864,
            "used_bytes" : 1024
          },
          "name" : "edge-1",
          "peers" : [
            {
              "bytes_received" : 2000000,
              "bytes_sent" : 1000,
              "congestion_control" : "cubic",
              "congestion_window_bytes" : 123456,
              "counters" : {
                "packets_lost" : 7
              },
              "id" : "\(idText("c"))",
              "mtu_bytes" : 1452,
              "name" : "cloud-1",
              "open_streams" : 2,
              "path_kind" : "direct",
              "remote_address" : "203.0.113.5:7700",
              "rtt_us" : 12345,
              "since" : "2026-09-13T08:05:00.000Z",
              "state" : "connected"
            },
            {
              "bytes_received" : 0,
              "bytes_sent" : 0,
              "counters" : {

              },
              "id" : "\(idText("d"))",
              "last_error" : "no answer from 203.0.113.6:7700",
              "name" : "cloud-2",
              "open_streams" : 0,
              "since" : "1970-01-01T00:00:00.000Z",
              "state" : "down"
            }
          ],
          "problems" : [
            "peer cloud-2 is down since 1970-01-01T00:00:00.000Z: no answer from 203.0.113.6:7700",
            "tunnel ssh is waiting"
          ],
          "schema" : 1,
          "socket" : {
            "ecn" : false,
            "gro" : true,
            "gso" : true,
            "receive_buffer_bytes" : 425984,
            "send_buffer_bytes" : 425984
          },
          "threads" : 1,
          "time" : "2026-09-13T08:05:02.070Z",
          "tunnels" : [
            {
              "bytes_to_client" : 4000,
              "bytes_to_target" : 300,
              "last_error" : "the target refused",
              "listen" : [
                "127.0.0.1:8080"
              ],
              "name" : "web",
              "open_connections" : 1,
              "refused_connections" : 1,
              "role" : "origin",
              "state" : "active",
              "total_connections" : 20
            },
            {
              "bytes_to_client" : 0,
              "bytes_to_target" : 0,
              "listen" : [

              ],
              "name" : "ssh",
              "open_connections" : 0,
              "refused_connections" : 0,
              "role" : "destination",
              "state" : "waiting",
              "target" : "127.0.0.1:22",
              "total_connections" : 0
            }
          ],
          "uptime_seconds" : 3725.5,
          "version" : "1.2.3"
        }
        """

    @Test func writesTheLayout() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        #expect(String(decoding: try encoder.encode(sampleStatus), as: UTF8.self) == golden)
    }

    @Test func readsTheLayout() throws {
        #expect(try JSONDecoder().decode(GatewayStatus.self, from: Data(golden.utf8)) == sampleStatus)
    }

    /// The keys of a tunnel with a rate; one without has none of them, as above.
    @Test func writesTheRateOfATunnel() throws {
        var tunnel = TunnelStatus(name: "web", role: .origin, state: .active)
        tunnel.rateBitsPerSecond = 20_000_000
        tunnel.rateWaits = 3
        tunnel.rateWaitMilliseconds = 45
        let json = try JSONEncoder().encode(tunnel)
        let text = String(decoding: json, as: UTF8.self)
        for pair in ["\"rate_bits_per_second\":20000000", "\"rate_waits\":3", "\"rate_wait_ms\":45"] {
            #expect(text.contains(pair))
        }
        #expect(try JSONDecoder().decode(TunnelStatus.self, from: json) == tunnel)
    }

    /// The keys of a UDP tunnel; one of TCP has none of them.
    @Test func writesWhatAUDPTunnelDropped() throws {
        var tunnel = TunnelStatus(name: "dns", role: .origin, state: .active)
        tunnel.networkProtocol = .udp
        tunnel.datagramsDropped = ["rate": 7]
        let json = try JSONEncoder().encode(tunnel)
        let text = String(decoding: json, as: UTF8.self)
        for pair in ["\"protocol\":\"udp\"", "\"datagrams_dropped\":{\"rate\":7}"] { #expect(text.contains(pair)) }
        #expect(try JSONDecoder().decode(TunnelStatus.self, from: json) == tunnel)
    }

    /// What a gateway says of its limits; one of an older version says nothing of them, as above.
    @Test func writesTheLimits() throws {
        var status = sampleStatus
        status.memory.state = .tight
        status.memory.refusedConnections = 4
        let descriptors = #"{"used":61,"limit":1024,"reserved":32,"refused_connections":5,"accept_pauses":6}"#
        status.descriptors = try JSONDecoder().decode(DescriptorStatus.self, from: Data(descriptors.utf8))
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let text = String(decoding: try encoder.encode(status), as: UTF8.self)
        #expect(
            text.contains(
                #""descriptors":{"accept_pauses":6,"limit":1024,"refused_connections":5,"reserved":32,"used":61}"#))
        #expect(
            text.contains(
                #""memory":{"limit_bytes":67108864,"refused_connections":4,"state":"tight","used_bytes":1024}"#))
        #expect(try JSONDecoder().decode(GatewayStatus.self, from: Data(text.utf8)) == status)
    }

    @Test func refusesAnotherSchema() throws {
        let other = golden.replacingOccurrences(of: "\"schema\" : 1", with: "\"schema\" : 2")
        #expect(throws: DecodingError.self) { try JSONDecoder().decode(GatewayStatus.self, from: Data(other.utf8)) }
    }

    @Test func whatItServesIsPartOfIt() throws {
        var status = sampleStatus
        status.serveMatch = sampleService
        let text = String(decoding: try JSONEncoder().encode(status), as: UTF8.self)
        #expect(text.contains(#""serve_match":{"#) && text.contains(#""listed":true"#))
        #expect(try JSONDecoder().decode(GatewayStatus.self, from: Data(text.utf8)) == status)
    }

    /// Nothing of a status is lost on its way, whatever there is.
    @Test func everythingComesBack() throws {
        let status = try fullStatus()
        let again = try JSONDecoder().decode(GatewayStatus.self, from: try JSONEncoder().encode(status))
        #expect(again == status)
        #expect(again.handshakes?.failed == 2 && again.peers[0].traffic?["direct"]?.packetsLost == 7)
        #expect(again.tunnels[0].refusals == ["not_allowed": 1, "no_destination": 2])
        #expect(again.tunnels[1].connectTimes?.count == 2)
    }
}
