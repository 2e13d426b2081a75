import DXStream
import DXWire
import Logging
import NIOCore

/// What a connection through a tunnel of several destinations is to the search for one that takes it.
protocol TunnelConnection: AnyObject {
    /// It, as the owner of the stream that carries it.
    var owner: PeerChannel.StreamOwner { get }
    /// From now on this stream carries it. Nothing of it has reached a target before.
    func settle(on channel: PeerChannel, _ id: StreamID, _ compression: StreamCompression?)
    /// It may send, and send again what it had sent on a stream that was refused.
    func resume()
    /// No destination takes it; what the last one said.
    func refuse(_ code: StreamCode)
    /// The channel that carries it ended, or the tunnel does: as its record will say.
    func onChannelClosed(_ how: AuditRecord.End)
    /// Bytes that it holds, on their way to and from its application.
    func measureHeldBytes() -> Int
}

/// The search for a destination that takes one connection (`docs/ha.md` §4): the best is asked first; when it has not answered for
/// a few round trips, or refuses, the next one is asked as well; the first that answers gets the connection, the others a reset.
///
/// Until then nothing of what the client sends leaves this gateway, so no byte can reach two targets. A destination that has the
/// connection and then says that its target refused it has passed nothing on either: then the search goes on (`retry`), and the
/// connection sends again what it had sent. Bound to the gateway's event loop.
///
/// Limits: each destination is asked once; the whole takes `connect_timeout` at most once all were asked.
final class TunnelOpening {
    private let tunnel: OriginTunnel
    private let client: [UInt8]?
    /// Where the client came in; nil for the program's.
    let entrance: ListenerPlace?
    /// What a destination is told of the client, if it wants to know.
    private let head: StreamHead
    private var tried: Set<String> = []
    /// Streams of which nothing was heard yet.
    private var pending: [Asked] = []
    private var connection: (any TunnelConnection)?
    /// Timers of an earlier round mean nothing any more.
    private var round: UInt64 = 0
    private var lastReason: String?
    private var lastCode = StreamCode.unreachable
    /// Destinations were left out, as there is no memory for another connection there.
    private var refusal: ConnectionRefusal?
    /// All were asked, and the time for an answer runs.
    private var isLastWait = false

    /// A destination that was asked.
    private struct Asked {
        var destination: OriginTunnel.Chosen
        var id: StreamID
        var channel: PeerChannel { destination.channel }
    }

    /// Three round trips: one for the answer, one for a packet that was lost, one for what a loaded host takes.
    private static let patienceTrips: Int64 = 3
    /// A second: so that with a destination that is dead the next one has answered within two.
    private static let mostPatience = Interval.seconds(1)

    init(_ tunnel: OriginTunnel, client: [UInt8]?, entrance: ListenerPlace?, head: StreamHead) {
        self.head = head
        self.tunnel = tunnel
        self.client = client
        self.entrance = entrance
    }

    /// Whose connection it is.
    var usage: TunnelUsage { tunnel.usage }

    /// Bytes that its connection holds. Of several streams one counts them.
    func measureHeldBytes(for id: StreamID, on channel: PeerChannel) -> Int {
        guard let first = pending.first, first.id == id, first.channel === channel else { return 0 }
        return connection?.measureHeldBytes() ?? 0
    }

    /// Asks the best destination.
    ///
    /// - Parameter make: makes the connection, which waits.
    func begin(_ make: (PeerChannel, StreamID) -> any TunnelConnection) throws(GatewayError) {
        guard askNext(), let first = pending.first else {
            if let refusal { throw tunnel.refused(for: refusal) }
            throw .notConnected(tunnel.destinations.first ?? tunnel.name)
        }
        connection = make(first.channel, first.id)
    }

    /// Asks the next destination; false when all were asked.
    private func askNext() -> Bool {
        while true {
            let next: OriginTunnel.Chosen
            switch tunnel.search(client: client, excluding: tried) {
            case .found(let found): next = found
            case .full(let why):
                (refusal, lastReason, lastCode) = (why, why.reason, .limit)
                return false
            case .none: return false
            }
            tried.insert(next.channel.peer.name)
            do throws(StreamError) {
                let id = try next.channel.openStream(
                    internalPort: next.internalPort, streamClass: tunnel.streamClass, share: tunnel.share, for: self)
                // It says who the client is, not what it sends: that waits.
                next.begin(id, head)
                pending.append(Asked(destination: next, id: id))
                isLastWait = false
                arm(after: Self.patience(with: next.channel))
                return true
            } catch { lastReason = "\(next.channel.peer.name): \(error)" }
        }
    }

    private static func patience(with channel: PeerChannel) -> Interval {
        let trip = channel.transport.pathSnapshots.first(where: \.isActive)?.roundTrip ?? .zero
        return max(min(trip * patienceTrips, mostPatience), channel.core.tuning.openPatience)
    }

    private func arm(after pause: Interval) {
        round &+= 1
        let bound = NIOLoopBound((self, round), eventLoop: tunnel.core.eventLoop)
        tunnel.core.eventLoop.scheduleTask(in: .nanoseconds(pause.nanoseconds)) {
            let (opening, round) = bound.value
            if opening.round == round, !opening.pending.isEmpty { opening.patienceIsOver() }
        }
    }

    private func patienceIsOver() {
        if let waiting = pending.last?.channel.peer.name {
            lastReason = "\(waiting) does not answer"
            tunnel.core.logger.debug(
                "destination does not answer: asking the next one",
                metadata: ["tunnel": "\(tunnel.name)", "destination": "\(waiting)"])
        }
        if isLastWait { return fail("no destination answers") }
        if askNext() { return }
        // All were asked: whoever answers first is still welcome.
        isLastWait = true
        arm(after: .nanoseconds(tunnel.core.connectTimeout.nanoseconds))
    }

    // MARK: Answers

    /// A destination has the stream.
    func onAccepted(by channel: PeerChannel, _ id: StreamID) { settle(channel, id) }

    /// A destination sent something on the stream, which it has then.
    func onReadable(on channel: PeerChannel, _ id: StreamID) {
        guard !channel.isReset(id) else {
            guard case .reset(let code) = channel.read(id) else { return }
            return onRefused(by: channel, id, code)
        }
        settle(channel, id)
    }

    private func settle(_ channel: PeerChannel, _ id: StreamID) {
        guard let asked = pending.first(where: { $0.channel === channel && $0.id == id }), let connection else {
            return
        }
        for other in pending where !(other.channel === channel && other.id == id) { other.channel.drop(other.id) }
        pending.removeAll()
        round &+= 1
        connection.settle(on: channel, id, asked.destination.compression)
        channel.setOwner(connection.owner, of: id)
        connection.resume()
    }

    /// A destination wants none of it.
    func onRefused(by channel: PeerChannel, _ id: StreamID, _ code: StreamCode) {
        guard remove(channel, id) else { return }
        (lastReason, lastCode) = ("\(channel.peer.name): \(code)", code)
        channel.drop(id)
        askAfterLoss()
    }

    /// The channel of a destination that was asked is no more.
    func onChannelClosed(_ channel: PeerChannel) {
        let count = pending.count
        pending.removeAll { $0.channel === channel }
        guard pending.count < count else { return }
        lastReason = "\(channel.peer.name) is gone"
        askAfterLoss()
    }

    private func askAfterLoss() {
        if !askNext(), pending.isEmpty { fail("no destination takes it") }
    }

    private func remove(_ channel: PeerChannel, _ id: StreamID) -> Bool {
        guard let index = pending.firstIndex(where: { $0.channel === channel && $0.id == id }) else { return false }
        pending.remove(at: index)
        return true
    }

    // MARK: Ends

    /// The destination that had the connection says that its target has not: asks the next one. False when there is none, or
    /// when the destination is of a version that may have passed bytes on.
    func retry(_ channel: PeerChannel, _ id: StreamID, _ code: StreamCode) -> Bool {
        guard [.refused, .unreachable, .limit].contains(code), tunnel.tellsTarget(channel), pending.isEmpty else {
            return false
        }
        (lastReason, lastCode) = ("\(channel.peer.name): \(code)", code)
        guard askNext() else { return false }
        channel.drop(id)
        return true
    }

    /// The client has gone.
    func cancel() {
        for each in pending { each.channel.drop(each.id) }
        end()
    }

    /// The tunnel was removed or changed: it is not for this connection any more.
    func onTunnelChanged() {
        for each in pending { each.channel.drop(each.id, code: .shutdown) }
        let connection = connection
        end()
        connection?.onChannelClosed(.tunnelChanged)
    }

    /// No destination takes the connection.
    private func fail(_ reason: String) {
        for each in pending { each.channel.drop(each.id) }
        let connection = connection
        end()
        if let refusal { tunnel.core.count(refusal) }
        tunnel.onOpeningFailed(lastReason.map { "\(reason): \($0)" } ?? reason)
        connection?.refuse(lastCode)
    }

    private func end() {
        pending.removeAll()
        connection = nil
        round &+= 1
    }
}

@available(*, unavailable)
extension TunnelOpening: Sendable {}
