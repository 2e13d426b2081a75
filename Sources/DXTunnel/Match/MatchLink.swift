import DXMatch
import DXSecure
import DXSocket
import DXWire
import NIOCore

/// One matchmaker and one registration there: the machine that speaks with it, its looked-up addresses, and the members that are
/// listed under the same tag. Bound to the gateway's event loop.
final class MatchLink {
    /// Under which tag.
    enum Purpose: Hashable {
        /// The group's, in the epoch with this secret's name, under a match key with this public half.
        case group(epoch: Bytes32, key: PublicKey)
        /// That of invitations with the join veil of this name: who has a token, and who made it, meet under it.
        case invitations(Bytes32)
        /// That of this gateway and the one with this key: where a member that slept and an admin meet.
        case pair(PublicKey)

        /// Whether it is the group's, of which all are members that have an epoch in common.
        var isOfGroup: Bool { if case .group = self { true } else { false } }
        /// Whether whoever has a token may be under it.
        var isOfInvitations: Bool { if case .invitations = self { true } else { false } }
        /// Whether it is a return tag.
        var isOfPair: Bool { if case .pair = self { true } else { false } }
    }

    /// What a member is registered as.
    struct Listing {
        var tag: MemberTag
        var address: Endpoint
        var content: BlobContent
        /// What it was read from.
        var blob: [UInt8]
        /// By which it was signed.
        var key: PublicKey
        /// The newest epoch that it has, where it says so.
        var epoch: UInt64?
    }

    let server: MatchmakerAddress
    let purpose: Purpose
    /// Whose group may register.
    let matchKey: Identity
    /// The tag at this matchmaker, and who is under it.
    let groupTag: GroupTag
    /// Our key there.
    let memberKey: Identity
    /// Our pseudonym there.
    let memberTag: MemberTag
    /// What seals the blobs of all who are under the tag.
    let blobSecret: VeilSecret
    var client: MatchClient<OpenSSLMatchClientCryptography>
    /// Who is listed, as far as its blob is a member's.
    private(set) var listings: [GatewayID: Listing] = [:]
    /// Those of the roster that is being read.
    private var fresh: Set<GatewayID> = []
    /// The addresses of its name, and when they are looked up again.
    private(set) var addresses: [Endpoint] = []
    private var isResolving = false
    private var resolvesAt: Instant = .zero
    /// When it is given up: an epoch that is over is kept for those who are late.
    var endsAt: Instant = .distantFuture
    /// The last thing that went wrong, told once.
    var problem: String?

    /// Names are looked up again so often: a matchmaker that moved is found within minutes, for one question.
    private static let resolveInterval = Interval.seconds(120)
    private static let resolveRetry = Interval.seconds(5)
    /// Members remembered, as many as a matchmaker lists of a group.
    private static let mostListings = 10_000

    /// A link that knows no address yet.
    ///
    /// - Parameters:
    ///   - groupTag: 16 bytes, of this matchmaker.
    ///   - kept: a ticket of an earlier run.
    ///   - seed: another one for each.
    /// - Throws: `cryptography` when OpenSSL fails.
    init(
        _ server: MatchmakerAddress, purpose: Purpose, matchKey: Identity, groupTag: [UInt8], blobSecret: VeilSecret,
        identity: Identity, keepalive: Interval, kept: MatchTicket?, seed: UInt64, now: Instant
    ) throws(SecureError) {
        self.server = server
        self.purpose = purpose
        self.matchKey = matchKey
        self.groupTag = GroupTag(bytes: groupTag)
        self.blobSecret = blobSecret
        memberKey = try identity.memberKey(pin: server.pin, groupTag: groupTag)
        let cryptography = try OpenSSLMatchClientCryptography(pin: server.pin)
        memberTag = cryptography.memberTag(of: PublicPoint(memberKey.publicKey))
        var configuration = MatchClientConfiguration(pin: server.pin, seed: seed)
        configuration.keepalive = keepalive
        client = MatchClient(
            configuration, matchKey: matchKey, cryptography: cryptography, kept: kept, now: now)
    }

    /// Where the matchmaker sees this gateway, and at which address of ours it answers.
    var observed: (endpoint: Endpoint, base: Endpoint)? {
        client.currentListing.map { ($0.observed, $0.base) }
    }

    // MARK: Blobs

    /// What is registered: the candidates, signed and sealed.
    ///
    /// - Parameter epoch: the newest that this gateway has.
    func seal(_ content: BlobContent, _ identity: Identity, epoch: UInt64) throws(SecureError) -> [UInt8] {
        let addition: MemberBlob.Addition =
            switch purpose {
            case .group: .none
            case .invitations: .key
            case .pair: .epoch(epoch)
            }
        return try MemberBlob.seal(content, by: identity, memberTag: memberTag, secret: blobSecret, addition)
    }

    /// What a blob says; nil unless a gateway that `publicKey` knows sealed and signed it. It gets the gateway's id and the key
    /// that the blob tells, if it tells one.
    func open(_ peer: MatchPeer, publicKey: (GatewayID, PublicKey?) -> PublicKey?) -> Listing? {
        // Told by several, and again and again: one look is enough.
        if let held = listings.values.first(where: { $0.tag == peer.memberTag }), held.blob == peer.blob {
            var same = held
            same.address = peer.address
            return same
        }
        let opened = MemberBlob.open(
            peer.blob, memberTag: peer.memberTag, secret: blobSecret, publicKey: publicKey)
        return opened.map { opened in
            Listing(
                tag: peer.memberTag, address: peer.address, content: opened.content, blob: peer.blob, key: opened.key,
                epoch: opened.epoch)
        }
    }

    /// Whether it is to go on.
    var isWanted: Bool { endsAt == .distantFuture }

    /// Whether a registration is in force.
    var isRegistered: Bool { client.currentListing != nil }

    // MARK: Addresses

    /// When its name is looked up again: not while it is being looked up, nor once it is given up.
    var nextLookUp: Instant { isResolving || !isWanted ? .distantFuture : resolvesAt }

    /// Looks its name up when that is due; `changed` when there are other addresses than before.
    ///
    /// - Parameter own: where it is found from here when it is this gateway's own. No name is asked for then: from here its public
    ///   address may lead nowhere.
    func resolveIfDue(
        at gate: LoopGate, own: [Endpoint]? = nil, now: Instant, changed: @escaping (MatchLink) -> Void
    ) {
        guard nextLookUp <= now else { return }
        isResolving = true
        let bound = NIOLoopBound((self, changed), eventLoop: gate.eventLoop)
        let lookUp =
            own.map { gate.eventLoop.makeSucceededFuture($0) } ?? NameResolver.resolve(server, at: gate)
        lookUp.whenComplete { result in
            let (link, changed) = bound.value
            link.isResolving = false
            let time = MonotonicClock.now()
            switch result {
            case .success(let found):
                link.resolvesAt = time + Self.resolveInterval
                // Their order may be by chance, each time another one.
                guard !found.isEmpty, Set(found) != Set(link.addresses) else { return }
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
