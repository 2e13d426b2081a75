/// The part of packets that a path loses by chance, whatever its load: radio, bad cables, an overloaded middle box.
///
/// Counted over packets that were sent while this sender held back on purpose: below the delivery rate, after its own
/// queue had drained. A queue that overflows loses less then, chance does not. That is the whole difference between the
/// two that a sender can see.
///
/// The value leans to zero until a hundred packets were counted, and follows a change within a few thousand.
struct AmbientLoss: Sendable, BitwiseCopyable {
    private var packets = 0.0
    private var lost = 0.0

    /// The part that is lost, 0 to `largest`.
    var rate: Double { min(lost / (packets + Self.doubt), Self.largest) }

    /// So many packets without a loss are thought to have been seen before: one lost of the first twenty is no 5 %.
    private static let doubt = 100.0
    /// Beyond that both counts are halved.
    private static let memory = 4_096.0
    /// A sixth lost is no path that anybody would go on using; more than that is not excused as chance.
    private static let largest = 0.15

    /// How many bytes of a flight may be lost before chance no longer explains it: a quarter more than usual, three
    /// standard deviations, and two datagrams. Tighter, luck would be taken for congestion every few seconds. Nothing
    /// where chance takes less than a tenth of a percent.
    func allowance(of flight: Double, datagram: Int) -> Double {
        let rate = self.rate
        guard rate > 0.001, flight > 0 else { return 0 }
        let size = Double(datagram)
        return 1.25 * rate * flight + 3 * size * (rate * flight / size).squareRoot() + 2 * size
    }

    /// So many packets were sent calmly, and so many of them lost.
    mutating func note(packets count: Double, lost lostCount: Double) {
        packets += count
        lost += lostCount
        if packets > Self.memory {
            packets /= 2
            lost /= 2
        }
    }
}
