import DXMatch
import DXSecure
import DXWire

/// A registration that a `MatchPlan` wants.
struct WantedRegistration {
    var server: MatchmakerAddress
    var purpose: MatchLink.Purpose
    /// What it takes; nil when some key is none. Made only where there is no link yet: it costs a scalar multiplication or two.
    var place: (MatchAgent) throws(SecureError) -> Place?

    /// Where at a matchmaker, and how sealed.
    struct Place {
        var matchKey: Identity
        var groupTag: [UInt8]
        var blobSecret: VeilSecret
    }

    /// Whether a link is for it.
    func isServed(by link: MatchLink) -> Bool { link.server == server && link.purpose == purpose }
}

/// Who registers what (`docs/matchmaking.md` §6).
extension MatchAgent {
    /// What the plan wants, that of the group first.
    var wantedRegistrations: [WantedRegistration] { ofGroup + ofInvitations + ofPairs }

    private var ofGroup: [WantedRegistration] {
        guard let epoch = plan.epochs.last, let key = try? plan.key?.identity() else { return [] }
        return plan.servers.map { server in
            WantedRegistration(server: server, purpose: .group(epoch: epoch.secret.name, key: key.publicKey)) { _ in
                WantedRegistration.Place(
                    matchKey: key, groupTag: epoch.secret.groupTag(pin: server.pin), blobSecret: epoch.secret)
            }
        }
    }

    private var ofInvitations: [WantedRegistration] {
        guard let seed = plan.rendezvous?.bytes, let rendezvous = Rendezvous(joinSeed: seed),
            let veil = VeilSecret(joinSeed: seed)
        else { return [] }
        return plan.servers.map { server in
            WantedRegistration(server: server, purpose: .invitations(veil.name)) { _ throws(SecureError) in
                WantedRegistration.Place(
                    matchKey: try rendezvous.matchKey(pin: server.pin), groupTag: rendezvous.tag(pin: server.pin),
                    blobSecret: veil)
            }
        }
    }

    private var ofPairs: [WantedRegistration] {
        plan.pairs.flatMap { key in
            plan.servers.map { server in
                WantedRegistration(server: server, purpose: .pair(key)) { agent throws(SecureError) in
                    guard let id = key.gatewayID, agent.host.key(ofPeer: id) == key,
                        let secret = agent.secret(with: id)
                    else { return nil }
                    return WantedRegistration.Place(
                        matchKey: try secret.returnKey(pin: server.pin), groupTag: secret.returnTag(pin: server.pin),
                        blobSecret: secret.returnSecret)
                }
            }
        }
    }
}
