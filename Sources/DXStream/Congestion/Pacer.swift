public import DXWire

/// Spreads packets over time: a token bucket that fills at the path's pacing rate (RFC 9002 §7.7).
///
/// Guarantee. Let a sender ask `allowance` before each write and write no more than it says. Then, for any two instants
/// `a <= b`, at a constant rate:
///
///     bytes sent in [a, b]  <=  rate * (b - a) + burstBytes
///
/// With changing rates, the integral of the rate and the largest `burstBytes` between the two stand there. And a sender
/// that always has data, and comes back whenever `nextSendTime` of at most `burstBytes` says, gets everything: from the
/// start to the instant of any write, bytes sent are at least `rate * elapsed` (what the clock's nanosecond gives less).
/// Bytes sent beyond the allowance (probes are not paced, RFC 9002 §7.7) become a debt of at most one burst, paid back
/// from what comes in next.
///
/// The burst is what makes one GSO write worth its system call, without a train of packets that a slow link's queue would
/// feel; `burstBytes` has the formula.
public struct Pacer: Sendable, BitwiseCopyable {
    /// Bytes per second; 1 up to `largestRate`.
    public private(set) var rateBytesPerSecond: UInt64
    /// The most that may go at once, in bytes: the largest of
    /// - the initial window (RFC 9002 §7.2, ten datagrams): what any path is expected to take at once;
    /// - what the rate gives in `burstSpan`, as far as one GSO write goes;
    /// - what the rate gives in `wakeupSpan`: above about 65 MB/s less would throttle a loop that wakes up late.
    public private(set) var burstBytes: Int
    /// What is worth a wake-up when the allowance is used up and more is waiting, in bytes: what the rate gives in 1 ms,
    /// at least a datagram and at most half a GSO write. `nextSendTime` of that many gives a steady stream of short GSO
    /// runs instead of a timer for every packet, and delays nothing by more than 1 ms or one packet.
    public private(set) var wakeupBytes: Int
    /// What may go at `updated`, in bytes times 10^9, so that no fraction is ever lost. At most a burst, at least minus a
    /// burst.
    private var credit: Int64
    /// Up to when the bucket was filled.
    private var updated: Instant

    /// One GSO write is at most 64 segments (the kernel's UDP_MAX_SEGMENTS of old) and `Constants.maximumDatagram` bytes.
    private static let segmentsPerWrite = 64
    /// A burst may be what the rate gives in 4 ms: one full GSO write from 16 MB/s on. A queue that holds less than 4 ms
    /// would drop under any traffic.
    private static let burstSpan = Interval.milliseconds(4)
    /// How late a busy event loop wakes up; what the rate gives in that time must fit into the bucket.
    private static let wakeupSpan = Interval.milliseconds(1)
    /// 1 TB/s. It bounds the arithmetic: a burst is at most 10^9 bytes, its credit at most 10^18.
    private static let largestRate: UInt64 = 1_000_000_000_000
    /// Credit is counted in billionths of a byte: bytes per second times nanoseconds.
    private static let unitsPerByte: Int64 = 1_000_000_000

    /// A full bucket. Until `setRate`, the rate is the initial window in the initial round trip of `RTTEstimator`, times
    /// the two of slow start.
    public init(maximumDatagram: Int, now: Instant) {
        let datagram = CongestionState.clampedDatagram(maximumDatagram)
        rateBytesPerSecond = UInt64(CongestionState.initialWindow(maximumDatagram: datagram)) * 6
        burstBytes = Self.burst(rate: rateBytesPerSecond, maximumDatagram: datagram)
        wakeupBytes = Self.wakeup(rate: rateBytesPerSecond, maximumDatagram: datagram)
        credit = Int64(burstBytes) * Self.unitsPerByte
        updated = now
    }

    /// When `bytes` may go at once: `now` or later. More than a burst is taken as a burst, so the time always comes. With
    /// more to send than a packet, ask for `wakeupBytes`.
    public func nextSendTime(bytes: Int, now: Instant) -> Instant {
        let wanted = Int64(min(max(bytes, 0), burstBytes)) * Self.unitsPerByte
        let missing = wanted - filled(at: now)
        guard missing > 0 else { return now }
        // At most two bursts are missing, and the rate is at least 1: the quotient fits.
        let (whole, rest) = missing.quotientAndRemainder(dividingBy: Int64(rateBytesPerSecond))
        return max(now, updated) + .nanoseconds(rest > 0 ? whole + 1 : whole)
    }

    /// Takes a new rate (`CongestionController.pacingRate`) and datagram size. What came in until `now` came at the old
    /// rate; what exceeds the new burst is lost.
    public mutating func setRate(_ bytesPerSecond: UInt64, maximumDatagram: Int, now: Instant) {
        fill(until: now)
        rateBytesPerSecond = min(max(bytesPerSecond, 1), Self.largestRate)
        let datagram = CongestionState.clampedDatagram(maximumDatagram)
        burstBytes = Self.burst(rate: rateBytesPerSecond, maximumDatagram: datagram)
        wakeupBytes = Self.wakeup(rate: rateBytesPerSecond, maximumDatagram: datagram)
        let limit = Int64(burstBytes) * Self.unitsPerByte
        credit = min(max(credit, -limit), limit)
    }

    /// How many bytes may go now.
    public mutating func allowance(now: Instant) -> Int {
        fill(until: now)
        return credit > 0 ? Int(credit / Self.unitsPerByte) : 0
    }

    /// `bytes` were sent. More than the allowance makes a debt.
    public mutating func onSent(bytes: Int, now: Instant) {
        fill(until: now)
        let limit = Int64(burstBytes) * Self.unitsPerByte
        // Bounded before it is multiplied; more than two bursts could not be told from two.
        let spent = Int64(min(max(bytes, 0), 2 * burstBytes)) * Self.unitsPerByte
        credit = max(credit - spent, -limit)
    }

    private mutating func fill(until now: Instant) {
        credit = filled(at: now)
        updated = max(updated, now)
    }

    /// The credit at `now`; a time before `updated` counts as that.
    private func filled(at now: Instant) -> Int64 {
        guard now > updated else { return credit }
        let limit = Int64(burstBytes) * Self.unitsPerByte
        let (earned, overflow) = (now - updated).nanoseconds.multipliedReportingOverflow(by: Int64(rateBytesPerSecond))
        // Credit is at least minus a burst: three bursts of income are more than can be kept.
        return overflow || earned > 3 * limit ? limit : min(credit + earned, limit)
    }

    private static func burst(rate: UInt64, maximumDatagram: Int) -> Int {
        max(
            CongestionState.initialWindow(maximumDatagram: maximumDatagram),
            min(bytes(at: rate, in: burstSpan), largestWrite(maximumDatagram)), bytes(at: rate, in: wakeupSpan))
    }

    private static func wakeup(rate: UInt64, maximumDatagram: Int) -> Int {
        max(maximumDatagram, min(bytes(at: rate, in: wakeupSpan), largestWrite(maximumDatagram) / 2))
    }

    private static func bytes(at rate: UInt64, in span: Interval) -> Int {
        Int(rate * UInt64(span.microseconds) / 1_000_000)
    }

    private static func largestWrite(_ maximumDatagram: Int) -> Int {
        min(segmentsPerWrite * maximumDatagram, Constants.maximumDatagram)
    }
}
