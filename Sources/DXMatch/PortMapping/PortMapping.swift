public import DXWire

/// A protocol by which a router is asked for a port (`docs/matchmaking.md` §9), in the order in which they are tried.
public enum PortMappingProtocol: UInt8, CaseIterable, Sendable, CustomStringConvertible {
    /// Port Control Protocol, RFC 6887.
    case pcp
    /// NAT Port Mapping Protocol, RFC 6886; IPv4 only.
    case natPMP
    /// UPnP Internet Gateway Device, versions 1 and 2; IPv4 only.
    case upnp

    /// The name that users know.
    public var description: String {
        switch self {
        case .pcp: "PCP"
        case .natPMP: "NAT-PMP"
        case .upnp: "UPnP-IGD"
        }
    }
}

/// A UDP port that a router lets in.
public struct PortMapping: Hashable, Sendable {
    /// The port of this host that datagrams come to.
    public var internalPort: UInt16
    /// Where they are sent to from outside. Of an IPv6 pinhole the host's own address, usually.
    public var external: Endpoint
    /// How long the router keeps it from its answer on, 1 s to a day. It is asked for again long before that.
    public var lifetime: Interval
    /// By which protocol.
    public var via: PortMappingProtocol

    /// Whether the outside of this router is itself inside of another's (RFC 1918, 100.64/10): the internet does not reach
    /// that address, and it is no candidate.
    public var isBehindAnotherNAT: Bool { AddressScope(external) != .global }

    /// A mapping with these properties.
    public init(internalPort: UInt16, external: Endpoint, lifetime: Interval, via: PortMappingProtocol) {
        self.internalPort = internalPort
        self.external = external
        self.lifetime = lifetime
        self.via = via
    }
}

/// Why a router gave no port. Descriptions are for the user.
public enum PortMappingFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// Nothing answered.
    case silent
    /// The router speaks another version of the protocol, or only an older protocol.
    case unsupportedVersion
    /// The router's owner does not allow it.
    case notAuthorized
    /// The router has no room, or no port.
    case noResources
    /// The router has no address outside: it is not connected.
    case noExternalAddress
    /// The router refused with this code of its protocol.
    case refused(UInt16)
    /// The router said how long its refusal holds, and that time is not over.
    case refusedBefore
    /// The protocol is for IPv4 only.
    case wrongFamily
    /// A UPnP answer names another host than the router: it is not followed.
    case untrustedLocation
    /// The UPnP device has no service that maps ports.
    case noService
    /// An HTTP request failed, or its answer came too late or was no success.
    case requestFailed
    /// An answer could not be read.
    case malformed
    /// This host has another router, or another address.
    case networkChanged

    /// Whether it says nothing about what the router still has: it may only have been away.
    var isSilence: Bool { self == .silent || self == .requestFailed }

    /// A few words without a full stop.
    public var description: String {
        switch self {
        case .silent: "no answer"
        case .unsupportedVersion: "the router does not speak this version"
        case .notAuthorized: "the router does not allow it"
        case .noResources: "the router has no room for it"
        case .noExternalAddress: "the router has no address outside"
        case .refused(let code): "the router refused with code \(code)"
        case .refusedBefore: "the router asked not to be asked again yet"
        case .wrongFamily: "for IPv4 only"
        case .untrustedLocation: "an answer named another host than the router"
        case .noService: "the router has no service for it"
        case .requestFailed: "an HTTP request to the router failed"
        case .malformed: "the router's answer could not be read"
        case .networkChanged: "the network changed"
        }
    }
}

/// What each protocol failed with.
public struct PortMappingReasons: Hashable, Sendable, CustomStringConvertible {
    /// PCP.
    public var pcp: PortMappingFailure?
    /// NAT-PMP.
    public var natPMP: PortMappingFailure?
    /// UPnP-IGD.
    public var upnp: PortMappingFailure?

    /// None yet.
    public init(
        pcp: PortMappingFailure? = nil, natPMP: PortMappingFailure? = nil, upnp: PortMappingFailure? = nil
    ) {
        self.pcp = pcp
        self.natPMP = natPMP
        self.upnp = upnp
    }

    /// That of one protocol; nil when it was not tried.
    public subscript(_ one: PortMappingProtocol) -> PortMappingFailure? {
        get {
            switch one {
            case .pcp: pcp
            case .natPMP: natPMP
            case .upnp: upnp
            }
        }
        set {
            switch one {
            case .pcp: pcp = newValue
            case .natPMP: natPMP = newValue
            case .upnp: upnp = newValue
            }
        }
    }

    /// "PCP: no answer; NAT-PMP: no answer; UPnP-IGD: the router does not allow it".
    public var description: String {
        PortMappingProtocol.allCases.compactMap { one in self[one].map { "\(one): \($0)" } }.joined(separator: "; ")
    }
}

/// What is asked of a router for one port.
struct MappingJob: Equatable, Sendable {
    /// The port of this host.
    let port: UInt16
    /// The outside that is wanted, or had until now; port 0 and an unspecified address leave the choice to the router.
    let wanted: Endpoint
    /// Seconds; 0 ends the mapping.
    let lifetime: UInt32

    /// Whether the mapping is to end.
    var isDeletion: Bool { lifetime == 0 }
}

/// How a job ended.
enum MappingOutcome: Equatable, Sendable {
    /// There is a mapping, for so many seconds, at least 1.
    case granted(external: Endpoint, lifetime: UInt32)
    /// There is none any more, as asked.
    case deleted
    /// There is none.
    case failed(PortMappingFailure)
}
