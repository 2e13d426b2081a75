import DXWire

/// Ways through other members and the endpoints that stand for them (`Endpoint.forwarded`). Pure.
///
/// **Limits.** `most` ways; at the limit those that nobody uses are forgotten.
struct ForwardWays: Sendable {
    /// A peer, and the member that forwards.
    struct Way: Hashable, Sendable {
        let forwarder: GatewayID
        let peer: GatewayID
    }

    private var endpoints: [Way: Endpoint] = [:]
    private var ways: [Endpoint: Way] = [:]
    private var next: UInt64 = 1

    static let most = 4_096

    /// The way that an endpoint stands for; nil for any other endpoint.
    subscript(endpoint: Endpoint) -> Way? { ways[endpoint] }

    /// The endpoint that stands for a way; nil when there are too many. A number is never given twice.
    ///
    /// - Parameter used: the endpoints that sessions are over; asked for at the limit only.
    mutating func endpoint(of way: Way, used: () -> Set<Endpoint>) -> Endpoint? {
        if let known = endpoints[way] { return known }
        if ways.count >= Self.most {
            let used = used()
            ways = ways.filter { used.contains($0.key) }
            endpoints = endpoints.filter { ways[$0.value] != nil }
            guard ways.count < Self.most else { return nil }
        }
        let endpoint = Endpoint.forwarded(number: next)
        next &+= 1
        endpoints[way] = endpoint
        ways[endpoint] = way
        return endpoint
    }

    /// Forgets those to and through a member that is none any more.
    mutating func forget(_ member: GatewayID) {
        for (way, endpoint) in endpoints where way.forwarder == member || way.peer == member {
            endpoints[way] = nil
            ways[endpoint] = nil
        }
    }
}
