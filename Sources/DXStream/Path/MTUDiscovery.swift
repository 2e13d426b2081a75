public import DXWire

/// Finds the largest datagram that a path carries: DPLPMTUD (RFC 8899). It never trusts ICMP; only an acknowledged probe
/// raises the size. Sizes are bytes of UDP payload.
///
/// **Search.** A probe is a packet of the wanted size, padded. One is in flight at a time; three lost ones rule its size
/// out. Sizes that networks have (`commonSizes`) are tried first, upwards from Ethernet's; between a size that passed and
/// one that did not, further probes halve the gap until it is within a fiftieth. So `current` ends at most that far below
/// what the path carries, after at most 33 probes; on Ethernet after two that pass and three that do not.
///
/// **Raise.** Every ten minutes one probe of the smallest size that failed asks whether the path has grown; only if it is
/// acknowledged does a new search begin. An idle channel pays one packet per ten minutes for that.
///
/// **Black hole.** Routes change, and a size that passed may pass no more. When packets above `minimum` are lost in three
/// loss events with none of their size acknowledged between, while smaller packets pass, `current` falls to `minimum`; a
/// minute later a new search begins. Whoever sends probe packets at a probe timeout must keep them at `minimum` or below:
/// if all were large, nothing would ever be acknowledged, and nothing declared lost.
///
/// Constant size, constant time per call; no allocation.
public struct MTUDiscovery: Sendable, BitwiseCopyable {
    /// The largest datagram that may be sent: `minimum`, or a size that a probe has shown to pass.
    public private(set) var current: Int
    /// The size that every path carries (RFC 8899 §5.1.2, BASE_PLPMTU).
    public let minimum: Int
    /// The size not to go beyond: what the peer can receive.
    public let maximum: Int

    /// What goes on.
    private enum Phase: Sendable {
        /// Probing for a larger size.
        case searching
        /// Asking with one probe whether a size that failed passes now.
        case raising
        /// Nothing to do until `resumeTime`.
        case waiting
        /// As `waiting`, after a black hole: the search then begins anew.
        case recovering
    }

    private var phase: Phase
    /// The smallest size that is thought not to pass; above `maximum` when none is known. Larger than `current`.
    private var tooLarge: Int
    /// The size to probe; nil while waiting. Larger than `current`, at most `maximum`.
    private var probing: Int?
    /// The number of the first probe of that size, so that a late acknowledgement still counts.
    private var firstProbe: UInt64?
    /// The probe in flight.
    private var probeInFlight: UInt64?
    /// Lost probes of that size.
    private var lostProbes = 0
    /// When a wait is over.
    private var resumeTime: Instant
    private var blackHole = BlackHoleDetector()

    /// MAX_PROBES (RFC 8899 §5.1.2): with a loss of one in twenty, a size that passes is ruled out once in 8,000 times.
    private static let probesPerSize = 3
    /// PMTU_RAISE_TIMER (RFC 8899 §5.1.1).
    private static let raiseInterval = Interval.seconds(600)
    /// How long after a black hole the search begins anew. A shorter time would have a path that flaps lose a round of
    /// packets each time; a longer one leaves it slow.
    private static let recoveryInterval = Interval.seconds(60)
    /// The most probes a search sends when none is lost by chance; tests hold it over all sizes of path.
    static let probeLimit = 33

    /// UDP payloads of the usual links, rising: what IPv4 and IPv6 headers (28 and 48 bytes) leave of 1280 (IPv6's
    /// minimum), 1420 (WireGuard), 1480 (tunnels), 1500 (Ethernet), 4096 and 9000 (jumbo). 1500 itself asks whether it
    /// is more than Ethernet at all; 32,768 is a step on the way to loopback's size.
    private static let commonSizes: [12 of Int] = [
        1232, 1252, 1372, 1392, 1432, 1452, 1472, 1500, 4048, 8952, 8972, 32_768,
    ]
    /// Where the search begins: Ethernet with IPv6 headers, which most paths carry.
    private static let firstGuess = 1452

    /// Starts at `minimum` and searches up to `maximum` at once. `maximum` is clamped to `minimum` at least and 65,000
    /// (`docs/wire-format.md` §1) at most.
    public init(minimum: Int = Constants.minimumDatagram, maximum: Int, now: Instant) {
        let minimum = min(max(minimum, 1), Constants.maximumDatagram)
        self.minimum = minimum
        self.maximum = min(max(maximum, minimum), Constants.maximumDatagram)
        current = minimum
        phase = .searching
        tooLarge = self.maximum + 1
        resumeTime = now
        chooseNextSize(now: now)
    }

    /// The discovery of a session that goes on over the network path of `other` (rekey): the size and what is known of
    /// larger ones is kept; packet numbers begin anew, so a probe in flight is forgotten and sent again.
    public init(inheriting other: MTUDiscovery, now: Instant) {
        self = other
        firstProbe = nil
        probeInFlight = nil
        blackHole = BlackHoleDetector()
    }

    /// When `probeSize` should be asked although nothing else happens: a wait is over. Nil while a search goes on (ask
    /// whenever a packet could be sent) and when `current` cannot rise. It is cleared by asking `probeSize`.
    public var nextTimeout: Instant? {
        switch phase {
        case .searching, .raising: nil
        case .waiting: tooLarge <= maximum ? resumeTime : nil
        case .recovering: resumeTime
        }
    }

    /// The size of a probe that waits for room in the congestion window; 0 when none does.
    public var waitingProbe: Int {
        guard probeInFlight == nil, let probing else { return 0 }
        switch phase {
        case .searching, .raising: return probing
        case .waiting, .recovering: return 0
        }
    }

    /// The size to probe now, if a probe is due and none is in flight. The answer stays the same until `onProbeSent`.
    public mutating func probeSize(now: Instant) -> Int? {
        switch phase {
        case .searching, .raising: break
        case .waiting:
            guard tooLarge <= maximum, now >= resumeTime else { return nil }
            phase = .raising
            probing = tooLarge
        case .recovering:
            guard now >= resumeTime else { return nil }
            phase = .searching
            tooLarge = maximum + 1
            chooseNextSize(now: now)
        }
        return probeInFlight == nil ? probing : nil
    }

    /// A probe of `size` bytes was sent. A size that was not asked for is not a probe.
    public mutating func onProbeSent(packetNumber: UInt64, size: Int, now: Instant) {
        guard size == probing else { return }
        probeInFlight = packetNumber
        firstProbe = firstProbe ?? packetNumber
    }

    /// A packet was acknowledged, probe or not; every one is reported. True when `current` rose.
    public mutating func onAcknowledged(packetNumber: UInt64, size: Int, now: Instant) -> Bool {
        // Only probes are larger than `current`, so the size tells them, as long as it was sent in this search.
        guard let firstProbe, size == probing, packetNumber >= firstProbe else {
            blackHole.onAcknowledged(packetNumber: packetNumber, size: size, current: current)
            return false
        }
        current = size
        // A probe that passes acquits the path as any packet does.
        blackHole.onAcknowledged(packetNumber: packetNumber, size: size, current: size)
        if phase == .raising {
            phase = .searching
            tooLarge = maximum + 1
        }
        chooseNextSize(now: now)
        return true
    }

    /// The probe in flight was declared lost (or could not be sent at all). That is no sign of congestion (RFC 8899 §3).
    public mutating func onProbeLost(packetNumber: UInt64, now: Instant) {
        guard packetNumber == probeInFlight, let probing else { return }
        probeInFlight = nil
        lostProbes += 1
        guard lostProbes >= (phase == .raising ? 1 : Self.probesPerSize) else { return }
        tooLarge = probing
        if phase == .raising {
            wait(for: Self.raiseInterval, as: .waiting, now: now)
        } else {
            chooseNextSize(now: now)
        }
    }

    /// A packet that was no probe was declared lost; `sentAt` is when it was sent, if that is known. True when that makes a
    /// black hole: `current` fell to `minimum`.
    public mutating func onLost(packetNumber: UInt64, size: Int, sentAt: Instant? = nil, now: Instant) -> Bool {
        guard current > minimum,
            blackHole.onLost(packetNumber: packetNumber, size: size, minimum: minimum, sentAt: sentAt, now: now)
        else { return false }
        current = minimum
        wait(for: Self.recoveryInterval, as: .recovering, now: now)
        return true
    }

    private mutating func wait(for interval: Interval, as phase: Phase, now: Instant) {
        self.phase = phase
        resumeTime = now + interval
        clearProbe()
    }

    private mutating func clearProbe() {
        probing = nil
        firstProbe = nil
        probeInFlight = nil
        lostProbes = 0
    }

    /// Picks the size to probe between `current` and `tooLarge`; with none worth a probe the search is over.
    private mutating func chooseNextSize(now: Instant) {
        clearProbe()
        probing = nextCommonSize ?? nextMiddle
        if probing == nil { wait(for: Self.raiseInterval, as: .waiting, now: now) }
    }

    /// As long as nothing failed, the next common size upwards from the first guess, at last `maximum`. After a failure
    /// the middle one of the common sizes in between.
    private var nextCommonSize: Int? {
        let sizes = Self.commonSizes
        var first = 0
        while first < sizes.count, sizes[first] <= current { first += 1 }
        var end = first
        while end < sizes.count, sizes[end] < min(tooLarge, maximum) { end += 1 }
        if tooLarge <= maximum { return first < end ? sizes[(first + end - 1) / 2] : nil }
        for index in first..<end where sizes[index] >= Self.firstGuess { return sizes[index] }
        return current < maximum ? maximum : nil
    }

    /// Half way between what passes and what does not, unless the gap is within a fiftieth of a packet (at least 16
    /// bytes): more would cost three lost probes for less than it gains.
    private var nextMiddle: Int? {
        let gap = tooLarge - current
        return gap > max(16, current / 50) ? current + gap / 2 : nil
    }
}
