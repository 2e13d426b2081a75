import DXTunnel

/// A status with every field filled.
let sampleStatus = GatewayStatus(
    name: "edge-1", id: idText("b"), version: "1.2.3", time: Timestamp(unixMilliseconds: 1_789_286_702_070),
    uptimeSeconds: 3_725.5, listen: ["0.0.0.0:7700", "[::]:7700"],
    socket: SocketStatus(receiveBufferBytes: 425_984, sendBufferBytes: 425_984, gso: true, gro: true, ecn: false),
    peers: [
        PeerStatus(
            name: "cloud-1", id: idText("c"), state: .connected, since: Timestamp(unixMilliseconds: 1_789_286_700_000),
            remoteAddress: "203.0.113.5:7700", pathKind: .direct, rttMicroseconds: 12_345, mtuBytes: 1_452,
            congestionWindowBytes: 123_456, congestionControl: "cubic", openStreams: 2, bytesSent: 1_000,
            bytesReceived: 2_000_000,
            counters: ["packets_lost": 7]),
        PeerStatus(
            name: "cloud-2", id: idText("d"), state: .down, since: Timestamp(unixMilliseconds: 0),
            lastError: "no answer from 203.0.113.6:7700"),
    ],
    tunnels: [
        TunnelStatus(
            name: "web", role: .origin, state: .active, listen: ["127.0.0.1:8080"], openConnections: 1,
            totalConnections: 20, refusedConnections: 1, bytesToTarget: 300, bytesToClient: 4_000,
            lastError: "the target refused"),
        TunnelStatus(name: "ssh", role: .destination, state: .waiting, target: "127.0.0.1:22"),
    ],
    drops: ["unknown_connection": 3], memory: MemoryStatus(usedBytes: 1_024, limitBytes: 64 << 20))

/// What a gateway serves that its group lists.
let sampleService = MatchServiceStatus(
    listen: ["0.0.0.0:3478", "0.0.0.0:3479"], pin: idText("m"), server: "cloud.example:3478#\(idText("m"))",
    isListed: true,
    registrations: 4, guests: 1, introductions: 6, strangers: 7)

/// A status with many peers and tunnels, of each the first `broken` not well. Peer N has a round trip of N + 1 ms.
func fleetStatus(peers: Int, tunnels: Int, broken: Int) throws -> GatewayStatus {
    var status = sampleStatus
    status.drops = [:]
    status.peers = (0..<peers).map { number in
        let isDown = number < broken
        return PeerStatus(
            name: "peer-\(number)", id: idText("p") + "\(number)", state: isDown ? .down : .connected,
            since: status.time,
            remoteAddress: isDown ? nil : "203.0.113.\(number % 250):7700", pathKind: isDown ? nil : .direct,
            rttMicroseconds: isDown ? nil : UInt64(number + 1) * 1_000, mtuBytes: isDown ? nil : 1_452,
            openStreams: number, bytesSent: UInt64(number) * 1_000, bytesReceived: UInt64(number) * 2_000,
            lastError: isDown
                ? "no answer from any of the addresses that are known of it, the last was 203.0.113.6" : nil,
            counters: isDown ? [:] : ["packets_sent": 1_000, "packets_lost": 1])
    }
    status.tunnels = (0..<tunnels).map { number in
        TunnelStatus(
            name: "tunnel-\(number)", role: number % 2 == 0 ? .origin : .destination,
            state: number < broken ? .waiting : .active, listen: ["127.0.0.1:\(8_000 + number)"],
            target: "127.0.0.1:80",
            openConnections: 2, totalConnections: UInt64(number), bytesToTarget: UInt64(number) * 10,
            bytesToClient: UInt64(number) * 20)
    }
    return status
}
