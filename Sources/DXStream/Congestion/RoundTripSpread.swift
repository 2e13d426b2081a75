import DXWire

/// By how much round trips differ within a round: the jitter of the path, and what says that a longer round trip need
/// not be a queue.
///
/// A queue of one's own changes little within a round once slow start is over; a radio link that sends in slots or sends
/// again gives each packet another delay. Where packets keep their order behind a delayed one, nearly all of a busy flow
/// wait for some such packet: their round trips stay well above the smallest one ever, which a lonely packet saw, though
/// no queue stands. They lie up to about twice the spread above it.
///
/// Constant size and time.
struct RoundTripSpread: Sendable, BitwiseCopyable {
    /// The difference of the largest and the smallest round trip of a round, smoothed over about four rounds.
    private(set) var value = Interval.zero
    private var smallest = Interval.max
    private var largest = Interval.zero
    private var count = 0

    /// Fewer samples do not show the spread; half of what HyStart++ wants for a minimum, as one ACK may answer many packets.
    private static let leastSamples = 4
    /// One round in which a queue grew or emptied should not pass for jitter.
    private static let smoothing: Int64 = 4
    /// More than that counts as a queue whatever the jitter, because calls and keystrokes begin to feel it.
    static let largestAllowance = Interval.milliseconds(60)

    /// How far above the smallest round trip of the path one may be without a queue.
    var allowance: Interval { min(value * 2, Self.largestAllowance) }

    /// Takes in a round trip.
    mutating func update(_ sample: Interval) {
        smallest = min(smallest, sample)
        largest = max(largest, sample)
        count = min(count + 1, Self.leastSamples)
    }

    /// A round is over. One of a few samples does not count.
    mutating func endRound() {
        if count >= Self.leastSamples { value = value + (largest - smallest - value) / Self.smoothing }
        forgetRound()
    }

    /// What was seen of this round says nothing about jitter.
    mutating func forgetRound() {
        smallest = .max
        largest = .zero
        count = 0
    }
}
