import DXTunnel
import Foundation

/// A status in which nothing is missing that metrics are made of.
func fullStatus() throws -> GatewayStatus {
    var status = try sample(GatewayStatus.self, fullStatusJSON)
    status.serveMatch = sampleService
    return status
}

private let fullStatusJSON = """
    {"schema": 1, "name": "edge-1", "id": "\(idText("b"))", "version": "1.2.3", "time": "2026-09-13T08:05:02.500Z",
     "uptime_seconds": 62.5, "listen": ["0.0.0.0:7700"], "threads": 2, "draining": true,
     "socket": {"receive_buffer_bytes": 425984, "send_buffer_bytes": 212992, "gso": true, "gro": true, "ecn": true},
     "drops": {"veil_not_veiled": 3, "session_replayed": 1},
     "memory": {"used_bytes": 1024, "limit_bytes": 67108864, "resident_bytes": 9, "state": "full", "refused_connections": 2},
     "descriptors": {"used": 90, "limit": 100, "reserved": 25, "refused_connections": 4, "accept_pauses": 5},
     "handshakes": {"started": 9, "established": 6, "failed": 2},
     "audit": {"records": 10, "left_out": 11, "unwritten": 12, "on_disk": true},
     "group": {"name": "plant", "revision": 17, "epoch": 3, "members": 4, "neighbours": 2, "admin": true, "problems": ["x"],
               "last_change": "2026-09-13T08:00:00.000Z", "unconfirmed_changes": 1},
     "match": {"keepalive_seconds": 25, "networks": [], "matchmakers": [
        {"server": "match.example:3478", "state": "registered", "rtt_us": 25000, "last_answer_seconds": 4.5, "observed": [],
         "members": 3},
        {"server": "192.0.2.9:3478", "state": "failing", "observed": []}]},
     "forwarding": {"forwards": true, "pairs": 2, "datagrams_passed": 20, "bytes_passed": 24000, "refused": {"rate": 7},
        "datagrams_sent": 0, "datagrams_received": 0, "datagrams_unsendable": 0, "datagrams_refused": 0},
     "peers": [
        {"name": "cloud-1", "id": "\(idText("c"))", "state": "connected", "since": "2026-09-13T08:04:02.000Z",
         "path_kind": "direct", "rtt_us": 12345, "mtu_bytes": 1452, "congestion_window_bytes": 123456, "open_streams": 2,
         "bytes_sent": 1, "bytes_received": 2,
         "paths": [
            {"remote": "203.0.113.5:7700", "state": "used", "preference": "primary", "bytes_sent": 1, "bytes_received": 2,
             "kind": "direct"},
            {"remote": "10.0.0.5:7700", "state": "down", "preference": "backup", "bytes_sent": 1, "bytes_received": 2,
             "kind": "lan"}],
         "traffic": {"direct": {"packets_sent": 100, "packets_received": 90, "packets_lost": 7, "packets_spuriously_lost": 1,
            "bytes_sent": 120000, "bytes_received": 9000, "probe_timeouts": 3, "congestion_events": 4}},
         "counters": {"bytes_in_flight": 1200, "stream_bytes_sent": 5, "stream_bytes_received": 6,
            "stream_bytes_retransmitted": 8, "packets_duplicate": 9}},
        {"name": "cloud-2", "id": "\(idText("d"))", "state": "down", "since": "1970-01-01T00:00:00.000Z", "open_streams": 0,
         "bytes_sent": 0, "bytes_received": 0, "counters": {},
         "traffic": {"forwarded": {"packets_sent": 10, "packets_received": 9, "packets_lost": 1, "packets_spuriously_lost": 0,
            "bytes_sent": 1000, "bytes_received": 900, "probe_timeouts": 0, "congestion_events": 0}}}],
     "tunnels": [
        {"name": "web", "role": "origin", "state": "active", "listen": ["127.0.0.1:8080"], "open_connections": 1,
         "total_connections": 20, "refused_connections": 3, "refusals": {"not_allowed": 1, "no_destination": 2},
         "bytes_to_target": 300, "bytes_to_client": 4000, "failovers": 2, "rate_bits_per_second": 1000000, "rate_waits": 6,
         "rate_wait_ms": 1500, "destinations": [
            {"gateway": "cloud-1", "state": "ready", "target": "up", "order": 0, "weight": 1, "failures": 0},
            {"gateway": "cloud-2", "state": "away", "target": "unknown", "order": 1, "weight": 1, "failures": 1}]},
        {"name": "ssh", "role": "destination", "state": "active", "listen": [], "target": "127.0.0.1:22",
         "open_connections": 0, "total_connections": 2, "refused_connections": 0, "refusals": {}, "bytes_to_target": 0,
         "bytes_to_client": 0, "health": {"state": "down", "reason": "refused"},
         "connect_times": {"counts": [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], "total_seconds": 11.0005}},
        {"name": "dns", "role": "origin", "state": "waiting", "protocol": "udp", "listen": [], "open_connections": 0,
         "total_connections": 0, "refused_connections": 0, "refusals": {}, "bytes_to_target": 0, "bytes_to_client": 0,
         "datagrams_dropped": {"limit": 4}}]}
    """
