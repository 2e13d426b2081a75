import DXSecure
import DXStream
import DXWire
import NIOCore

/// A gateway's part in forwarding (`docs/wire-format.md` §6.13.1): sends what is for an endpoint that stands for a forwarded way over the
/// channel to that way's forwarder, takes what others passed on, and passes on itself where its own settings say so. Bound to the
/// gateway's event loop.
final class ForwardAgent {
    private unowned let core: GatewayCore
    /// What this gateway passes on.
    private var forwarder: Forwarder
    private var ways = ForwardWays()
    private var counts = Counts()
    /// The members by what messages call them; made anew when there are others.
    private var members: [PresenceTag: GatewayID]?

    /// What this gateway sent and got itself. They only rise.
    struct Counts: Hashable, Sendable {
        /// Datagrams given to a forwarder.
        var sent: UInt64 = 0
        /// Datagrams that one passed on to this gateway.
        var received: UInt64 = 0
        /// Not sent: the forwarder is gone, or the datagram is larger than the channel to it carries.
        var unsendable: UInt64 = 0
        /// Not taken: of no forwarder, of nobody known, or not by whom it names.
        var refused: UInt64 = 0
    }

    /// The part of a gateway that forwards at most so many bits a second, or not at all.
    init(core: GatewayCore, rate: UInt64?) {
        self.core = core
        forwarder = Forwarder(own: PresenceTag(core.secure.identity.gatewayID), rate: rate)
    }

    /// Whether this gateway forwards for others.
    var isWilling: Bool { forwarder.rate != nil }

    // MARK: Members

    /// There are other members than before.
    func membersChanged() { members = nil }

    /// A member is none any more.
    func forget(_ member: GatewayID) {
        members = nil
        ways.forget(member)
    }

    private func link(_ tag: PresenceTag) -> PeerLink? {
        if members == nil {
            members = Dictionary(
                core.peers.map { (PresenceTag($0.id), $0.id) }, uniquingKeysWith: { first, _ in first })
        }
        return members?[tag].flatMap { core.peersByID[$0] }
    }

    // MARK: Ways

    /// The name of the member through which a way leads; nil for any other endpoint.
    func forwarderName(of endpoint: Endpoint) -> String? {
        ways[endpoint].flatMap { core.peersByID[$0.forwarder]?.name }
    }

    /// What an endpoint is called in words: an address, or the member through which the way leads.
    func words(for endpoint: Endpoint) -> String {
        endpoint.isForwarded ? "through \(forwarderName(of: endpoint) ?? "a member")" : "\(endpoint)"
    }

    /// Whether something can be sent to such an endpoint now: the channel to its forwarder is up, and answers.
    func isUsable(_ endpoint: Endpoint) -> Bool { channel(towards: endpoint).map { !$0.isSilent } ?? false }

    /// What the channel to the forwarder carries in one message, in bytes of the datagram inside.
    func capacity(towards endpoint: Endpoint) -> Int {
        (channel(towards: endpoint)?.transport.messageCapacity ?? 0) - ForwardMessage.headByteCount
    }

    private func channel(towards endpoint: Endpoint) -> PeerChannel? {
        guard let way = ways[endpoint], let channel = core.peersByID[way.forwarder]?.channel, !channel.isForwarded
        else { return nil }
        return channel
    }

    /// Members that forward and say that they have a direct channel with the peer, as endpoints; also those that have said nothing of
    /// their channels yet.
    func ways(to peer: GatewayID) -> [Endpoint] {
        guard let group = core.group else { return [] }
        let tag = PresenceTag(peer)
        let able = core.peers.filter { $0.id != peer && $0.forwardsForOthers }
            .map { (tag: PresenceTag($0.id), id: $0.id) }.sorted { $0.tag < $1.tag }
        let helpful = able.filter { member in
            group.presence.notes[member.tag]?.links.contains { $0.member == tag && $0.kind != .forwarded } ?? true
        }
        return helpful.compactMap { endpoint(ForwardWays.Way(forwarder: $0.id, peer: peer)) }
    }

    private func endpoint(_ way: ForwardWays.Way) -> Endpoint? {
        ways.endpoint(of: way) { [core] in Set(core.sessions.map(\.remote)) }
    }

    /// Peers that are reached through a member.
    func peers(through member: GatewayID) -> [PeerLink] {
        core.peers.filter { peer in
            peer.channel?.sessionInUse.flatMap { ways[$0.remote] }?.forwarder == member
        }
    }

    /// Whether the channel to a member carries what is forwarded, for this gateway or by it.
    func needs(_ member: GatewayID, now: Instant) -> Bool {
        forwarder.isServing(PresenceTag(member), now: now) || !peers(through: member).isEmpty
    }

    // MARK: Sending

    /// Sends a datagram of at most so many bytes, which `fill` writes, over the channel to the forwarder. It is dropped when there is
    /// none; what is inside makes good for it, or finds another way.
    func send<Failure: Error>(
        to endpoint: Endpoint, maximumByteCount: Int, fill: (inout OutputRawSpan) throws(Failure) -> Void
    ) throws(Failure) {
        guard let way = ways[endpoint], let channel = channel(towards: endpoint),
            maximumByteCount <= channel.transport.messageCapacity - ForwardMessage.headByteCount
        else {
            counts.unsendable &+= 1
            return
        }
        let member = PresenceTag(way.peer)
        let message = try ForwardMessage.make(member, maximumByteCount: maximumByteCount, fill: fill)
        guard let message else { return }
        counts.sent &+= 1
        send(.pass, message, on: channel)
    }

    private func send(_ flow: ForwardMessage.Flow, _ message: ByteBuffer, on channel: PeerChannel) {
        // It has ended, or the peer takes no messages: what is lost is made good elsewhere.
        try? channel.transport.sendMessage(flow: flow.rawValue, message, now: core.currentTime())
        core.mark(channel)
    }

    // MARK: Receiving

    /// A member sent a message. Flows of later versions are skipped.
    func receive(_ flow: UInt64, _ message: ByteBuffer, from channel: PeerChannel) {
        switch ForwardMessage.Flow(rawValue: flow) {
        case .pass: passOn(message, from: channel)
        case .passed: take(message, from: channel)
        case nil: break
        }
    }

    private func passOn(_ message: ByteBuffer, from channel: PeerChannel) {
        let named = ForwardMessage.member(of: message)
        let receiver = named.flatMap(link)?.channel.flatMap { $0.isSilent ? nil : $0 }
        let refusal = forwarder.judge(
            message.readableBytes, from: neighbour(channel), to: named, receiver.map(neighbour),
            now: core.currentTime())
        guard refusal == nil, let receiver else { return }
        send(.passed, ForwardMessage.naming(PresenceTag(channel.peer.id), in: message), on: receiver)
    }

    private func neighbour(_ channel: PeerChannel) -> Forwarder.Neighbour {
        Forwarder.Neighbour(
            tag: PresenceTag(channel.peer.id), isForwarded: channel.isForwarded,
            capacity: channel.transport.messageCapacity, queued: channel.transport.queuedMessageByteCount)
    }

    private func take(_ message: ByteBuffer, from channel: PeerChannel) {
        guard !channel.isForwarded, channel.peerCapabilities & Bind.forwards != 0,
            let peer = ForwardMessage.member(of: message).flatMap(link), peer !== channel.peer,
            let source = endpoint(ForwardWays.Way(forwarder: channel.peer.id, peer: peer.id)),
            core.receiveForwarded(ForwardMessage.datagram(of: message), from: source, of: peer.id)
        else {
            counts.refused &+= 1
            return
        }
        counts.received &+= 1
    }

    // MARK: Status

    /// What was not passed on, by reason.
    var refusals: [Forwarder.Refusal: UInt64] { forwarder.statistics.refused }

    /// What it has done; nil when there is nothing to tell.
    func status() -> ForwardingStatus? {
        guard isWilling || counts != Counts() else { return nil }
        let passed = forwarder.statistics
        return ForwardingStatus(
            isWilling: isWilling, rateBitsPerSecond: forwarder.rate,
            pairs: forwarder.pairCount(now: core.currentTime()),
            datagramsPassed: passed.datagrams, bytesPassed: passed.bytes,
            refused: Dictionary(passed.refused.map { ($0.key.rawValue, $0.value) }, uniquingKeysWith: &+),
            datagramsSent: counts.sent, datagramsReceived: counts.received, datagramsUnsendable: counts.unsendable,
            datagramsRefused: counts.refused)
    }
}

@available(*, unavailable)
extension ForwardAgent: Sendable {}

extension PeerLink {
    /// Whether the peer forwards for others, and is reached directly itself.
    fileprivate var forwardsForOthers: Bool {
        guard let channel, !channel.isSilent, !channel.isForwarded else { return false }
        return channel.peerCapabilities & Bind.forwards != 0
    }
}

extension PeerChannel {
    /// Whether any part of it goes through another member: such a channel carries nothing for others.
    var isForwarded: Bool { sessions.contains { $0.remote.isForwarded } }
}
