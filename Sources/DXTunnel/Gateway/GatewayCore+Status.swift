import DXSecure
import DXSocket
import DXStream
import DXWire
import Glibc

/// What the gateway tells about itself.
extension GatewayCore {
    /// A snapshot of everything.
    func status() -> GatewayStatus {
        let capabilities = socket?.capabilities
        let main = capabilities?.v4 ?? capabilities?.v6
        var status = GatewayStatus(
            name: configuration.name, id: secure.identity.gatewayID.text, time: .now(),
            uptimeSeconds: (currentTime() - startedAt).secondsAsDouble,
            listen: socket?.localEndpoints.map(\.description) ?? [],
            socket: SocketStatus(
                receiveBufferBytes: main?.receiveBufferByteCount ?? 0, sendBufferBytes: main?.sendBufferByteCount ?? 0,
                gso: main?.segmentationOffload ?? false, gro: main?.receiveOffload ?? false, ecn: main?.ecn ?? false),
            // Of a group's members those with which there is something to do.
            peers: peers.filter { group == nil || $0.isWanted || $0.isConnected }.map(status(of:)),
            tunnels: tunnelStatus(), drops: dropCounts(),
            memory: memoryStatus(),
            group: group?.status(), match: match.map { $0.status(now: currentTime()) },
            forwarding: group == nil ? nil : forwarding.status())
        if isDraining { status.draining = true }
        status.descriptors = descriptorStatus()
        let handshakes = secure.statistics
        status.handshakes = HandshakeStatus(
            started: handshakes.handshakesStarted, established: handshakes.handshakesEstablished,
            failed: handshakes.handshakesFailed)
        return status
    }

    private func status(of peer: PeerLink) -> PeerStatus {
        let state: PeerStatus.State = peer.isConnected ? .connected : (peer.hasFailed ? .down : .connecting)
        // What is known of the networks says more than the last attempt that failed, and is known sooner.
        let why = peer.isConnected ? peer.lastError : match?.failure(of: peer.id) ?? peer.lastError
        var result = PeerStatus(
            name: peer.name, id: peer.id.text, state: state, since: peer.stateSince, bytesSent: peer.pastBytes.sent,
            bytesReceived: peer.pastBytes.received,
            lastError: peer.twin.map { "its key is used twice, at \($0.used) and \($0.other)" } ?? why)
        peer.noteTraffic()
        result.traffic = Dictionary(
            uniqueKeysWithValues: peer.ledger.counts.map { ($0.key.rawValue, $0.value) })
        let past = peer.past
        result.counters = [
            "packets_duplicate": past.packetsDuplicate, "stream_bytes_sent": past.streamBytesSent,
            "stream_bytes_received": past.streamBytesReceived,
            "stream_bytes_retransmitted": past.streamBytesRetransmitted,
        ]
        guard let channel = peer.channel else { return result }
        let counts = channel.transport.statistics
        result.bytesSent &+= counts.bytesSent
        result.bytesReceived &+= counts.bytesReceived
        result.openStreams = channel.streamCount
        result.counters = [
            "packets_duplicate": past.packetsDuplicate &+ counts.packetsDuplicate,
            "packets_refused": counts.packetsRefused,
            "streams_opened": counts.streamsOpened, "streams_accepted": counts.streamsAccepted,
            "stream_bytes_sent": past.streamBytesSent &+ counts.streamBytesSent,
            "stream_bytes_received": past.streamBytesReceived &+ counts.streamBytesReceived,
            "stream_bytes_retransmitted": past.streamBytesRetransmitted &+ counts.streamBytesRetransmitted,
        ]
        let paths = channel.transport.pathSnapshots
        if channel.keepsPaths { result.paths = paths.compactMap { path in channel.status(of: path) } }
        guard let path = paths.first(where: \.isActive), let session = channel.session(of: path.id) else {
            return result
        }
        result.remoteAddress = session.remote.isForwarded ? nil : session.remote.description
        result.pathKind = channel.pathKind
        result.forwardedBy = peer.forwarderName
        result.rttMicroseconds = path.roundTrip.map { UInt64(max(0, $0.microseconds)) }
        result.mtuBytes = path.mtu
        result.congestionWindowBytes = UInt64(path.windowBytes)
        result.congestionControl = "\(path.algorithm)"
        result.counters["packets_sent"] = path.statistics.packetsSent
        result.counters["packets_received"] = path.statistics.packetsReceived
        result.counters["packets_lost"] = path.statistics.packetsLost
        result.counters["packets_spuriously_lost"] = path.statistics.packetsSpuriouslyLost
        result.counters["probe_timeouts"] = path.statistics.probeTimeouts
        result.counters["congestion_events"] = path.statistics.congestionEvents
        result.counters["delivery_rate_bytes_per_second"] = path.deliveryRate ?? 0
        result.counters["ambient_loss_ppm"] = UInt64(path.ambientLoss * 1_000_000)
        result.counters["packets_fragmented"] = path.statistics.packetsFragmented
        result.counters["mtu_black_holes"] = path.statistics.blackHoles
        result.counters["bytes_in_flight"] = UInt64(max(0, path.bytesInFlight))
        return result
    }

    private func tunnelStatus() -> [TunnelStatus] {
        origins.map { tunnel in
            let usage = tunnel.usage
            var status = TunnelStatus(
                name: tunnel.name, role: .origin,
                state: tunnel.failureText != nil ? .failed : tunnel.isActive ? .active : .waiting,
                listen: tunnel.listenTexts, openConnections: usage.open,
                totalConnections: usage.total, refusedConnections: usage.refused, bytesToTarget: usage.bytesIn,
                bytesToClient: usage.bytesOut, lastError: tunnel.failureText ?? usage.lastError
            ).with(usage, isCompressed: tunnel.isCompressed).with(tunnel.udp?.drops, rate: tunnel.udp?.rate)
            status.destinations = tunnel.destinationStatus(now: currentTime())
            status.failovers = tunnel.choice.failovers
            return status
        }
            + destinations.map { tunnel in
                let usage = tunnel.usage
                var status = TunnelStatus(
                    name: tunnel.name, role: .destination,
                    state: tunnel.forbidden != nil ? .failed : tunnel.isActivated ? .active : .waiting,
                    target: tunnel.targetText, openConnections: usage.open, totalConnections: usage.total,
                    refusedConnections: usage.refused, bytesToTarget: usage.bytesOut, bytesToClient: usage.bytesIn,
                    lastError: tunnel.forbidden ?? usage.lastError
                ).with(usage, proxyProtocol: tunnel.writesProxyHeader, isCompressed: tunnel.isCompressed)
                    .with(tunnel.udp?.drops, rate: tunnel.udp?.rate)
                status.health = tunnel.healthStatus
                if tunnel.udp == nil, tunnel.targetText != nil { status.connectTimes = tunnel.connectTimes }
                return status
            }
    }

    /// What was dropped, by reason: datagrams, with the names of `VeilDrop` in snake_case, and those of `DropCounters`; in a group
    /// what neighbours sent against the rules.
    private func dropCounts() -> [String: UInt64] {
        var result: [String: UInt64] = [
            "session_replayed": drops.replayed, "session_rejected": drops.rejected, "session_unbound": drops.unbound,
            "session_malformed": drops.malformed, "unknown_internal_port": drops.unknownInternalPort,
            "refused_activations": drops.refusedActivations, "seal_failures": drops.sealFailures,
            "flow_malformed": drops.flowMalformed, "flow_unknown": drops.flowUnknown,
            "flow_incomplete": incompleteFlowDatagrams,
            "wrong_event_loop": drops.unknownSession, "event_loop_busy": drops.handOverFull,
        ]
        if let group { result.merge(group.exchangeCounts) { first, _ in first } }
        if let lan { result.merge(lan.counts) { first, _ in first } }
        let statistics = secure.statistics
        for reason in VeilDrop.allCases { result["veil_\(Self.snakeCase("\(reason)"))"] = statistics[reason] }
        if let socket {
            let counts = socket.statistics
            result["socket_truncated"] = counts.truncated
            result["socket_send_refused"] = counts.refused
            result["socket_queue_full"] = counts.queueDrops
        }
        return result.filter { $0.value > 0 }
    }

    /// Datagrams of UDP flows of which a part never came.
    private var incompleteFlowDatagrams: UInt64 {
        peers.reduce(drops.flowIncomplete) { sum, peer in sum &+ (peer.channel?.flows.assembler.abandoned ?? 0) }
    }

    private static func snakeCase(_ name: String) -> String {
        var result = ""
        for character in name {
            if character.isUppercase { result.append("_") }
            result.append(contentsOf: character.lowercased())
        }
        return result
    }

    /// The resident memory of the process (proc(5), statm); nil where it cannot be read.
    static func residentBytes() -> Int? {
        guard let file = unsafe fopen("/proc/self/statm", "re") else { return nil }
        defer { unsafe fclose(file) }
        var line = [CChar](repeating: 0, count: 128)
        guard unsafe fgets(&line, Int32(line.count), file) != nil else { return nil }
        let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        let fields = text.split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else { return nil }
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
}

extension TunnelStatus {
    /// The same with what limits the tunnel and what its options are.
    fileprivate func with(
        _ usage: TunnelUsage, proxyProtocol: Bool = false, isCompressed: Bool
    ) -> TunnelStatus {
        var status = self
        status.refusals = Dictionary(uniqueKeysWithValues: usage.refusals.map { ($0.key.rawValue, $0.value) })
        let limiter = usage.limiter
        status.rateBitsPerSecond = limiter?.bitsPerSecond
        status.rateWaits = limiter?.waitCount
        status.rateWaitMilliseconds = limiter.map { UInt64(max(0, $0.waited.milliseconds)) }
        status.idleTimeoutSeconds = usage.idle.timeout?.secondsAsDouble
        status.proxyProtocol = proxyProtocol ? true : nil
        status.compression = isCompressed ? GatewayConfiguration.Compression.deflate.rawValue : nil
        return status
    }
}

extension TunnelStatus {
    /// The status of a UDP tunnel, if it has such counts.
    fileprivate func with(_ drops: DatagramDrops?, rate: UInt64?) -> TunnelStatus {
        guard let drops else { return self }
        var status = self
        status.networkProtocol = .udp
        status.datagramsDropped = drops.named
        status.rateBitsPerSecond = rate
        return status
    }
}

extension Endpoint {
    /// Whether the address is one of a local network: RFC 1918, loopback, link-local, or unique local IPv6 (RFC 4193).
    var isPrivate: Bool {
        switch family {
        case .v4:
            let first = low &>> 24
            let firstTwo = low &>> 16
            return first == 10 || first == 127 || firstTwo == 0xc0a8 || firstTwo == 0xa9fe || low &>> 20 == 0xac1
        case .v6: return high &>> 57 == 0x7e || high &>> 54 == 0x3fa || (high == 0 && low == 1)
        }
    }
}
