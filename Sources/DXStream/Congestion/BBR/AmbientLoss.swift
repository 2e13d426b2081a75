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

    /// So many packets were sent calmly, and so many of them lost.
    mutating func note(packets count: Double, lost lostCount: Double) {
        packets += count
        lost += lostCount
        if packets > Self.memory {
            packets /= 2
            lost /= 2
        }
    }

    /// Forgets everything.
    mutating func reset() { self = AmbientLoss() }
}
