/// What applications felt while a path or a peer was cut; what is known so far while the rehearsal goes on.
public struct RehearsalReport: Sendable, Hashable, Codable {
    /// Where a rehearsal stands.
    public enum Phase: String, Sendable, Hashable, Codable {
        /// It looks how things are without the cut.
        case before
        /// Nothing passes.
        case cut
        /// All is as it was, and who stood still goes on.
        case after
        /// It is over, and this is the result.
        case over
    }

    /// Why the cut ended.
    public enum Ending: String, Sendable, Hashable, Codable {
        /// Its time was over.
        case time
        /// Somebody said so.
        case stopped
        /// The gateway is about to stop.
        case draining
        /// The peer is none any more.
        case peerGone = "peer_gone"
    }

    /// What was felt at one end of a tunnel.
    public struct Tunnel: Sendable, Hashable, Codable {
        /// The tunnel's name.
        public var name: String
        /// Which end this gateway is.
        public var role: TunnelStatus.Role
        /// Connections through the peer's channel when the cut began.
        public var openConnections: Int
        /// Of these, and of those asked for, the ones that were not followed, as there were too many.
        public var unfollowedConnections: Int
        /// Of those open the ones that stood still for at least `RehearsalReport.thresholdMilliseconds`.
        public var stalledConnections: Int
        /// The silence that half of these do not pass; nil when there are none.
        public var stallP50Milliseconds: UInt64?
        /// The silence that 99 of 100 of these do not pass; nil when there are none.
        public var stallP99Milliseconds: UInt64?
        /// The longest silence of any that was open and should have moved.
        public var longestSilenceMilliseconds: UInt64
        /// Those that stood still when the cut ended: nothing had taken over for them.
        public var stillUntilRestored: Int
        /// Connections that broke, by how: `channel_lost`, `refused`, `idle`, or `given_up` by an application while they stood still.
        public var broken: [String: Int]
        /// At the origin: connections asked for while it was cut.
        public var askedConnections: Int
        /// Of these the ones that a destination answered, by its name.
        public var answeredBy: [String: Int]
        /// Of these the ones that were refused, or whose client gave up.
        public var refusedConnections: Int
        /// Of these the ones without an answer to the end.
        public var unansweredConnections: Int
        /// How long the one waited that waited longest; nil when none was asked for.
        public var longestAnswerMilliseconds: UInt64?
        /// After how long somebody was there for its connections whom the cut does not hit; nil when nobody was.
        public var servedAfterMilliseconds: UInt64?

        private enum CodingKeys: String, CodingKey {
            case name, role, broken
            case openConnections = "open_connections"
            case unfollowedConnections = "unfollowed_connections"
            case stalledConnections = "stalled_connections"
            case stallP50Milliseconds = "stall_p50_ms"
            case stallP99Milliseconds = "stall_p99_ms"
            case longestSilenceMilliseconds = "longest_silence_ms"
            case stillUntilRestored = "still_until_restored"
            case askedConnections = "asked_connections"
            case answeredBy = "answered_by"
            case refusedConnections = "refused_connections"
            case unansweredConnections = "unanswered_connections"
            case longestAnswerMilliseconds = "longest_answer_ms"
            case servedAfterMilliseconds = "served_after_ms"
        }
    }

    /// What was to be cut.
    public var plan: RehearsalPlan
    /// Where it stands.
    public var phase: Phase
    /// When it began.
    public var started: Timestamp
    /// For how long it has been cut, in milliseconds.
    public var cutMilliseconds: UInt64
    /// Why the cut ended; nil while it has not.
    public var ending: Ending?
    /// The path that was used before; nil when there was none.
    public var pathBefore: String?
    /// The one that was used when the cut ended; nil while it goes on.
    public var pathDuring: String?
    /// The one that was used at the end; nil before.
    public var pathAfter: String?
    /// How long after the cut a byte of any connection that was open before moved first; nil when none did.
    public var firstByteMilliseconds: UInt64?
    /// How long after the cut the peer was heard, over what was left; nil when it was not.
    public var heardMilliseconds: UInt64?
    /// Datagrams that were not sent.
    public var droppedOut: UInt64
    /// Datagrams that came and were not taken.
    public var droppedIn: UInt64
    /// Silences of at least this count as standing still.
    public var thresholdMilliseconds: UInt64
    /// Connections that stand still now.
    public var silentNow: Int
    /// The ends of tunnels.
    public var tunnels: [Tunnel]
    /// The result in a sentence; nil before the end.
    public var verdict: String?
    /// Whether nothing broke; nil before the end.
    public var holds: Bool?

    private enum CodingKeys: String, CodingKey {
        case plan, phase, started, ending, tunnels, verdict, holds
        case cutMilliseconds = "cut_ms"
        case pathBefore = "path_before"
        case pathDuring = "path_during"
        case pathAfter = "path_after"
        case firstByteMilliseconds = "first_byte_ms"
        case heardMilliseconds = "heard_ms"
        case droppedOut = "dropped_out"
        case droppedIn = "dropped_in"
        case thresholdMilliseconds = "threshold_ms"
        case silentNow = "silent_now"
    }
}
