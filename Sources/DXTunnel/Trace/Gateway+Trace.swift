internal import DXStream
internal import DXWire
internal import NIOCore

/// Traces of channels: what the transport does, for people who look into it (`docs/trace.md`).
extension Gateway {
    /// Begins to trace the channel to a peer. Nothing is noted of what it carries; of addresses only what is asked for.
    ///
    /// - Parameters:
    ///   - peer: its name, or at least 8 characters of its id.
    ///   - duration: for how long, a second to `ChannelTrace.longest`; others are taken as the nearest of these.
    ///   - addresses: whether to say which addresses paths lead over.
    /// - Throws: `GatewayError.notRunning`, `unknownPeer`, `notConnected`; `tracing` while the channel is traced already;
    ///   `tooManyTraces`.
    public func trace(of peer: String, for duration: Duration, addresses: Bool = false) async throws -> ChannelTrace {
        let duration = min(max(duration, .seconds(1)), ChannelTrace.longest)
        let slots = traceSlots
        let traces = try await onEachLoop { core in
            try core.beginTrace(of: peer, duration: duration, addresses: addresses, slots: slots)
        }
        guard let trace = traces.compactMap({ $0 }).first else { throw GatewayError.unknownPeer(peer) }
        return trace
    }
}

extension GatewayCore {
    /// Begins to trace the channel to a peer; nil when the peer is none of this event loop's.
    func beginTrace(
        of name: String, duration: Duration, addresses: Bool, slots: TraceSlots
    ) throws(GatewayError) -> ChannelTrace? {
        guard let peer = peers.first(where: { $0.name == name || name.count >= 8 && $0.id.text.hasPrefix(name) }) else {
            return nil
        }
        guard let channel = peer.channel else { throw .notConnected(peer.name) }
        guard !channel.transport.isTraced else { throw .tracing(peer.name) }
        guard slots.take() else { throw .tooManyTraces(TraceSlots.most) }
        let session = TraceSession(channel, wantsAddresses: addresses, slots: slots)
        let head = QlogText.Head(
            gateway: configuration.name, peer: peer.name, role: peer.role, wall: .now(), start: channel.now)
        let handle = TraceHandle(NIOLoopBound(session, eventLoop: eventLoop), gate: gate)
        return ChannelTrace(handle: handle, head: head, duration: duration)
    }
}
