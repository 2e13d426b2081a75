internal import DXWire

/// One session of a channel as the transport sees it: its packet numbers, round trip, congestion window and MTU.
///
/// Streams span paths; everything that measures a network lives here. A path never looks at streams: `MessageChannel`
/// applies what was acknowledged or lost.
struct Path: Sendable {
    /// What a path is used for.
    enum State: UInt8, Sendable {
        /// Data goes here.
        case active
        /// Works, but data goes elsewhere.
        case standby
        /// No data any more; acknowledgements of what was sent are still awaited.
        case retiring
    }

    /// The number both ends know it by.
    let id: PathID
    /// Bytes that sealing adds: the datagram is the packet plus this.
    let overhead: Int
    var state: State = .standby
    var sent: SentPackets
    var received = ReceivedPackets()
    var rtt: RTTEstimator
    var congestion: CongestionController
    var pacer: Pacer
    var mtu: MTUDiscovery
    var sizing: PacketSizing
    var ecn: ECNValidator
    var loss = LossState()
    var validation = PathValidation()
    /// A packet must go out even if there is nothing to say: probes after a timeout, keepalive.
    var probesPending = 0
    /// Packets sent since the last one that asked for an acknowledgement.
    var packetsSinceEliciting = 0
    /// When the path is forgotten, once it retires.
    var forgetAt: Instant?
    /// When anything was last sent on it.
    var lastSentAt: Instant
    /// The peer said that it uses the path no more.
    var isRetiredByPeer = false
    /// How gladly this end uses it, and the peer does.
    var preference = PathPreference.primary
    var peerPreference = PathPreference.primary
    /// Counts what was said of that, by either end, and whether the peer has to be told.
    var statusSequence: UInt64 = 0
    var peerStatusSequence: UInt64 = 0
    var isStatusDue = false
    /// What it leads over.
    var ends = PathEnds()
    /// How many more answers are asked for one after the other, so that its round trip is known well when it is needed: of the
    /// first sample a third is thought possible, which makes a probe timeout of three round trips; of five, of one and a half.
    var measurementsLeft: UInt8 = 4
    /// Whether it answers.
    var liveness = PathLiveness()
    /// Packets below were looked at for what is worth sending again on a quicker path.
    var reinjectedBelow: UInt64 = 0
    /// When the pacer lets the next packet go; set when it held one back.
    var pacingDeadline: Instant?
    /// The first number that is left out on purpose (RFC 9000 §21.4).
    var nextSkip: UInt64
    var statistics = PathStatistics()

    /// A path that has measured nothing yet, or goes on with what `other` measured of the same network path (rekey).
    init(
        id: PathID, overhead: Int, configuration: ChannelConfiguration, peer: TransportParameters,
        inheriting other: Path?, bounds: PathBounds = PathBounds(),
        random: inout RandomSource, now: Instant
    ) {
        self.id = id
        self.overhead = overhead
        let largest = Int(min(peer.largestDatagram, UInt64(max(0, configuration.maximumDatagram))))
        let largestPacket = bounds.allowsFragments ? min(peer.largestPacket, configuration.parameters.largestPacket) : 0
        sizing = PacketSizing(maximumPacket: Int(largestPacket))
        lastSentAt = now
        nextSkip = 64 + random.below(256)
        let algorithm = configuration.congestion
        // Drawn only where it is used: what a seed gives elsewhere stays the same.
        let seed =
            switch algorithm {
            case .automatic, .bbr: random.next()
            case .cubic, .newReno: UInt64(0)
            }
        if let other {
            rtt = RTTEstimator(inheriting: other.rtt)
            mtu = MTUDiscovery(inheriting: other.mtu, now: now)
            congestion = CongestionController(algorithm, maximumDatagram: mtu.current, seed: seed)
            congestion.inherit(from: other.congestion)
            loss.inherit(from: other.loss)
        } else {
            rtt = RTTEstimator()
            mtu = MTUDiscovery(minimum: bounds.minimum, maximum: min(largest, bounds.maximum), now: now)
            congestion = CongestionController(algorithm, maximumDatagram: mtu.current, seed: seed)
        }
        sent = SentPackets(keepsSnapshots: congestion.measuresDelivery)
        pacer = Pacer(maximumDatagram: mtu.current, now: now)
        ecn = ECNValidator(isEnabled: configuration.usesECN)
    }

    /// How gladly both ends use it.
    var isPreferred: PathPreference { max(preference, peerPreference) }

    /// The largest packet that fits into a datagram of the present MTU.
    var packetCapacity: Int { mtu.current &- overhead }

    /// The size of the datagrams of a packet, or of its only one: what path MTU discovery is to hear of.
    func datagramSize(of packet: SentPacket) -> Int {
        packet.traits.contains(.isFragmented) ? min(Int(packet.byteCount), mtu.current) : Int(packet.byteCount)
    }

    /// When the probe timer fires; nil while nothing that asks for an acknowledgement is on the way.
    ///
    /// Unlike RFC 9002 §6.2.1, what is sent meanwhile does not put it off, as with TCP (RFC 6298 §5): one who sends a little all the
    /// time would notice that nothing arrives any more only when the congestion window is full, which takes seconds.
    ///
    /// Where another path stands by, a transfer counts from the oldest packet on the way (RFC 7765): its acknowledgement is due next, a round
    /// trip sooner than counted from the last one. Elsewhere that would cost more probes than it is worth.
    func probeDeadline(maximumAckDelay: Interval, hasOther: Bool) -> Instant? {
        guard sent.outstandingCount > 0, let last = loss.lastElicitingSentAt else { return nil }
        let interval = loss.probeInterval(rtt: rtt, maximumAckDelay: maximumAckDelay)
        let usual = min(last, loss.unansweredSince ?? last) + interval
        guard hasOther, loss.probeCount == 0, let silent = loss.unansweredSince, let oldest = oldestSentAt else {
            return usual
        }
        return min(usual, max(oldest + interval, silent + max(rtt.smoothed / 2, Self.leastSilence)))
    }

    /// A pause that hosts make when they are busy is none of the network's.
    private static let leastSilence = Interval.milliseconds(75)
    /// So many packets are looked at for the oldest one on the way; those before it were lost or ask for nothing.
    private static let mostLooks: UInt64 = 8

    /// When the oldest packet that asks for an acknowledgement, and has none, was sent; nil when it is not found soon.
    private var oldestSentAt: Instant? {
        let first = max(loss.cursor, sent.packets.firstIndex)
        var number = first
        while number < min(sent.packets.endIndex, first &+ Self.mostLooks) {
            let packet = sent.packets[number]
            if packet.state == .outstanding, packet.traits.contains(.isAckEliciting) { return packet.sentAt }
            number &+= 1
        }
        return nil
    }

    /// Brings the pacer and the congestion window in line after the MTU or the window changed.
    mutating func refreshPacing(now: Instant) {
        pacer.setRate(congestion.pacingRate(rtt: rtt), maximumDatagram: mtu.current, now: now)
    }
}
