import DXMatch
import DXSecure
import DXWire
import NIOCore

/// Members introduce members (`docs/matchmaking.md` §11): a neighbour that has channels with both passes on where each may be
/// reached, once each way. What it passes on it cannot read, and what was passed on goes no further.
extension GroupAgent {
    // MARK: Asking

    /// A peer is wanted and not reached: asks a neighbour that reaches it, if there is one and it is time.
    func introduce(_ peer: GatewayID) {
        let now = core.currentTime()
        guard introductions.mayAsk(for: peer, now: now), let secret = core.match?.secret(with: peer) else { return }
        let helpers = helpers(towards: peer)
        guard !helpers.isEmpty else { return }
        // Another one each time: the first may be a liar, or know the peer by a channel that is no more.
        let helper = helpers[introductions.failureCount(of: peer) % helpers.count]
        let number = core.random.next()
        guard tell(peer, number, isAnswer: false, secret, over: helper) else { return }
        introductions.asked(for: peer, number: number, now: now)
        settle()
    }

    /// Somebody may be there now who reaches those that are wanted.
    func introduceWanted() {
        for peer in core.peers where peer.isWanted && !peer.isHeard { introduce(peer.id) }
    }

    /// Neighbours that pass introductions on and say that they have a channel with the peer, in a certain order; as long as nobody
    /// says so, all of them: what members say of their channels is some seconds old.
    private func helpers(towards peer: GatewayID) -> [GroupStream] {
        let tag = PresenceTag(peer)
        let able = neighbours.compactMap { key -> (tag: PresenceTag, stream: GroupStream)? in
            guard let id = ids[key], id != peer, let stream = stream(to: key), stream.passesIntroductions else {
                return nil
            }
            return (PresenceTag(id), stream)
        }.sorted { $0.tag < $1.tag }
        let sure = able.filter { helper in
            presence.notes[helper.tag]?.links.contains { $0.member == tag } ?? false
        }
        return (sure.isEmpty ? able : sure).map(\.stream)
    }

    /// Has a neighbour pass on where this gateway may be reached.
    private func tell(
        _ peer: GatewayID, _ number: UInt64, isAnswer: Bool, _ secret: PairSecret, over helper: GroupStream
    ) -> Bool {
        guard let blob = core.match?.ownContent(now: core.currentTime()),
            let sealed = try? IntroductionContent(number: number, isAnswer: isAnswer, blob: blob).sealed(secret)
        else { return false }
        queue(.introduce(peer, sealed), to: helper.neighbour)
        return true
    }

    // MARK: Passing on

    /// A neighbour has something for another one.
    func passOn(to target: GatewayID, _ sealed: [UInt8], from stream: GroupStream) {
        guard let asker = ids[stream.neighbour], asker != target, let key = key(of: target),
            let other = self.stream(to: key), other.passesIntroductions
        else { return introductions.noteUnreachable() }
        guard introductions.mayPass(from: asker, to: target, now: core.currentTime()) else { return }
        // Where its NAT lets it out, which it need not know itself. An address of a link says nothing elsewhere.
        let observed = stream.channel.sessionInUse.map(\.remote).flatMap {
            $0.scope == 0 && !$0.isForwarded ? $0 : nil
        }
        queue(.introduced(asker, observed: observed, sealed), to: key)
    }

    // MARK: Being introduced

    /// A neighbour passes on what a member says.
    func receiveIntroduction(of peer: GatewayID, at observed: Endpoint?, _ sealed: [UInt8], from stream: GroupStream) {
        let now = core.currentTime()
        guard ids[stream.neighbour] != peer, core.peersByID[peer] != nil, let match = core.match,
            introductions.mayTake(from: peer, now: now)
        else { return }
        guard let secret = match.secret(with: peer),
            let content = IntroductionContent(sealed: sealed, by: peer, secret)
        else { return introductions.noteRefused() }
        if content.isAnswer {
            guard introductions.takeAnswer(content.number, from: peer, now: now) else { return }
        } else {
            guard introductions.isNew(content.number, from: peer) else { return }
            // First the answer: both are to begin at once.
            _ = tell(peer, content.number, isAnswer: true, secret, over: stream)
        }
        let name = core.peersByID.first { $0.value.id == ids[stream.neighbour] }?.value.name ?? "a member"
        match.meet(peer, content.blob, observed: observed, reason: "introduced by \(name)", now: now)
    }
}

extension GroupStream {
    /// Whether the member at the other end knows introductions.
    fileprivate var passesIntroductions: Bool { channel.peerCapabilities & Bind.takesIntroductions != 0 }
}
