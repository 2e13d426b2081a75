import DXMatch
import DXSecure
import DXWire
import Logging
import NIOCore

/// What a gateway writes down to find the others after a restart (`docs/state-directory.md` §6).
extension GroupAgent {
    /// The socket is open at this port.
    func startReach(port: UInt16?) {
        let now = core.currentTime()
        if isReachRefused { core.logger.warning("where members were reached last cannot be read: it is begun anew") }
        if let calendar { reach.expire(calendar: calendar) }
        if let port, port != reach.port {
            reach.port = port
            reachPace.want(now: now)
        }
    }

    /// A member is there.
    func noteReached(_ peer: GatewayID, at remote: Endpoint, from base: Endpoint?) {
        introductions.forget(peer)
        let place = ReachBook.Place(remote: remote, base: base, heardAt: Timestamp.now().wholeSeconds)
        guard reach.note(peer, place), !isStopped else { return }
        reachPace.want(now: core.currentTime())
        rearm()
    }

    /// The ticket of an earlier run, which nobody else gets.
    func takeTicket(of matchmaker: GatewayID, _ key: PublicKey) -> MatchTicket? {
        reach.takeTicket(
            ReachBook.TicketName(pin: matchmaker, matchKey: key), calendar: Timestamp.now().wholeSeconds)
    }

    /// A matchmaker gave a ticket, or the numbers of one must be kept: the next run must not use those of this one.
    func noteTicket() {
        guard !isStopped else { return }
        reachPace.want(isUrgent: true, now: core.currentTime())
        rearm()
    }

    /// After a minute, whatever the pace of changes is: a full disk has room again, and status says so long what is no more.
    private func saveReachAgain() {
        let bound = NIOLoopBound(self, eventLoop: core.eventLoop)
        core.eventLoop.scheduleTask(in: .seconds(60)) {
            let agent = bound.value
            if !agent.isStopped, agent.saveProblems[.reach] != nil { agent.saveReach() }
        }
    }

    /// Writes the book, with what links hold now. That it could not be written is told once; it is tried again after a minute.
    func saveReach() {
        let now = core.currentTime()
        let calendar = Timestamp.now().wholeSeconds
        reachPace.wrote(now: now)
        var book = reach
        for peer in core.peers where peer.isHeard { book.heard(peer.id, at: calendar) }
        book.keepPlaces { core.peersByID[$0] != nil }
        reach = book
        // Those that a link has are its own until it ends.
        for link in core.match?.links ?? [] where link.isWanted && !link.purpose.isOfPair {
            guard let ticket = link.client.exportTicket(now: now) else { continue }
            let name = ReachBook.TicketName(pin: link.server.pin, matchKey: link.matchKey.publicKey)
            book.keep(ticket, for: name, calendar: calendar)
        }
        let bound = NIOLoopBound(self, eventLoop: core.eventLoop)
        writer.save(reach: ReachFile.bytes(book)).whenComplete { result in
            let agent = bound.value
            guard case .failure(let error) = result else {
                agent.saveProblems[.reach] = nil
                return
            }
            if agent.saveProblems[.reach] == nil {
                agent.core.warn("where members were reached is not saved, and tried again", ["error": "\(error)"])
            }
            agent.saveProblems[.reach] = "\(error)"
            agent.saveReachAgain()
        }
    }
}
