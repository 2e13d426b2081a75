public import DXWire

/// An address at which a gateway may be reached (`docs/matchmaking.md` §6): where it was found, and how much it is worth.
public struct PathCandidate: Hashable, Sendable, BitwiseCopyable {
    /// How it was found. The raw values are those on the wire.
    public enum Kind: UInt8, Sendable, BitwiseCopyable, CaseIterable {
        /// An address of an interface.
        case host = 0
        /// As a matchmaker or a STUN server saw it.
        case serverReflexive = 1
        /// A port of the router's, mapped by request (PCP, NAT-PMP, UPnP).
        case portMapped = 2
        /// As the peer saw it, in a check; never sent in a blob.
        case peerReflexive = 3
        /// Another member forwards.
        case forwarded = 4
    }

    /// How it was found.
    public let kind: Kind
    /// Where others send to.
    public let endpoint: Endpoint
    /// Where the gateway itself sends from; of a peer's candidate, which does not tell, the same as `endpoint`.
    public let base: Endpoint
    /// Its worth, higher is better (`CandidatePriority`); at least 1.
    public let priority: UInt32

    /// A candidate of our own.
    public init(kind: Kind, endpoint: Endpoint, base: Endpoint, priority: UInt32) {
        self.kind = kind
        self.endpoint = endpoint
        self.base = base
        self.priority = max(1, priority)
    }

    /// A candidate of the peer's.
    public init(kind: Kind, endpoint: Endpoint, priority: UInt32) {
        self.init(kind: kind, endpoint: endpoint, base: endpoint, priority: priority)
    }
}

extension PathCandidate.Kind: CustomStringConvertible {
    /// For `explain` and logs.
    public var description: String {
        switch self {
        case .host: "host"
        case .serverReflexive: "server-reflexive"
        case .portMapped: "port-mapped"
        case .peerReflexive: "peer-reflexive"
        case .forwarded: "forwarded"
        }
    }
}
