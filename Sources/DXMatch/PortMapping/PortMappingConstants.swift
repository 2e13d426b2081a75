import DXWire

/// Numbers of port mapping (`docs/matchmaking.md` §9).
enum PortMappingConstants {
    // MARK: Specification

    /// Where PCP and NAT-PMP servers listen (RFC 6887 §19.1).
    static let serverPort: UInt16 = 5351
    /// Where SSDP listens: 239.255.255.250:1900.
    static let ssdp = Endpoint(v4: 0xefff_fffa, port: 1900)
    /// The largest PCP message (RFC 6887 §7).
    static let maximumPCPMessage = 1_100

    // MARK: Implementation

    /// The lifetime that is asked for: what RFC 6886 §3.3 recommends.
    static let lifetimeSeconds: UInt32 = 7_200
    /// The longest lifetime that is believed (RFC 6887 §15 recommends the same to servers).
    static let maximumLifetimeSeconds: UInt32 = 86_400
    /// A router that grants less than a few seconds is not asked more often than this (RFC 6887 §11.2.1).
    static let minimumRenewal = Interval.seconds(4)
    /// A mapping is asked for again this often at least: so long at most a restart is not noticed that was not announced, or
    /// whose announcement was lost. A datagram or two each time.
    static let checkInterval = Interval.seconds(600)
    /// How soon a router is asked again that was silent while it should have a mapping: restarting takes minutes.
    static let silenceRetry = Interval.seconds(60)
    /// So many silences in a row, five minutes, and the mapping is not counted on any more.
    static let mostSilences = 5
    /// How soon everything is tried again after nothing worked; doubled each time up to an hour. Somebody may have
    /// switched it on.
    static let firstRest = Interval.seconds(300)
    static let longestRest = Interval.seconds(3_600)
    /// Announcements have all mappings asked for again this often at most: anybody in the network can forge one.
    static let refreshPause = Interval.seconds(10)
    /// After an announcement all hosts of the network ask again: spread over this time. RFC 6887 §14.1.3 wants five seconds for
    /// networks of a thousand hosts; routers with a multicast announcement have a few dozen.
    static let refreshSpread = Interval.seconds(2)
    /// How long deletions at the end may take, all together.
    static let stopPatience = Interval.seconds(2)
    /// Ports of one mapper; the channel needs one, the rest is room.
    static let mostPorts = 8
    /// Events that nobody polled.
    static let mostEvents = 64
    /// How long an HTTP request may take. Routers answer in milliseconds, cheap ones in a second.
    static let requestPatience = Interval.seconds(3)
    /// The same for a deletion at the end.
    static let deletionPatience = Interval.seconds(1)
    /// The largest HTTP answer: descriptions are 2 to 20 KB.
    static let maximumAnswer = 65_536
}
