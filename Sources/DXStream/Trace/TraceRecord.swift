public import DXWire

/// One thing that a traced channel did or noticed (`MessageChannel.startTrace`). Trivial: it holds numbers, and no byte of what
/// streams, messages and control bytes carry.
public struct TraceRecord: Sendable, BitwiseCopyable {
    /// When; never before the record before it.
    public var time: Instant
    /// The path that it is about; of what concerns the whole channel, the one in use then.
    public var path: PathID
    /// What.
    public var event: TraceEvent

    /// A record from its parts.
    public init(time: Instant, path: PathID, event: TraceEvent) {
        self.time = time
        self.path = path
        self.event = event
    }
}

/// What a trace tells.
public enum TraceEvent: Sendable, BitwiseCopyable {
    /// A packet was given to the session to be sealed. Its frames follow as `frame`.
    case packetSent(TracePacket)
    /// A packet came that no other had brought before. Its frames follow, then what they brought about.
    case packetReceived(TracePacket)
    /// A frame of the packet before; of data only where it lies and how long it is. The ranges of an ACK follow as `range`.
    case frame(Frame)
    /// Packet numbers, both ends included, of the ACK frame before.
    case range(lower: UInt64, upper: UInt64)
    /// A packet that came was not taken: its number had been seen, or a limit was reached.
    case packetDropped(number: UInt64, byteCount: Int, outcome: ReceiveOutcome)
    /// A packet was declared lost (RFC 9002 §6.1). Those that search for a larger MTU are not among `PathStatistics.packetsLost`; all
    /// others are.
    case packetLost(number: UInt64, byteCount: Int, cause: TraceLoss, isMTUProbe: Bool)
    /// A packet is not waited for any longer, as its path is about to go or does not answer: no loss, and no sign of congestion.
    case packetGivenUp(number: UInt64, byteCount: Int)
    /// A packet that was declared lost had arrived after all.
    case packetSpuriouslyLost(number: UInt64)
    /// Nothing was acknowledged for so long that a probe goes out (RFC 9002 §6.2).
    case probeTimeout
    /// What the path has measured by now: after each ACK, and when its timers did something.
    case metrics(TraceMetrics)
    /// Something became of the path.
    case path(TracePathChange)
    /// Something became of a stream.
    case stream(StreamID, TraceStreamChange)
    /// The channel ended.
    case closed(CloseCode, ChannelEnd.Cause)
}

/// What is told of a packet.
public struct TracePacket: Sendable, BitwiseCopyable {
    /// Its number on its path.
    public var number: UInt64
    /// The UDP payload of its datagrams, in bytes: the packet, and what sealing adds.
    public var byteCount: Int
    /// The ECN mark that it has.
    public var ecn: ECNMark
    /// It asks for an acknowledgement, and counts as in flight. Known of packets sent.
    public var isAckEliciting: Bool
    /// It searches for a larger MTU. Known of packets sent.
    public var isMTUProbe: Bool
    /// It goes in several datagrams. Known of packets sent.
    public var isFragmented: Bool

    /// A packet with these facts.
    public init(
        number: UInt64, byteCount: Int, ecn: ECNMark, isAckEliciting: Bool = false, isMTUProbe: Bool = false,
        isFragmented: Bool = false
    ) {
        self.number = number
        self.byteCount = byteCount
        self.ecn = ecn
        self.isAckEliciting = isAckEliciting
        self.isMTUProbe = isMTUProbe
        self.isFragmented = isFragmented
    }
}

/// By which rule of RFC 9002 §6.1 a packet counts as lost.
public enum TraceLoss: UInt8, Sendable, BitwiseCopyable {
    /// Enough later packets were acknowledged.
    case reordering
    /// A later packet was, long enough ago.
    case time
}

/// What a path has measured.
public struct TraceMetrics: Sendable, Equatable, BitwiseCopyable {
    /// The round trip: newest, smoothed, smallest, and its variation; nil before the first sample.
    public var roundTrip: RoundTrip?
    /// The congestion window, in bytes.
    public var windowBytes: Int
    /// Bytes on the way.
    public var bytesInFlight: Int
    /// The slow start threshold, in bytes, once there is one.
    public var slowStartThreshold: Int?
    /// How fast it may send, in bytes per second.
    public var pacingRate: UInt64
    /// The largest datagram that is known to pass, in bytes of UDP payload.
    public var mtu: Int
    /// Probe timeouts in a row without an answer.
    public var probeCount: Int
    /// Where its congestion controller stands.
    public var phase: TracePhase

    /// The round trip of a path.
    public struct RoundTrip: Sendable, Equatable, BitwiseCopyable {
        /// The newest sample.
        public var latest: Interval
        /// The smoothed value.
        public var smoothed: Interval
        /// The smallest sample.
        public var minimum: Interval
        /// The variation.
        public var variation: Interval

        /// A round trip from its parts.
        public init(latest: Interval, smoothed: Interval, minimum: Interval, variation: Interval) {
            self.latest = latest
            self.smoothed = smoothed
            self.minimum = minimum
            self.variation = variation
        }
    }

    /// Measurements from their parts.
    public init(
        roundTrip: RoundTrip?, windowBytes: Int, bytesInFlight: Int, slowStartThreshold: Int?, pacingRate: UInt64,
        mtu: Int, probeCount: Int, phase: TracePhase
    ) {
        self.roundTrip = roundTrip
        self.windowBytes = windowBytes
        self.bytesInFlight = bytesInFlight
        self.slowStartThreshold = slowStartThreshold
        self.pacingRate = pacingRate
        self.mtu = mtu
        self.probeCount = probeCount
        self.phase = phase
    }
}

/// Where a congestion controller stands.
public enum TracePhase: UInt8, Sendable, BitwiseCopyable {
    /// CUBIC or NewReno: the window doubles each round.
    case slowStart
    /// CUBIC or NewReno: it grows slowly.
    case congestionAvoidance
    /// CUBIC or NewReno: it was reduced less than a round ago, and does not grow.
    case recovery
    /// BBR: doubles the rate until the pipe is full.
    case startup
    /// BBR: empties the queue that this made.
    case drain
    /// BBR: slower than the path, so that others have room.
    case probeDown
    /// BBR: as fast as the path.
    case cruise
    /// BBR: fills the pipe before it probes.
    case refill
    /// BBR: faster than the path, to see whether it delivers more.
    case probeUp
    /// BBR: almost nothing in flight, to see the round trip without a queue.
    case probeRTT
}

/// What became of a path.
public enum TracePathChange: Sendable, BitwiseCopyable {
    /// It was there when the trace began.
    case present
    /// It was added; when it goes on where another over the same addresses was (rekey), that one.
    case added(inheriting: PathID?)
    /// Data goes there from now on.
    case used
    /// Data does not go there any more; acknowledgements are still awaited.
    case retiring
    /// It was forgotten.
    case retired
    /// The peer's new address was proved.
    case validated
    /// This end sends from another address.
    case moved
    /// It does not answer.
    case down
    /// It answers again.
    case up
}

/// What became of a stream.
public enum TraceStreamChange: Sendable, BitwiseCopyable {
    /// This end opened it.
    case opened
    /// The peer did.
    case accepted
    /// Both halves have ended.
    case ended
}
