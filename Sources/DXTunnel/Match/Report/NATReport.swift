internal import DXMatch

/// How a network treats UDP, in words and for programs (`docs/matchmaking.md` §8).
public struct NATReport: Sendable, Hashable, Codable {
    /// Whether UDP passes.
    public enum UDP: String, Sendable, Hashable, Codable {
        /// Answers came.
        case works
        /// Nothing answers by UDP, though other things work.
        case blocked
        /// Nothing answers at all, or nobody was asked.
        case unknown
    }

    /// What an outside address, or who may come in, depends on.
    public enum Dependence: String, Sendable, Hashable, Codable {
        /// Of mapping: nothing is translated.
        case none
        /// On nothing.
        case endpointIndependent = "endpoint_independent"
        /// On the other end's address.
        case addressDependent = "address_dependent"
        /// On the other end's address and port.
        case addressAndPortDependent = "address_and_port_dependent"
    }

    /// How outside ports are chosen.
    public enum Ports: String, Sendable, Hashable, Codable {
        /// The inside port.
        case preserved
        /// One after the other.
        case sequential
        /// No rule was found.
        case random
    }

    /// Whether UDP passes.
    public var udp: UDP
    /// The usual name, such as `port-restricted cone NAT`.
    public var kind: String
    /// What the outside address depends on; nil when that is not known.
    public var mapping: Dependence?
    /// What it depends on who may come in; nil when that is not known.
    public var filtering: Dependence?
    /// How ports are chosen; nil when that is not known.
    public var ports: Ports?
    /// The step of ports that follow one another.
    public var portStep: Int?
    /// Whether hosts behind it reach each other by their outside addresses; nil when that was not found out.
    public var hairpin: Bool?
    /// What that means, in a sentence.
    public var meaning: String

    /// A report of `behaviour`.
    init(_ behaviour: NATBehaviour) {
        udp =
            switch behaviour.transport {
            case .works: .works
            case .blocked: .blocked
            case .unknown: .unknown
            }
        kind = behaviour.usualName
        mapping =
            switch behaviour.mapping {
            case .unknown: nil
            case .none: Dependence.none
            case .endpointIndependent: .endpointIndependent
            case .addressDependent: .addressDependent
            case .addressAndPortDependent: .addressAndPortDependent
            }
        filtering =
            switch behaviour.filtering {
            case .unknown: nil
            case .endpointIndependent: .endpointIndependent
            case .addressDependent: .addressDependent
            case .addressAndPortDependent: .addressAndPortDependent
            }
        switch behaviour.ports {
        case .unknown: break
        case .preserved: ports = .preserved
        case .sequential(let step): (ports, portStep) = (.sequential, Int(step))
        case .random: ports = .random
        }
        hairpin = behaviour.hairpins
        meaning = behaviour.description
    }

    private enum CodingKeys: String, CodingKey {
        case udp, kind, mapping, filtering, ports
        case portStep = "port_step"
        case hairpin, meaning
    }
}

extension NATReport {
    /// The words of RFC 4787 for it; empty where there is nothing to say.
    public var standardName: String {
        func words(_ dependence: Dependence?, _ what: String) -> String? {
            guard let dependence, dependence != .none else { return nil }
            return "\(dependence.rawValue.split(separator: "_").joined(separator: "-")) \(what)"
        }
        return [words(mapping, "mapping"), words(filtering, "filtering")].compactMap { $0 }.joined(separator: ", ")
    }
}
