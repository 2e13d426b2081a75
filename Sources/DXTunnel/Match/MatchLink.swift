import DXMatch
import DXSecure
import DXWire
import NIOCore

/// One matchmaker and one registration there: the machine that speaks with it, its looked-up addresses, and the members that are
/// listed under the same tag. Bound to the gateway's event loop.
final class MatchLink {
    /// Under which tag.
    enum Purpose: Hashable {
        /// The group's, in the epoch with this secret's name.
        case group(epoch: Bytes32)
    }

    /// What a member is registered as.
    struct Listing {
        var tag: MemberTag
        var address: Endpoint
        var content: BlobContent
    }

    let server: Matchmaker
    let purpose: Purpose
    let epoch: EpochSecret
    var client: MatchClient<OpenSSLMatchClient>
    /// Who is listed, as far as its blob is a member's.
    private(set) var listings: [GatewayID: Listing] = [:]
    /// Those of the roster that is being read.
    private var fresh: Set<GatewayID> = []
    /// The addresses of its name, and when they are looked up again.
    private(set) var addresses: [Endpoint] = []
    private var isResolving = false
    private(set) var resolvesAt: Instant = .zero
    /// When it is given up: an epoch that is over is kept for those who are late.
    var endsAt: Instant = .distantFuture
    /// The last thing that went wrong, told once.
    var problem: String?

    /// Names are looked up again so often: a matchmaker that moved is found within minutes, for one question.
    private static let resolveInterval = Interval.seconds(120)
    private static let resolveRetry = Interval.seconds(5)
    /// Members remembered, as many as a matchmaker lists of a group.
    private static let mostListings = 10_000

    init(_ server: Matchmaker, epoch: EpochSecret, client: MatchClient<OpenSSLMatchClient>) {
        self.server = server
        self.epoch = epoch
        self.client = client
        purpose = .group(epoch: epoch.secret.name)
    }

    /// Whether a registration is in force.
    var isRegistered: Bool { client.state == .registered }

    // MARK: Addresses

    /// Looks its name up when that is due; `changed` when there are other addresses than before.
    func resolveIfDue(on eventLoop: any EventLoop, now: Instant, changed: @escaping (MatchLink) -> Void) {
        guard !isResolving, resolvesAt <= now else { return }
        isResolving = true
        let bound = NIOLoopBound((self, changed), eventLoop: eventLoop)
        NameResolver.resolve(server.address, on: eventLoop).whenComplete { result in
            let (link, changed) = bound.value
            link.isResolving = false
            let time = MonotonicClock.now()
            switch result {
            case .success(let found):
                link.resolvesAt = time + Self.resolveInterval
                guard !found.isEmpty, found != link.addresses else { return }
                link.addresses = found
                changed(link)
            case .failure(let error):
                link.resolvesAt = time + Self.resolveRetry
                // What it had before is as good as ever.
                if link.addresses.isEmpty { link.problem = "\(error)" }
            }
        }
    }

    // MARK: Members

    /// Takes a part of the roster, of which the blobs were opened.
    func take(_ peers: [Listing], isFirst: Bool, isLast: Bool) {
        if isFirst { fresh.removeAll() }
        for peer in peers {
            take(peer)
            fresh.insert(peer.content.gatewayID)
        }
        if isLast { listings = listings.filter { fresh.contains($0.key) } }
    }

    /// Takes one member, whatever told of it. What is older than what is held is no news.
    func take(_ peer: Listing) {
        let id = peer.content.gatewayID
        if let held = listings[id], held.tag == peer.tag, held.content.revision > peer.content.revision { return }
        guard listings[id] != nil || listings.count < Self.mostListings else { return }
        listings[id] = peer
    }

    /// A member is none any more.
    func forget(_ member: GatewayID) { listings[member] = nil }

    /// Whoever is listed under this tag.
    func listing(tag: MemberTag) -> Listing? { listings.values.first { $0.tag == tag } }
}

@available(*, unavailable)
extension MatchLink: Sendable {}
