public import DXWire

/// What `LANDiscovery` tells.
public enum LANEvent: Equatable, Sendable {
    /// A member that is wanted, or wants this gateway, may be at this address.
    case found(GatewayID, at: Endpoint)
}

/// What `LANDiscovery` has to be sent.
public struct LANTransmit: Equatable, Sendable {
    /// What is sealed: `LANMessage.byteCount` bytes.
    public var message: [UInt8]
    /// Where it goes; nil for all, on each network.
    public var destination: Endpoint?
    /// The owner's name of the key that it is sealed with; nil for the newest.
    public var key: UInt64?
}

/// Counters of `LANDiscovery`; they only rise.
public struct LANStatistics: Hashable, Sendable {
    /// Announcements sent, each on all networks.
    public var announced: UInt64 = 0
    /// Answers sent.
    public var answered: UInt64 = 0
    /// Messages of members that were new.
    public var heard: UInt64 = 0
    /// Opened, and not to be read.
    public var malformed: UInt64 = 0
    /// By nobody of the group.
    public var strangers: UInt64 = 0
    /// Heard before.
    public var replayed: UInt64 = 0
    /// From a network that this host is not in.
    public var far: UInt64 = 0
    /// Answers to nothing that was said lately.
    public var late: UInt64 = 0
    /// Not opened or not answered: there were too many.
    public var limited: UInt64 = 0
    /// By another start of this gateway's own key.
    public var twins: UInt64 = 0

    /// Nothing yet.
    public init() {}
}
