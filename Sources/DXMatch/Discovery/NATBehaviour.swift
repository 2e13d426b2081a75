/// What is known of the way from a gateway's socket to the internet, in one family (RFC 4787, RFC 5780): of its NAT, or of the
/// firewall in its place.
public struct NATBehaviour: Hashable, Sendable, BitwiseCopyable {
    /// Whether, and by what of a destination, the outside endpoint changes.
    public enum Mapping: UInt8, Sendable, BitwiseCopyable, CaseIterable {
        /// Not known.
        case unknown = 0
        /// The outside endpoint is the socket's own.
        case none = 1
        /// One for all destinations.
        case endpointIndependent = 2
        /// One for each address.
        case addressDependent = 3
        /// One for each address and port.
        case addressAndPortDependent = 4
    }

    /// Who may send to an outside endpoint.
    public enum Filtering: UInt8, Sendable, BitwiseCopyable, CaseIterable {
        /// Not known.
        case unknown = 0
        /// Everybody.
        case endpointIndependent = 1
        /// Addresses that were sent to.
        case addressDependent = 2
        /// Addresses and ports that were sent to.
        case addressAndPortDependent = 3
    }

    /// How the ports of new mappings follow one another.
    public enum PortRule: Hashable, Sendable, BitwiseCopyable {
        /// Not known.
        case unknown
        /// The inside port.
        case preserved
        /// Each so far from the one before: -16 to 16, not 0.
        case sequential(step: Int8)
        /// No rule was found.
        case random
    }

    /// Whether UDP passes at all.
    public enum Transport: UInt8, Sendable, BitwiseCopyable {
        /// Not known: nothing answers, neither by UDP nor otherwise.
        case unknown = 0
        /// Answers came.
        case works = 1
        /// Nothing answers by UDP, though other things work.
        case blocked = 2
    }

    /// Whether UDP passes.
    public var transport: Transport
    /// How outside endpoints are chosen.
    public var mapping: Mapping
    /// Who may come in.
    public var filtering: Filtering
    /// How ports are chosen.
    public var ports: PortRule
    /// Whether hosts behind it reach each other by their outside endpoints; nil when it was not found out.
    public var hairpins: Bool?

    /// The behaviour with these parts; what is left out is not known.
    public init(
        transport: Transport = .works, mapping: Mapping = .unknown, filtering: Filtering = .unknown,
        ports: PortRule = .unknown, hairpins: Bool? = nil
    ) {
        self.transport = transport
        self.mapping = mapping
        self.filtering = filtering
        self.ports = ports
        self.hairpins = hairpins
    }

    /// Nothing is known.
    public static let unknown = NATBehaviour(transport: .unknown)
    /// The internet without anything between.
    public static let open = NATBehaviour(mapping: .none, filtering: .endpointIndependent, ports: .preserved)
    /// No UDP.
    public static let blocked = NATBehaviour(transport: .blocked)

    /// Whether the peer can be told at which endpoint this side will be seen.
    public var isForeseeable: Bool {
        switch mapping {
        case .none, .endpointIndependent: true
        case .unknown, .addressDependent, .addressAndPortDependent: false
        }
    }

    // MARK: For the peer

    /// The form in a blob (`docs/matchmaking.md` §6), 16 bits from the lowest: mapping (3), filtering (2), transport (2),
    /// hairpin (2: 0 unknown, 1 no, 2 yes), port rule (2: 0 unknown, 1 preserved, 2 sequential, 3 random), step (5: -16 to 15,
    /// 0 stands for 16).
    public var bits: UInt16 {
        var result = UInt16(mapping.rawValue) | UInt16(filtering.rawValue) &<< 3 | UInt16(transport.rawValue) &<< 5
        result |= (hairpins.map { $0 ? 2 : 1 } ?? 0) &<< 7
        switch ports {
        case .unknown: break
        case .preserved: result |= 1 &<< 9
        case .sequential(let step):
            // 16 has the same five bits as -16; 0 is free for it.
            let field = step == 16 ? 0 : UInt16(truncatingIfNeeded: Int16(step)) & 31
            result |= 2 &<< 9 | field &<< 11
        case .random: result |= 3 &<< 9
        }
        return result
    }

    /// Reads the form of a blob; values that have no meaning become "not known".
    public init(bits: UInt16) {
        func field(_ shift: UInt16, _ width: UInt16) -> UInt16 { bits &>> shift & ((1 &<< width) - 1) }
        mapping = Mapping(rawValue: UInt8(field(0, 3))) ?? .unknown
        filtering = Filtering(rawValue: UInt8(field(3, 2))) ?? .unknown
        transport = Transport(rawValue: UInt8(field(5, 2))) ?? .unknown
        hairpins = [nil, false, true, nil][Int(field(7, 2))]
        switch field(9, 2) {
        case 1: ports = .preserved
        case 2:
            let step = Int8(field(11, 5))
            ports = .sequential(step: step == 0 ? 16 : step > 15 ? step - 32 : step)
        case 3: ports = .random
        default: ports = .unknown
        }
    }
}

extension NATBehaviour: CustomStringConvertible {
    /// A sentence for people: what is there, and what that means.
    public var description: String {
        switch transport {
        case .unknown: return "not known: nothing answered"
        case .blocked: return "this network lets no UDP out"
        case .works: break
        }
        let rule =
            switch ports {
            case .unknown: ""
            case .preserved: ", with the port of the inside"
            case .sequential(let step): ", ports follow one another by \(step)"
            case .random: ", ports are drawn at random"
            }
        let mapped =
            switch mapping {
            case .unknown: "it is not known how addresses are translated"
            case .none: "no address translation"
            case .endpointIndependent: "easy NAT: one outside address for all destinations\(rule)"
            case .addressDependent: "hard NAT: another outside address for each destination address\(rule)"
            case .addressAndPortDependent: "hard NAT: another outside address for each destination\(rule)"
            }
        let filtered =
            switch filtering {
            case .unknown: "it is not known who may come in"
            case .endpointIndependent: "everybody may come in"
            case .addressDependent: "addresses that were sent to may come in"
            case .addressAndPortDependent: "only what was sent to, address and port, may come in"
            }
        let turned = hairpins.map {
            $0 ? "; neighbours reach each other by it" : "; neighbours do not reach each other by it"
        }
        return "\(mapped); \(filtered)\(turned ?? "")"
    }
}
