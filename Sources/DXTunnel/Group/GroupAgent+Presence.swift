import DXSecure
import DXWire
import NIOCore

/// Who is there, and who has heard of what.
extension GroupAgent {
    /// Tells what this gateway sees of others.
    func notePresence() {
        let now = core.currentTime()
        let links = core.peers.compactMap { peer -> PresenceNote.Link? in
            guard let channel = peer.channel, !channel.isSilent else { return nil }
            return PresenceNote.Link(member: PresenceTag(peer.id), kind: channel.pathKind, isTwice: peer.twin != nil)
        }
        presence.setLinks(now, links, calendar: UInt64(Timestamp.now().wholeSeconds))
        if let epoch = followedEpoch { presence.setReached(epoch, now: now) }
    }

    /// The newest epoch that this gateway has, when all that it and those before keep out are cut off here.
    private var followedEpoch: UInt64? {
        guard let newest = state.epochs.last, epochs.contains(where: { $0.number == newest.number }),
            !state.epochs.contains(where: { epoch in epoch.removes.contains { state.member($0) != nil } })
        else { return nil }
        return newest.number
    }

    /// The members' tags, for what is said of others to be forgotten.
    func followMembers() {
        presence.setMembers(Set(state.members.compactMap { ids[$0.record.key] }.map(PresenceTag.init)))
    }

    /// What is known of where a member is.
    func presence(of member: GroupState.Member, hops: [PresenceTag: Int]) -> GroupMember.Presence {
        guard let id = ids[member.record.key] ?? member.record.key.gatewayID else { return GroupMember.Presence() }
        let tag = PresenceTag(id)
        var result = GroupMember.Presence()
        result.online = hops[tag] != nil
        result.hops = hops[tag]
        result.version = member.id == self.member ? DXVersion.current : presence.notes[tag]?.version
        result.epoch = presence.reached[tag]
        if let channel = core.peersByID[id]?.channel { result.path = channel.pathKind }
        let witnesses = presence.seenTwice(tag)
        if !witnesses.isEmpty {
            result.twiceAt = state.members.filter { other in
                ids[other.record.key].map { witnesses.contains(PresenceTag($0)) } ?? (other.id == self.member)
            }.map(\.name)
        }
        if !result.online {
            result.lastSeen = presence.lastHeard(tag).map {
                Timestamp(claimed: $0)
            }
        }
        return result
    }

    // MARK: Waiting for others

    /// Waits until all members that are there have followed the group to its newest epoch, at most `patience`; the names of
    /// those that have not, and of those that are not there, but for the one that was cut off and has no hardware.
    func waitForFollowers(except cut: String? = nil, patience: Interval) -> EventLoopFuture<[String]> {
        let promise = core.eventLoop.makePromise(of: [String].self)
        let until = core.currentTime() + patience
        let bound = NIOLoopBound(self, eventLoop: core.eventLoop)
        @Sendable func look() {
            let agent = bound.value
            let missing = agent.membersBehind().filter { $0.name != cut }
            guard missing.contains(where: \.isThere), agent.core.currentTime() < until else {
                return promise.succeed(missing.map(\.name))
            }
            agent.core.eventLoop.scheduleTask(in: .milliseconds(50), look)
        }
        look()
        return promise.futureResult
    }

    /// Members that have not followed the group to its newest epoch, as far as is known here.
    private func membersBehind() -> [(name: String, isThere: Bool)] {
        guard let epoch = state.epochs.last?.number else { return [] }
        let hops = presence.hops()
        return state.members.compactMap { member in
            guard member.id != self.member, let id = ids[member.record.key] else { return nil }
            let tag = PresenceTag(id)
            guard presence.reached[tag] ?? 0 < epoch else { return nil }
            return (member.name, hops[tag] != nil)
        }
    }
}

extension PeerChannel {
    /// What kind of path it uses.
    var pathKind: PathKind {
        sessionInUse?.pathKind ?? .direct
    }
}
