import DXMatch
import DXSecure
import DXWire

/// Return tags (`docs/matchmaking.md` §6): a member that slept and an admin, which have no epoch in common for certain, meet under a
/// tag of their own. Both register there, whoever comes second finds the first, and asks for an introduction.
extension MatchAgent {
    /// A matchmaker makes so many handshakes at a time with an address; those of the group must not wait for these.
    private static let mostBeginning = 4
    /// Registrations for those who may come are refreshed so seldom: what wakes the NAT is the group's own.
    private static let expectingKeepalive = Interval.seconds(110)

    /// How often a registration is refreshed.
    func keepalive(_ purpose: MatchLink.Purpose) -> Interval {
        guard case .pair(let key) = purpose, !plan.returnsTo.contains(key) else { return keepalive }
        return max(keepalive, Self.expectingKeepalive)
    }

    /// Whether a registration has to wait for others to be done with.
    func isWaitingForOthers(_ link: MatchLink) -> Bool {
        guard link.purpose.isOfPair, !link.hasBegun else { return false }
        let beginning = links.count { other in
            other.purpose.isOfPair && other.server == link.server && other.isWanted
                && (other.client.state == .connecting || other.client.state == .registering)
        }
        return beginning >= Self.mostBeginning
    }

    /// Registers those that may begin now.
    func registerPairs(now: Instant) {
        for link in links where link.purpose.isOfPair && link.isWanted && !link.hasBegun {
            register(link, now: now)
        }
    }

    /// The group's registration at a matchmaker was made again: it may have been restarted, and has then forgotten the others too.
    func checkPairs(at server: MatchmakerAddress, now: Instant) {
        for link in links where link.purpose.isOfPair && link.server == server { link.client.checkBinding(now: now) }
    }

    /// Looks for a way to whoever is there under a return tag, wanted or not: one of the two has slept.
    func searchPair(_ link: MatchLink, now: Instant) {
        for peer in link.listings.keys where host.isSearched(peer) {
            searches[peer] = searches[peer] ?? PeerSearch(nextAt: now, wantedAt: now)
        }
    }

    /// Whether a peer is to be reached because it is there under a return tag.
    func isReturning(_ peer: GatewayID) -> Bool {
        links.contains { $0.purpose.isOfPair && $0.isWanted && $0.listings[peer] != nil }
    }

    /// What checks and calls to whoever was told of are veiled under; nil for the group's newest secret.
    func veil(of listing: MatchLink.Listing, at link: MatchLink) -> VeilNumber? {
        switch link.purpose {
        case .group: return nil
        // Here the join veil; there, the only one that it has.
        case .invitations: return plan.key == nil ? nil : .join
        case .pair:
            guard let theirs = listing.epoch, let ours = plan.epochs.last?.number, theirs < ours else { return nil }
            return host.veil(ofEpoch: theirs)
        }
    }
}

extension MatchLink {
    /// Whether a registration was asked for.
    fileprivate var hasBegun: Bool { client.memberTag != nil }
}
