public import DXWire

/// What is never sent to, whoever names it, and what is tried only when all else has been.
///
/// A candidate is a wish of somebody else's: without this a member could have us send to our own services, to all hosts of a
/// network at once, or to whoever has an address in our network that the peer has in its own.
public struct CandidateFilter: Sendable {
    /// Addresses of this host; ports count where it says so.
    public var ownEndpoints: [Endpoint]
    /// The networks that this host is in.
    public var ownNetworks: [AddressPrefix]
    /// Whether loopback and this host's own addresses are sent to (two gateways on one host; tests).
    public var allowsThisHost: Bool

    /// A filter for a host with these addresses and networks.
    public init(ownEndpoints: [Endpoint] = [], ownNetworks: [AddressPrefix] = [], allowsThisHost: Bool = false) {
        self.ownEndpoints = ownEndpoints
        self.ownNetworks = ownNetworks
        self.allowsThisHost = allowsThisHost
    }

    /// What becomes of a candidate.
    public enum Verdict: Sendable, Equatable {
        /// It is tried.
        case allowed
        /// A private address of a network that is not ours: most likely the peer's own, which nobody else reaches, or one that
        /// here belongs to somebody else. Tried last, and twice only.
        case reluctant
        /// It is never sent to.
        case refused(Reason)
    }

    /// Why a candidate is never sent to.
    public enum Reason: Sendable, Equatable {
        /// `Endpoint.isSendable` says no, or the range is nobody's.
        case unsendable
        /// The broadcast address of a network of ours.
        case broadcast
        /// Loopback.
        case loopback
        /// An address of this host's.
        case own
        /// A link-local address of which it is not known on which link.
        case linkUnknown
        /// A kind of address that a blob does not carry.
        case kind
        /// There are as many as are kept already, and better ones.
        case tooMany
    }

    /// Judges an address that the peer, or a matchmaker, names.
    public func judge(_ endpoint: Endpoint) -> Verdict {
        guard endpoint.isSendable else { return .refused(.unsendable) }
        let isOwn = ownEndpoints.contains { $0.hasSameAddress(as: endpoint) }
        if ownEndpoints.contains(endpoint) || (isOwn && !allowsThisHost) { return .refused(.own) }
        if ownNetworks.contains(where: { $0.isBroadcast(endpoint) }) { return .refused(.broadcast) }
        switch AddressScope(endpoint) {
        case .unusable: return .refused(.unsendable)
        case .loopback: return allowsThisHost ? .allowed : .refused(.loopback)
        // IPv6 says by its scope on which link it is; one without came from somewhere else.
        case .linkLocal: return endpoint.family == .v6 && endpoint.scope == 0 ? .refused(.linkUnknown) : .allowed
        case .privateNetwork: return ownNetworks.contains { $0.contains(endpoint) } ? .allowed : .reluctant
        case .global: return .allowed
        }
    }

    /// Whether a datagram may go from `base` to `endpoint`: of one family, loopback and link-local addresses only among
    /// themselves, and on one link.
    public static func canPair(base: Endpoint, endpoint: Endpoint) -> Bool {
        guard base.family == endpoint.family else { return false }
        let (here, there) = (AddressScope(base), AddressScope(endpoint))
        switch (here, there) {
        case (.linkLocal, .linkLocal): return base.scope == endpoint.scope
        case (.linkLocal, _), (_, .linkLocal): return false
        case (.loopback, .loopback): return true
        case (.loopback, _), (_, .loopback): return false
        default: return true
        }
    }
}

extension CandidateFilter.Reason: CustomStringConvertible {
    /// For `explain`.
    public var description: String {
        switch self {
        case .unsendable: "nothing can be sent to such an address"
        case .broadcast: "it is the broadcast address of a network of ours"
        case .loopback: "it is a loopback address"
        case .own: "it is an address of this host"
        case .linkUnknown: "it is link-local, on a link that is not known"
        case .kind: "a peer does not name such candidates"
        case .tooMany: "there are better ones, as many as are kept"
        }
    }
}
