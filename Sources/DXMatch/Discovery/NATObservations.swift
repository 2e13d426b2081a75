public import DXWire

/// At which outside endpoints servers saw one socket, in the order in which the requests were sent; and what that says of the
/// NAT (RFC 5780 §4.3). Pure.
public struct NATObservations: Sendable, Equatable {
    /// One answer to a Binding request.
    public struct Observation: Sendable, Equatable {
        /// The place of the request in the order of sending.
        public let order: Int
        /// Where the request was sent.
        public let server: Endpoint
        /// What the server saw.
        public let observed: Endpoint

        /// An answer with these fields.
        public init(order: Int, server: Endpoint, observed: Endpoint) {
            self.order = order
            self.server = server
            self.observed = observed
        }
    }

    /// The observations, by the order of sending; of each server endpoint the first.
    public private(set) var list: [Observation] = []

    /// The largest step that ports are said to follow one another by.
    public static let maximumStep = 16
    /// The furthest that a port may be from the one before: others use the NAT meanwhile. With ports at random two in a row are
    /// within it once in 250,000 times.
    static let maximumDistance = 64

    /// No observations.
    public init() {}

    /// Adds one; a second of the same server endpoint says nothing new and is left out.
    public mutating func add(_ observation: Observation) {
        guard !list.contains(where: { $0.server == observation.server }) else { return }
        list.insert(observation, at: list.firstIndex { $0.order > observation.order } ?? list.endIndex)
    }

    /// What outside endpoints depend on. `own` are the host's own endpoints.
    public func mapping(own: [Endpoint]) -> NATBehaviour.Mapping {
        guard !list.isEmpty else { return .unknown }
        if list.allSatisfy({ own.contains($0.observed) }) { return .none }
        func pairs(_ isWanted: (Observation, Observation) -> Bool) -> [(Observation, Observation)] {
            list.indices.flatMap { left in
                list[(left + 1)...].filter { isWanted(list[left], $0) }.map { (list[left], $0) }
            }
        }
        let samePlace = pairs { $0.server.hasSameAddress(as: $1.server) }
        let otherPlace = pairs { !$0.server.hasSameAddress(as: $1.server) }
        if samePlace.contains(where: { $0.0.observed != $0.1.observed }) { return .addressAndPortDependent }
        if otherPlace.contains(where: { $0.0.observed != $0.1.observed }) {
            // Without two ports of one address the worse of the two is assumed.
            return samePlace.isEmpty ? .addressAndPortDependent : .addressDependent
        }
        if !otherPlace.isEmpty { return .endpointIndependent }
        // One address alone: its ports agree, others are not known.
        return .unknown
    }

    /// How ports are chosen. One mapping tells no more than whether its port is the inside one.
    public func ports(own: [Endpoint]) -> NATBehaviour.PortRule {
        guard !list.isEmpty else { return .unknown }
        if list.allSatisfy({ seen in own.contains { $0.port == seen.observed.port } }) { return .preserved }
        var ports: [UInt16] = []
        // Each mapping once: several servers may see the same.
        for observation in list where !ports.contains(observation.observed.port) {
            ports.append(observation.observed.port)
        }
        guard ports.count > 1 else { return .unknown }
        // Two steps at the least: one alone may be chance.
        let steps = zip(ports, ports.dropFirst()).map { Int($1) - Int($0) }
        guard steps.count > 1 else { return .random }
        guard steps.allSatisfy({ abs($0) <= Self.maximumDistance }), Set(steps.map { $0.signum() }).count == 1 else {
            return .random
        }
        // What others took in between are whole steps too.
        let step = steps.reduce(0) { Self.commonDivisor($0, abs($1)) }
        guard step <= Self.maximumStep else { return .random }
        return .sequential(step: Int8(steps[0] < 0 ? -step : step))
    }

    private static func commonDivisor(_ left: Int, _ right: Int) -> Int {
        var (left, right) = (left, right)
        while right != 0 { (left, right) = (right, left % right) }
        return left
    }
}
