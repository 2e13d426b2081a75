import DXSecure
import DXWire

/// Times and limits that tests shorten. Not part of the public API: a gateway uses the defaults.
struct GatewayTuning: Sendable {
    /// The age at which a session is replaced.
    var rekeyInterval: Interval
    /// The records after which a session is replaced.
    var rekeyRecords: UInt64
    /// How often a session is looked at for that. An hour is long; six times a minute cost nothing.
    var rekeyCheckInterval: Interval = .seconds(10)
    /// `SocketConfiguration.stripeCount`.
    var stripeCount: Int?
    /// How long an attempt to connect may take.
    var handshakeTimeout: Interval
    /// After this long without sending, the peer is asked for a sign of life. 20 s is below the 30 s for which the
    /// stingiest NATs in use keep a binding.
    var keepalive: Interval = .seconds(20)
    /// Members are looked for on the loopback interface, too, and at its addresses, where nobody but this host is.
    var usesLoopback = false
    /// How often a registration with a matchmaker is refreshed: `MatchClientConfiguration.keepalive`.
    var matchKeepalive: Interval = .seconds(25)
    /// How long direct ways have before a way through another member is tried; less when there is none in theory, more while an
    /// introduction goes on.
    var directPatience: Interval = .seconds(3)
    /// How long nothing may arrive before the channel to a peer is given up; nil: as the configuration says.
    var idleTimeout: Interval?
    /// How many bytes of tunnel data may be held before new connections are refused; nil: `limits: memory`. Windows are of that all
    /// the same.
    var memoryCeiling: Int?
    /// How many file descriptors there may be; nil: as the system says.
    var descriptorLimit: Int?
    /// When a destination that failed is used again, where its tunnel does not say.
    var failback = DestinationChoice.usualFailback
    /// A connection that the embedding program has closed, and of which the other end has all bytes, is given up when that does not end
    /// its half for so long: as Linux does (tcp_fin_timeout).
    var closedPatience: Interval = .seconds(60)
    /// At least so long an answer to a new connection is waited for before the next destination is asked. 300 ms: below it a busy
    /// machine or a radio link is taken for dead.
    var openPatience: Interval = .milliseconds(300)
    /// So long clients wait, at listeners that an earlier start had open, for the destination to be found again.
    var inheritedPatience: Interval = .seconds(5)

    /// How often a gateway looks after what does not come by itself: listeners that failed; in a group also epochs that are
    /// missing, tunnels that end, channels that nobody needs.
    var groupUpkeepInterval: Interval = .seconds(5)
    /// How long a channel without need is kept.
    var needlessTime: Interval = .seconds(60)

    /// How long a member that was started looks for the others in all other ways before it looks for admins under return tags, and an admin
    /// hears who is there before it expects anybody under them: most are back within two seconds, and a handshake with each matchmaker
    /// for each pair is then saved.
    var returnDelay: Interval = .seconds(8)

    /// How long an admin that was started exchanges documents before it signs: twice the slowest round trip.
    var settleTime: Interval = .seconds(2)
    /// How long it waits for a neighbour to exchange them with.
    var lonelyTime: Interval = .seconds(8)
    /// How long another admin is waited for: a call to somebody who is there, and one more after a lost one.
    var requestPatience: Interval = .seconds(10)
    /// All that can be reached cut a removed member off within this time.
    var removalPatience: Interval = .seconds(5)
    /// What a second of `TunnelRequest.confirmSeconds` is.
    var trialUnit: Interval = .seconds(1)

    /// The defaults.
    init() {
        let secure = SecureConfiguration()
        rekeyInterval = secure.rekeyInterval
        rekeyRecords = secure.rekeyRecords
        handshakeTimeout = secure.handshakeTimeout
    }

    /// For the secure endpoint.
    var secure: SecureConfiguration {
        var result = SecureConfiguration()
        result.rekeyInterval = rekeyInterval
        result.rekeyRecords = rekeyRecords
        result.handshakeTimeout = handshakeTimeout
        return result
    }
}
