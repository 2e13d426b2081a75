import DXWire

/// Which datagram is whose, and what an announcement means.
extension PortMapper {
    /// The opcode of what is told to all hosts: PCP's ANNOUNCE, and NAT-PMP's answer with its address.
    private static let announcement: UInt8 = 0x80

    /// A datagram of the mapper's socket.
    mutating func take(_ datagram: RawSpan, from source: Endpoint, now: Instant) throws(DecodeError) {
        guard phase != .stopped, source.hasSameAddress(as: router) else { throw .notAPacket }
        var reader = ByteReader(datagram)
        let version = try reader.readUInt8()
        // The answer to a search comes from any port of the router.
        if version == UInt8(ascii: "H") {
            guard upnp.receive(datagram, now: now) else { throw .notAPacket }
            return
        }
        // RFC 6887 §8.3, RFC 6886 §3.2: answers come from where requests go.
        guard source.port == router.port else { throw .notAPacket }
        // A server that knows NAT-PMP only refuses PCP in its own version (RFC 6886 §3.5).
        let isRefusal = busyLine != nil && active == .pcp
        if version == 0 && !isRefusal {
            try natPMP.receive(datagram, now: now)
        } else {
            try pcp.receive(datagram, now: now)
        }
    }

    /// A datagram of the announcements' socket.
    mutating func takeAnnouncement(_ datagram: RawSpan, from source: Endpoint, now: Instant) throws(DecodeError) {
        guard phase != .stopped, source.hasSameAddress(as: router) else { throw .notAPacket }
        var reader = ByteReader(datagram)
        let version = try reader.readUInt8()
        guard try reader.readUInt8() == Self.announcement else { throw .notAPacket }
        let spoken: PortMappingProtocol
        switch version {
        case 0:
            spoken = .natPMP
            try natPMP.receive(datagram, now: now)
        case 2:
            spoken = .pcp
            try pcp.receive(datagram, now: now)
        default: throw .invalidValue
        }
        switch phase {
        // Somebody switched it on, or the router is back.
        case .resting: restsUntil = min(restsUntil, nextRefresh(now: now))
        // The epoch of another protocol than the one in use tells nothing: ask.
        case .holding: if active != spoken { refreshAll(now: now) }
        case .searching, .stopping, .stopped: break
        }
    }

    /// Asks for everything again when the router has forgotten it, or has another address.
    mutating func noticeRestart(now: Instant) {
        let restarts = (pcp: pcp.takeRestart(), natPMP: natPMP.takeRestart())
        guard phase == .holding else { return }
        switch active {
        case .pcp: if restarts.pcp { refreshAll(now: now) }
        case .natPMP: if restarts.natPMP { refreshAll(now: now) }
        case .upnp: break
        }
    }

    /// All hosts of the network hear the same announcement: a time that is not everybody's, and none soon after the last.
    private mutating func nextRefresh(now: Instant) -> Instant {
        let spread = UInt64(PortMappingConstants.refreshSpread.nanoseconds)
        let at = max(now + Interval(nanoseconds: Int64(random.below(spread))), refreshAllowedAt)
        refreshAllowedAt = at + PortMappingConstants.refreshPause
        return at
    }

    private mutating func refreshAll(now: Instant) {
        // Announcements are repeated ten times: one refresh is enough.
        let soon = now + PortMappingConstants.refreshPause
        guard lines.indices.contains(where: { $0 != busyLine && lines[$0].dueAt > soon }) else { return }
        let at = nextRefresh(now: now)
        for index in lines.indices { lines[index].dueAt = min(lines[index].dueAt, at) }
    }
}
