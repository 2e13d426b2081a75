import DXStream
import DXWire

/// How long connections outlast the silence of their peer (`docs/ha.md` §5): as long as both gateways agreed on (`liveness`), or as
/// their tunnel says (`hold`).
extension PeerChannel {
    /// The configuration says for how long the silence of the peer is borne at most.
    func refreshHold() { transport.setHold(core.longestHold) }

    /// When connections may have to end because of silence; nil where the transport's own idle timeout sees to it.
    var livenessDeadline: Instant? {
        guard transport.hold != nil, transport.isOpen, let liveness = transport.agreedIdleTimeout else { return nil }
        let since = transport.silentSince
        if let holdCheck, holdCheck.since == since { return holdCheck.at }
        return since + liveness
    }

    /// Ends the connections that the silence has outlasted, and the channel when none is left.
    func endOutlasted(now: Instant) {
        guard let deadline = livenessDeadline, deadline <= now, let liveness = transport.agreedIdleTimeout else {
            return
        }
        let since = transport.silentSince
        let silence = now - since
        var next = Interval.max
        for (id, owner) in owners {
            guard let usage = Self.usage(of: owner) else { continue }
            let limit = max(usage.hold ?? .zero, liveness)
            guard limit <= silence else {
                next = min(next, limit)
                continue
            }
            switch owner {
            case .tcp(let bridge): bridge.onChannelClosed(.channelLost)
            case .program(let bridge): bridge.onChannelClosed(.channelLost)
            case .opening(let opening): opening.onChannelClosed(self)
            case .connecting(_, let bridge):
                bridge?.onGivenUp(.channelLost)
                drop(id)
            case .beginning, .group: break
            }
            abort(id, code: .aborted)
        }
        guard next < .max else { return transport.endAsSilent(now: now) }
        holdCheck = (since, since + next)
    }

    private static func usage(of owner: StreamOwner) -> TunnelUsage? {
        switch owner {
        case .tcp(let bridge): bridge.usage
        case .program(let bridge): bridge.usage
        case .beginning(let stream): stream.tunnel.usage
        case .connecting(let tunnel, _): tunnel.usage
        case .opening(let opening): opening.usage
        case .group: nil
        }
    }
}
