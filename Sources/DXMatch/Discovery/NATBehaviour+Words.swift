extension NATBehaviour {
    /// The name that most people know it by: those of RFC 3489 ("full cone", "symmetric"), which RFC 4787 replaced and everybody
    /// still uses.
    public var usualName: String {
        switch transport {
        case .unknown: return "not known"
        case .blocked: return "no UDP"
        case .works: break
        }
        switch mapping {
        case .unknown: return "NAT of a kind that is not known"
        case .none:
            switch filtering {
            case .endpointIndependent, .unknown: return "no NAT"
            case .addressDependent, .addressAndPortDependent: return "no NAT, but a firewall"
            }
        case .endpointIndependent:
            switch filtering {
            case .endpointIndependent: return "full cone NAT"
            case .addressDependent: return "restricted cone NAT"
            case .addressAndPortDependent: return "port-restricted cone NAT"
            case .unknown: return "cone NAT"
            }
        case .addressDependent, .addressAndPortDependent:
            switch ports {
            case .sequential: return "symmetric NAT, ports in sequence"
            case .preserved, .random, .unknown: return "symmetric NAT"
            }
        }
    }
}
