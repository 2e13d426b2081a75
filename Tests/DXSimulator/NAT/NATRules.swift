public import DXWire

/// How a simulated NAT, or a firewall without translation, treats UDP. The axes are independent of one another, in the words
/// of RFC 4787; presets have the names that the lab's types have (`docs/matchmaking.md` §8).
public struct NATRules: Sendable {
    /// What of a destination makes a difference (RFC 4787 §4.1, §5).
    public enum Scope: Sendable, CaseIterable {
        /// Nothing: one mapping, or one permission, for all.
        case endpointIndependent
        /// Its address.
        case addressDependent
        /// Its address and its port.
        case addressAndPortDependent
    }

    /// How the port of a new mapping is chosen (RFC 4787 §4.2).
    public enum Ports: Sendable, Equatable {
        /// The inside port, or the next free one when another inside host has it.
        case preserve
        /// The one after the last, `step` on.
        case sequential(step: UInt16)
        /// Any free one.
        case random
    }

    /// Which datagrams keep a mapping alive (RFC 4787 §4.3).
    public enum Refresh: Sendable {
        /// Those from inside.
        case outbound
        /// All that pass.
        case both
    }

    /// Whether addresses are translated; a firewall only filters.
    public var translates = true
    /// When a new mapping is made.
    public var mapping = Scope.endpointIndependent
    /// Who may send to a mapping.
    public var filtering = Scope.addressAndPortDependent
    /// How ports are chosen.
    public var ports = Ports.random
    /// The ports to choose from, unless they are preserved.
    public var range: ClosedRange<UInt16> = 1_024...65_535
    /// Whether a datagram from inside to the box's own outside address comes back in.
    public var hairpins = false
    /// How long a mapping, or a permission, lives unused. RFC 4787 asks for two minutes.
    public var timeout = Interval.seconds(120)
    /// What keeps it alive.
    public var refresh = Refresh.outbound
    /// Whether UDP passes at all.
    public var passesUDP = true

    /// Rules with these axes, the others as they are given above.
    public init(
        mapping: Scope = .endpointIndependent, filtering: Scope = .addressAndPortDependent, ports: Ports = .random
    ) {
        self.mapping = mapping
        self.filtering = filtering
        self.ports = ports
    }

    /// "Full cone".
    public static let cone = NATRules(filtering: .endpointIndependent)
    /// "Restricted cone".
    public static let restricted = NATRules(filtering: .addressDependent)
    /// "Port-restricted cone".
    public static let portRestricted = NATRules()
    /// "Symmetric", with ports that nobody can tell.
    public static let symmetric = NATRules(mapping: .addressAndPortDependent)
    /// "Symmetric", with ports that follow one another.
    public static let symmetricSequential = NATRules(mapping: .addressAndPortDependent, ports: .sequential(step: 1))
    /// The kernel's `masquerade`: the inside port, to everyone.
    public static let linux = NATRules(ports: .preserve)
    /// The kernel's `masquerade fully-random`.
    public static let linuxRandom = NATRules(mapping: .addressAndPortDependent)
    /// A stateful firewall of an IPv6 network: addresses stay, strangers are kept out.
    public static let firewall: NATRules = {
        var rules = NATRules(ports: .preserve)
        rules.translates = false
        return rules
    }()

    /// The same rules with others in some places.
    public func with(_ change: (inout NATRules) -> Void) -> NATRules {
        var rules = self
        change(&rules)
        return rules
    }
}
