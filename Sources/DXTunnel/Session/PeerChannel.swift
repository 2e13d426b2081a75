import DXSecure
import DXStream
import DXWire
import Logging
import NIOCore

/// The message channel to one peer: the transport, the sessions it uses as paths, and who owns each stream.
///
/// Bound to the gateway's event loop. Commands mark the channel for the gateway's next turn, in which it is drained: packets
/// first, then events, until both are dry.
final class PeerChannel {
    let core: GatewayCore
    let peer: PeerLink
    /// The numbers of the two ends (`docs/wire-format.md` §4).
    let localHalf: UInt64
    let remoteHalf: UInt64
    var transport: MessageChannel
    /// The sessions that carry it.
    var sessions: [ChannelSession] = []
    /// Whether both ends keep several paths.
    let keepsPaths: Bool
    /// Bytes of tunnel data held of it, when they were measured last.
    var heldByteCount = 0
    /// It waits for the gateway's next turn.
    var isMarked = false
    /// Why it ended.
    private(set) var end: ChannelEnd?
    let since: Instant
    /// What the peer's newest BIND says that it can (`docs/wire-format.md` §4).
    var peerCapabilities: UInt64 = 0

    /// Another start of the peer takes over: this channel is left to its streams.
    var isSucceeded = false
    /// The peer is with the other start of this gateway, or was told of it, and knows it.
    var isLeft = false
    /// The peer was told that its other start has everything.
    var hasToldLeft = false
    /// What it had carried when the channel of that start took its place, which is counted; nil before.
    var counted: ChannelStatistics?

    /// Paths that a newer session replaces.
    var replaced: [PathID] = []
    /// Where several paths are kept: those that a newer session over the same two addresses replaces, by its number.
    var predecessors: [PathID: [PathID]] = [:]
    /// What there is of UDP flows.
    var flows = FlowState()
    /// The origins of UDP tunnels by the internal ports that the peer has for them.
    var flowOrigins: [UInt32: UDPOrigin] = [:]
    private(set) var owners: [StreamID: StreamOwner] = [:]
    var messageReader = TunnelMessageReader()
    var blocks: [UInt32: ListenerBlock] = [:]
    var requests: [UInt64: OriginTunnel] = [:]
    var nextRequest: UInt64 = 1
    /// When the silence that began at `since` is to be looked at again.
    var holdCheck: (since: Instant, at: Instant)?
    var echoes: [UInt64: (sentAt: Instant, promise: EventLoopPromise<Interval>)] = [:]

    /// Listener blocks that a peer may have at a time: one per tunnel, and a file with more than this is a mistake.
    static let maximumBlocks = 4_096
    /// Pings on the way at a time.
    static let maximumEchoes = 64

    init(
        core: GatewayCore, peer: PeerLink, localHalf: UInt64, remoteHalf: UInt64, bind: Bind, now: Instant
    ) {
        self.core = core
        self.peer = peer
        self.localHalf = localHalf
        self.remoteHalf = remoteHalf
        since = now
        var configuration = peer.channelConfiguration
        let mode = bind.capabilities & Bind.keepsPaths != 0 ? core.pathRules.multipath.mode : nil
        keepsPaths = mode != nil
        configuration.multipath = mode ?? .single
        transport = MessageChannel(
            role: peer.role, configuration: configuration, peerParameters: bind.parameters,
            random: RandomSource(seed: core.random.next()), now: now)
        setKeepalive(core.channelKeepalive)
        refreshHold()
    }

    /// A PING goes out at least so often, and three times within the time after which the peer counts as gone.
    func setKeepalive(_ interval: Interval) {
        transport.setKeepalive(min(interval, (transport.agreedIdleTimeout ?? .max) / 3))
    }

    /// Who looks after a stream.
    enum StreamOwner {
        /// A TCP connection.
        case tcp(TCPBridge)
        /// The embedding program.
        case program(ProgramBridge)
        /// What the origin says of the client has not arrived whole.
        case beginning(HeadedStream)
        /// The connection to the target is being made, and what will carry it, once the target is looked up.
        case connecting(DestinationTunnel, TCPBridge?)
        /// A destination is being looked for, here among others.
        case opening(TunnelOpening)
        /// The exchange of the group's document.
        case group(GroupStream)
    }

    /// What this gateway has set up for a tunnel of the peer's.
    struct ListenerBlock {
        let tunnel: DestinationTunnel
        /// What its streams are like.
        let features: ActivationTerms.Features
    }

    // MARK: Commands of stream owners

    /// The time for the transport, which must not go back.
    var now: Instant { core.currentTime() }

    /// How many bytes a stream takes now.
    func writableByteCount(_ id: StreamID) -> Int { transport.writableByteCount(id) }

    /// Sends bytes; nothing happens on a stream that has ended.
    func write(_ bytes: ByteBuffer, to id: StreamID) {
        try? transport.write(bytes, to: id, now: now)
        core.mark(self)
    }

    /// Sends FIN; nothing happens on a stream that has ended.
    func finish(_ id: StreamID) {
        try? transport.finish(id, now: now)
        core.mark(self)
    }

    /// Takes what comes next.
    func read(_ id: StreamID) -> StreamRead {
        let result = transport.read(id, now: now)
        if case .none = result { return result }
        core.mark(self)
        return result
    }

    /// Gives up both halves.
    func abort(_ id: StreamID, code: StreamCode) {
        transport.reset(id, code: code, now: now)
        transport.stop(id, code: code, now: now)
        core.mark(self)
    }

    // MARK: Streams

    /// Opens a stream to a listener block of the peer. `makeOwner` is called with its id before anything can happen on it.
    func openStream(
        internalPort: UInt32, streamClass: StreamClass, share: Int, makeOwner: (StreamID) -> StreamOwner
    ) throws(StreamError) -> StreamID {
        let id = try transport.openStream(
            internalPort: internalPort, streamClass: streamClass, share: UInt16(clamping: share), now: now)
        owners[id] = makeOwner(id)
        core.mark(self)
        return id
    }

    /// Opens a stream of which `opening` hears whether the peer takes it.
    func openStream(
        internalPort: UInt32, streamClass: StreamClass, share: Int, for opening: TunnelOpening
    ) throws(StreamError) -> StreamID {
        let id = try transport.openStream(
            internalPort: internalPort, streamClass: streamClass, share: UInt16(clamping: share),
            tellsAcceptance: true, now: now)
        owners[id] = .opening(opening)
        core.mark(self)
        return id
    }

    /// Hands a stream over to another owner: the target accepted.
    func setOwner(_ owner: StreamOwner, of id: StreamID) { if owners[id] != nil { owners[id] = owner } }

    /// Gives a stream up of which nobody wants to hear any more.
    func drop(_ id: StreamID, code: StreamCode = .aborted) {
        owners[id] = nil
        abort(id, code: code)
    }

    /// Whether the peer has reset its half, and that was not read yet.
    func isReset(_ id: StreamID) -> Bool { transport.isReset(id) }

    /// Whether the stream still has an owner: it has not ended.
    func isOwned(_ id: StreamID) -> Bool { owners[id] != nil }

    /// Whether it is the peer's channel: paths are looked for, and new streams go over it.
    var isCurrent: Bool { peer.channel === self }

    /// Streams open now.
    var streamCount: Int { owners.count }

    /// Those of them that are connections through tunnels.
    var connectionCount: Int {
        owners.values.count { if case .group = $0 { false } else { true } }
    }

    private func accept(_ frame: OpenFrame) {
        if frame.internalPort == GroupStream.internalPort, let stream = core.group?.accept(frame.id, on: self) {
            owners[frame.id] = .group(stream)
            return
        }
        guard core.takesStreams else { return abort(frame.id, code: .shutdown) }
        guard let block = blocks[frame.internalPort] else {
            core.complain(
                "stream refused: unknown internal port",
                ["peer": peer.name, "internal_port": "\(frame.internalPort)"], limit: &peer.complaints)
            core.drops.unknownInternalPort &+= 1
            core.auditRefusal(tunnel: "", role: .destination, peer: peer.name, reason: "unknown internal port")
            abort(frame.id, code: .refused)
            return
        }
        guard block.features.contains(.head) else {
            owners[frame.id] = .connecting(block.tunnel, nil)
            return block.tunnel.accept(frame.id, StreamBeginning(features: block.features), on: self)
        }
        let stream = HeadedStream(tunnel: block.tunnel, features: block.features)
        owners[frame.id] = .beginning(stream)
        readHead(stream, of: frame.id)
    }

    /// More of a stream has come whose head is awaited.
    private func readHead(_ stream: HeadedStream, of id: StreamID) {
        switch stream.read(id, on: self) {
        case .none: break
        case .head(let beginning):
            owners[id] = .connecting(stream.tunnel, nil)
            stream.tunnel.accept(id, beginning, on: self)
        case .ended: abort(id, code: .refused)
        case .broken:
            core.complain(
                "stream refused: it does not begin as agreed", ["peer": peer.name, "tunnel": stream.tunnel.name],
                limit: &peer.complaints)
            abort(id, code: .refused)
        }
    }

    // MARK: Events

    /// Handles all events of the transport; false when there was none.
    @discardableResult
    func drainEvents(now: Instant) -> Bool {
        var hadEvents = false
        while let event = transport.pollEvent() {
            hadEvents = true
            handle(event, now: now)
        }
        return hadEvents
    }

    private func handle(_ event: DXStream.ChannelEvent, now: Instant) {
        switch event {
        case .readable(let id): onReadable(id)
        case .writable(let id):
            switch owners[id] {
            case .tcp(let bridge): bridge.onWritable()
            case .program(let bridge): bridge.onWritable()
            case .group(let stream): stream.pump()
            case .beginning, .connecting, .opening, nil: break
            }
        case .streamAccepted(let id): if case .opening(let opening) = owners[id] { opening.onAccepted(by: self, id) }
        case .streamOpened(let frame): accept(frame)
        case .stopped(let id, let code):
            switch owners[id] {
            case .tcp(let bridge): bridge.onStopped(code)
            case .program(let bridge): bridge.onStopped(code)
            case .group(let stream): stream.end()
            case .opening(let opening): opening.onRefused(by: self, id, code)
            // Whoever waits for a head or the target finds out when it asks the stream.
            case .beginning, .connecting, nil: break
            }
        case .streamEnded(let id): owners[id] = nil
        case .controlReadable: readControl()
        case .pathDoubted: peer.onPathDoubted(self)
        case .pathSuspect:
            setDoubted(true)
            peer.onPathSuspect(self, now: now)
        case .pathDown(let id):
            core.logger.info(
                "path does not answer",
                metadata: ["peer": "\(peer.name)", "address": "\(session(of: id)?.remote.description ?? "")"])
            if keepsPaths, let remote = session(of: id)?.remote {
                core.events.post(.pathDown(peer: peer.name, address: remote.description))
            }
            if isCurrent { peer.pathEnded(id, now: now) }
        case .pathUp(let id): if isCurrent, let session = session(of: id) { peer.pathReturned(session, now: now) }
        case .pathValidated(let id): onPathValidated(id)
        case .pathRetired(let id): detach(id)
        case .closed(let end): onClosed(end, now: now)
        case .message(let flow, let bytes):
            guard let direction = FlowDirection(rawValue: flow) else {
                return core.forwarding.receive(flow, bytes, from: self)
            }
            receiveFlow(direction, bytes)
        case .streamsAvailable: break
        }
    }

    private func onReadable(_ id: StreamID) {
        switch owners[id] {
        case .tcp(let bridge): bridge.onReadable()
        case .program(let bridge): bridge.onReadable()
        case .group(let stream): stream.onReadable()
        case .beginning(let stream): readHead(stream, of: id)
        case .opening(let opening): opening.onReadable(on: self, id)
        case .connecting, nil: break
        }
    }

    private func onClosed(_ end: ChannelEnd, now: Instant) {
        self.end = end
        let abandoned = owners
        owners.removeAll()
        for owner in abandoned.values {
            switch owner {
            case .tcp(let bridge): bridge.onChannelClosed(.channelLost)
            case .program(let bridge): bridge.onChannelClosed(.channelLost)
            case .group(let stream): stream.end()
            case .opening(let opening): opening.onChannelClosed(self)
            case .connecting(_, let bridge): bridge?.onGivenUp(.channelLost)
            case .beginning: break
            }
        }
        for echo in echoes.values { echo.promise.fail(GatewayError.notConnected(peer.name)) }
        echoes.removeAll()
        endFlows()
        let withoutBlock = blocks.values.map(\.tunnel)
        blocks.removeAll()
        for tunnel in withoutBlock { tunnel.onBlockGone() }
        requests.removeAll()
        peer.onChannelEnded(self, end, now: now)
    }

    /// A call made because the channel was silent failed too: no new connection goes there until it is heard again.
    private(set) var isSuspended = false

    /// Keeps new connections away, or lets them in again.
    func setSuspended(_ suspended: Bool) {
        guard isSuspended != suspended else { return }
        isSuspended = suspended
        core.setSuspended(suspended, self)
        core.events.post(suspended ? .peerSilent(peer: peer.name) : .peerHeard(peer: peer.name))
        core.logger.info(
            suspended ? "peer is silent: new connections are refused" : "peer is heard again",
            metadata: ["peer": "\(peer.name)"])
    }

    /// The path in use has not answered probes, one after the other: new connections go elsewhere, if they can.
    private(set) var isDoubted = false

    private func setDoubted(_ doubted: Bool) {
        guard isDoubted != doubted else { return }
        isDoubted = doubted
        core.refreshOrigins()
    }

    /// Something came: whether it answers again.
    func reviewDoubt() { if isDoubted, !isSilent { setDoubted(false) } }

    /// The peer is about to stop: new connections go elsewhere.
    var isPeerLeaving = false

    /// Tells the peer that this gateway is about to stop, or not any more.
    func tellLeaving(_ isLeaving: Bool) { send(.leaving(isLeaving)) }

    /// Whether the path in use has not answered probes, one after the other.
    var isSilent: Bool { transport.pathSnapshots.contains { $0.isActive && $0.probeCount >= 2 } }

    // MARK: The end of tunnels

    /// Ends the flows over the channel, at both ends.
    private func endFlows() {
        for block in blocks.values { block.tunnel.udp?.endFlows(on: self) }
        flowOrigins.removeAll()
        core.drops.flowIncomplete &+= flows.assembler.abandoned
        flows = FlowState()
    }

    /// Ends all streams of a tunnel, or those of clients that came at one address.
    func endStreams(of usage: TunnelUsage, from entrance: ListenerPlace? = nil) {
        for (id, owner) in owners {
            switch owner {
            case .tcp(let bridge):
                guard bridge.usage === usage, entrance == nil || bridge.entrance == entrance else { continue }
                shutDown(id)
                bridge.onChannelClosed(.tunnelChanged)
            case .program(let bridge):
                guard bridge.usage === usage, entrance == nil else { continue }
                shutDown(id)
                bridge.onChannelClosed(.tunnelChanged)
            case .beginning(let stream):
                guard stream.tunnel.usage === usage, entrance == nil else { continue }
                shutDown(id)
            case .connecting(let tunnel, let bridge):
                guard tunnel.usage === usage, entrance == nil else { continue }
                bridge?.onGivenUp(.tunnelChanged)
                // A target that is reached later has no connection any more.
                drop(id, code: .shutdown)
            // Those that have a connection waiting are ended with it.
            case .opening(let opening):
                guard opening.usage === usage, entrance == nil || opening.entrance == entrance else { continue }
                opening.onTunnelChanged()
            case .group: break
            }
        }
    }

    /// Says that the tunnel is the reason, before the connection gives its stream up for none: what is said first counts. Not as
    /// refused: bytes may have reached the target.
    private func shutDown(_ id: StreamID) { abort(id, code: .shutdown) }
}

@available(*, unavailable)
extension PeerChannel: Sendable {}
