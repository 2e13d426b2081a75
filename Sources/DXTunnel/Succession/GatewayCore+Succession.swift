import DXSecure
import DXSocket
import DXStream
import DXWire
import Glibc
import Logging
import NIOCore

/// One start of the gateway follows another without a break (`docs/restart.md`): what the earlier one does on its event loops.
extension GatewayCore {
    /// How far an earlier start is.
    enum Succession {
        /// There is no other.
        case none
        /// The peers are told; everything else is as before.
        case announced
        /// Sockets, listeners and the group are the other's; this one is left to its connections.
        case yielded
    }

    /// So long the peers have to say that they know; those that have not will take the other start for a restart after a crash. They call it
    /// later than that (`PeerLink.onSuccession`).
    private static let patience = Interval.milliseconds(500)
    /// So long streams are taken that peers begin before they are with the other start.
    private static let lateStreams = Interval.seconds(10)

    /// Another start takes over, or has.
    var isSucceeded: Bool { succession != .none }

    /// Whether peers have not left for the other start yet, as far as that is known.
    var hasPeersLeft: Bool {
        succession == .yielded && peers.contains { $0.channel.map { $0.followsSuccessor && !$0.isLeft } ?? false }
    }

    /// Whether peers may still begin connections here.
    var takesStreams: Bool { yieldedAt.map { currentTime() - $0 < Self.lateStreams } ?? true }

    /// Who may use the gateway: whoever may not any more, to an earlier start, is cut off there.
    func follow(_ standing: Standing) {
        guard succession == .yielded, !isStopping else { return }
        relay?.tell(standing)
        let now = currentTime()
        for peer in peers where !standing.peers.contains(peer.id) {
            peer.cut(now: now)
            peersByID[peer.id] = nil
        }
        peers.removeAll { !standing.peers.contains($0.id) }
        secure.knownPeers = secure.knownPeers.intersection(standing.peers)
        for tunnel in origins where !standing.tunnels.contains(tunnel.wireName) { tunnel.remove() }
        origins.removeAll { !standing.tunnels.contains($0.wireName) }
        for tunnel in destinations where !standing.tunnels.contains(tunnel.wireName) { tunnel.remove() }
        destinations.removeAll { !standing.tunnels.contains($0.wireName) }
    }

    /// Tells the earlier start who may use the gateway now.
    func tellStanding() {
        relay?.tell(
            Standing(
                peers: Set(peers.map(\.id)), tunnels: Set(origins.map(\.wireName) + destinations.map(\.wireName))))
    }

    /// The event loop's UDP sockets, for the other start: duplicates.
    ///
    /// - Throws: `GatewayError.system` when there are no descriptors for them.
    func leaveSockets() throws(GatewayError) -> [InheritedSocket] {
        guard let socket else { throw .notRunning }
        let sockets = socket.descriptors
        guard Set(sockets.compactMap(\.local)).isSuperset(of: socket.localEndpoints) else {
            for socket in sockets { close(socket.descriptor) }
            throw .system("there are no file descriptors to leave the sockets with")
        }
        return sockets
    }

    /// Tells the peers that another start takes over. The future completes when all have heard it, or cannot.
    func announceSuccession() -> EventLoopFuture<Void> {
        guard succession == .none, !isStopping else { return eventLoop.makeSucceededVoidFuture() }
        succession = .announced
        rehearsal?.end(.draining)
        let heard = peers.compactMap(\.channel).filter(\.followsSuccessor).map { channel in
            channel.send(.succession)
            let promise = eventLoop.makePromise(of: Interval.self)
            let expiry = eventLoop.scheduleTask(in: .nanoseconds(Self.patience.nanoseconds)) {
                promise.fail(GatewayError.noAnswer(""))
            }
            promise.futureResult.whenComplete { _ in expiry.cancel() }
            // What is asked after the message is answered after it was read.
            channel.ping(promise)
            return promise.futureResult
        }
        return EventLoopFuture.andAllComplete(heard, on: eventLoop)
    }

    /// Adds the event loop's listeners to what is left to the other start, and gives up what only one of the two can be: the
    /// future completes when nothing of the group is to be written any more.
    func yield(to bequest: inout Bequest) -> EventLoopFuture<Void> {
        succession = .yielded
        yieldedAt = currentTime()
        for tunnel in origins {
            for (place, descriptor, isListening) in tunnel.leaveListeners() {
                bequest.listeners.append(
                    Bequest.Listener(
                        tunnel: tunnel.wireName, address: "\(place.address)", offset: place.offset,
                        isListening: isListening, place: bequest.add(descriptor)))
            }
        }
        socket?.stopReceiving()
        for tunnel in destinations { tunnel.stopChecking() }
        // Its book of ways has what the links to matchmakers hold.
        let saved = group?.stop() ?? eventLoop.makeSucceededVoidFuture()
        match?.leave()
        match = nil
        lan?.stop()
        lan = nil
        // A peer that does not know what a successor is, or is reached through another member, whose words for it are the other start's now,
        // has to find the gateway restarted.
        for channel in peers.compactMap(\.channel) where !channel.followsSuccessor || channel.isForwarded {
            channel.transport.close(.shutdown, reason: "the gateway is restarting", now: currentTime())
            mark(channel)
        }
        turn()
        let checked = networkCheck?.stop() ?? eventLoop.makeSucceededVoidFuture()
        return checked.and(saved).map { _ in }
    }

    /// The other start has ended, and with it what it read for this one.
    func successorEnded() {
        // Of one that was never given anything nothing depends.
        guard !isStopping, succession == .yielded else { return }
        logger.warning("the start that took over has ended: so does this one")
        onSuccessorEnded?()
    }

    /// Datagrams that came to the other start, or to another event loop's socket.
    func receiveHandedOver(_ datagrams: [LoopNeighbour.Datagram]) {
        guard socket != nil else { return }
        isHandedOver = true
        for datagram in datagrams {
            var bytes = datagram.bytes
            var span = bytes.mutableSpan
            var raw = unsafe span.mutableBytes
            received(&raw, from: datagram.source, local: datagram.local, ecn: datagram.ecn, now: currentTime())
        }
        isHandedOver = false
        // Of a start before this one.
        relay?.flush()
        turn()
    }

    // MARK: The later start

    /// Gives up what an earlier start left and nobody wants here, after a while.
    func settleInheritance() {
        guard let inheritance else { return }
        tellStanding()
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.scheduleTask(in: .nanoseconds(tuning.inheritedPatience.nanoseconds)) {
            inheritance.closeRest()
            bound.value.inheritance = nil
            bound.value.retryListeners()
            for tunnel in bound.value.origins { tunnel.refuseWaiting() }
        }
    }
}

extension PeerChannel {
    /// Whether the peer keeps this channel for its connections when another start of this gateway takes over.
    var followsSuccessor: Bool { peerCapabilities & Bind.followsSuccessor != 0 && transport.isOpen }
}
