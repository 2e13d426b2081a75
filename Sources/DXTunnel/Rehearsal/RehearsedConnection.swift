import DXStream
import DXWire

/// A connection that is looked at while something is rehearsed. Bound to the gateway's event loop.
enum RehearsedConnection {
    case tcp(TCPBridge)
    case program(ProgramBridge)

    /// What owns a stream, if that is a connection.
    init?(_ owner: PeerChannel.StreamOwner) {
        switch owner {
        case .tcp(let bridge): self = .tcp(bridge)
        case .program(let bridge): self = .program(bridge)
        case .beginning, .connecting, .opening, .group: return nil
        }
    }

    /// Which it is.
    var id: ObjectIdentifier {
        switch self {
        case .tcp(let bridge): ObjectIdentifier(bridge)
        case .program(let bridge): ObjectIdentifier(bridge)
        }
    }

    /// The end of the tunnel that it belongs to.
    var usage: TunnelUsage {
        switch self {
        case .tcp(let bridge): bridge.usage
        case .program(let bridge): bridge.usage
        }
    }

    private var glance: ConnectionGlance {
        switch self {
        case .tcp(let bridge): bridge.glance
        case .program(let bridge): bridge.glance
        }
    }

    /// How it is now.
    func look() -> (look: RehearsalMeter.Look?, end: RehearsalMeter.End?, answeredBy: String?) {
        let glance = glance
        guard !glance.isOver else {
            // What was asked and answered may be over before the next look.
            return (nil, Self.end(glance.end), glance.isAnswered ? glance.channel.peer.name : nil)
        }
        guard !glance.isPlaceless, let progress = glance.channel.transport.progress(of: glance.stream) else {
            return (nil, nil, nil)
        }
        let look = RehearsalMeter.Look(
            moved: progress.moved, received: progress.received,
            isWaiting: progress.waiting > 0, isHeldBack: progress.unread > 0)
        return (look, nil, progress.isOpen ? glance.channel.peer.name : nil)
    }

    /// How it ended, by its audit record; without one whatever ended it was not in order.
    private static func end(_ end: AuditRecord.End?) -> RehearsalMeter.End {
        switch end {
        case .closed: .inOrder
        case .channelLost, .refused, .idle: .broken(end?.rawValue ?? "")
        case .resetByClient, .resetByTarget, nil: .reset
        case .tunnelChanged, .moved, .gatewayStopping, .leftOut: .inOrder
        }
    }
}

extension PeerChannel {
    /// The connections that it carries; those for which a destination is still looked for are none of them.
    var connections: [RehearsedConnection] { owners.values.compactMap(RehearsedConnection.init) }
}

/// What can be seen of a connection at one moment.
struct ConnectionGlance {
    var channel: PeerChannel
    var stream: StreamID
    /// No destination has it yet.
    var isPlaceless: Bool
    /// It has ended.
    var isOver: Bool
    /// How it ended, where an audit record tells.
    var end: AuditRecord.End?
    /// It has ended in good order, or the other end said something: where an audit record tells.
    var isAnswered: Bool
}

@available(*, unavailable)
extension RehearsedConnection: Sendable {}
@available(*, unavailable)
extension ConnectionGlance: Sendable {}
