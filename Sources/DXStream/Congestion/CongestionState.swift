import DXWire

/// What every congestion algorithm of a path works on, flat and trivial: one copy of it exists per path, inside
/// `CongestionController`, and each algorithm changes it in place.
///
/// Invariants: `minimumWindow <= window <= largestWindow`; `bytesInFlight >= 0`.
struct CongestionState: Sendable, BitwiseCopyable {
    /// How many bytes may be in flight.
    private(set) var window: Int
    /// Bytes of packets that were sent, count towards congestion, and are neither acknowledged, lost nor discarded.
    private(set) var bytesInFlight: Int
    /// Below it the window grows by slow start, from it on by congestion avoidance. Nil until the first slow start ends.
    var slowStartThreshold: Int?
    /// The size of a full datagram; what the RFCs call a segment.
    private(set) var maximumDatagram: Int
    /// The largest packet number sent.
    private(set) var largestSent: UInt64
    /// The most that was in flight in this round, and in the one before. A round is over when a packet sent after its
    /// begin is acknowledged.
    private var peakFlight = 0
    private var previousPeakFlight = 0
    private var peakRoundEnd: UInt64 = 0
    /// When the last reduction was; packets sent up to then cause no further one (RFC 9002 §7.3.2).
    var recoveryStart: Instant?
    /// The largest packet number sent at the last reduction; acknowledgements up to it do not grow the window.
    var recoveryEnd: UInt64?

    /// The most a window may be: 4 GiB, 10 Gbit/s over a round trip of three seconds. It bounds what the arithmetic of
    /// the algorithms and of the pacing rate has to hold.
    static let largestWindow = 1 << 32
    /// The most a datagram may be (IPv4's length field); sizes given from outside are clamped to 1 up to this.
    static let largestDatagram = 65_535

    init(maximumDatagram: Int) {
        let datagram = Self.clampedDatagram(maximumDatagram)
        self.maximumDatagram = datagram
        window = Self.initialWindow(maximumDatagram: datagram)
        bytesInFlight = 0
        slowStartThreshold = nil
        largestSent = 0
        recoveryStart = nil
        recoveryEnd = nil
    }

    /// RFC 9002 §7.2: ten datagrams, but at most the larger of 14,720 bytes and two datagrams.
    static func initialWindow(maximumDatagram: Int) -> Int {
        min(10 * maximumDatagram, max(14_720, 2 * maximumDatagram))
    }

    static func clampedDatagram(_ bytes: Int) -> Int { min(max(bytes, 1), largestDatagram) }

    /// RFC 9002 §7.2: two datagrams, so that an acknowledgement is not waited for by a delayed-ack timer.
    var minimumWindow: Int { 2 * maximumDatagram }

    var isInSlowStart: Bool {
        guard let slowStartThreshold else { return true }
        return window < slowStartThreshold
    }

    /// Sets the window, within its limits.
    mutating func setWindow(_ bytes: Int) { window = min(max(bytes, minimumWindow), Self.largestWindow) }

    /// Takes a new datagram size. The window in bytes stays (RFC 8899 §4.5: a larger size must not mean more bytes in
    /// flight), unless it is below the new minimum: a window that holds no datagram would never let one go.
    mutating func setMaximumDatagram(_ bytes: Int) {
        maximumDatagram = Self.clampedDatagram(bytes)
        setWindow(window)
    }

    /// At least half of the window was in flight within the last two rounds. A window that is not used must not grow
    /// (RFC 9002 §7.8, RFC 7661), or an application that sends a little now and then would pile up the right to a burst
    /// that no path takes. Half, because slow start doubles the window before it can be filled.
    var isWindowUsed: Bool { window / 2 <= max(peakFlight, previousPeakFlight) }

    /// Puts `bytes` into flight.
    mutating func addToFlight(_ bytes: Int, packetNumber: UInt64) {
        let (sum, overflow) = bytesInFlight.addingReportingOverflow(max(0, bytes))
        bytesInFlight = overflow ? .max : sum
        peakFlight = max(peakFlight, bytesInFlight)
        largestSent = max(largestSent, packetNumber)
    }

    /// Begins a new round of peaks when `packetNumber` was sent in one; before it leaves flight.
    mutating func updatePeak(acknowledged packetNumber: UInt64) {
        guard packetNumber > peakRoundEnd else { return }
        previousPeakFlight = peakFlight
        peakFlight = bytesInFlight
        peakRoundEnd = largestSent
    }

    /// Nothing is in flight and packet numbers begin anew: a new session over the same path.
    mutating func beginSession() {
        bytesInFlight = 0
        largestSent = 0
        peakFlight = 0
        previousPeakFlight = 0
        peakRoundEnd = 0
        recoveryStart = nil
        recoveryEnd = nil
    }

    /// Takes `bytes` out of flight.
    mutating func removeFromFlight(_ bytes: Int) { bytesInFlight = max(0, bytesInFlight - max(0, bytes)) }
}
