/// The part of packets that a path loses by chance, whatever its load: radio, bad cables, an overloaded middle box.
///
/// Counted over *calm* packets: those sent while this sender held back on purpose, below the delivery rate and after its
/// own queue had drained. A queue that overflows loses less then, chance does not; that is the whole difference between
/// the two that a sender can see. So the value only counts as far as calm packets are lost like all others: where they
/// are lost much more rarely, it is load that loses packets.
///
/// The value leans to zero until a hundred calm packets were counted, and follows a change within a few thousand.
struct AmbientLoss: Sendable, BitwiseCopyable {
    /// Calm packets, and how many of them were lost; halved now and then, so that old ones weigh less.
    private var calm = 0.0
    private var calmLost = 0.0
    /// All packets, the same.
    private var all = 0.0
    private var allLost = 0.0
    /// The part that is lost by chance, 0 to `largest`.
    private(set) var rate = 0.0
    /// By how many packets the rounds since chance last explained everything lost more than usual, and what it explains
    /// in them.
    private var excess = 0.0
    private var usual = 0.0

    /// So many calm packets without a loss are thought to have been seen before: one lost of the first twenty is no 5 %.
    private static let doubt = 100.0
    /// Beyond that counts are halved.
    private static let memory = 4_096.0
    /// More than a tenth is not excused as chance: many flows that share a bottleneck without a queue look like that.
    private static let largest = 0.1
    /// When calm packets are lost at this part of the rate of all, it counts in full; at half of it not at all.
    private static let alikeness = 0.6
    /// Chance that takes less than a tenth of a percent hardly matters, and is not excused.
    private static let smallest = 0.001
    /// Loss may be so much more than usual, on average, for as long as it likes.
    private static let tolerance = 1.5

    /// Whether enough calm packets were counted to be sure of the value.
    var isSettled: Bool { calm >= 1_000 }

    /// So many packets were sent calmly, and so many of them lost.
    mutating func noteCalm(packets: Double, lost: Double) {
        calm += packets
        calmLost += lost
        if calm > Self.memory {
            calm /= 2
            calmLost /= 2
        }
        judge()
    }

    /// So many packets were sent, calmly or not, and so many of them lost.
    mutating func noteAll(packets: Double, lost: Double) {
        all += packets
        allLost += lost
        if all > 4 * Self.memory {
            all /= 2
            allLost /= 2
        }
        judge()
    }

    private mutating func judge() {
        let calmRate = calmLost / (calm + Self.doubt)
        let allRate = all > 0 ? allLost / all : 0
        let likeness = allRate > calmRate ? calmRate / allRate : 1
        let trust = min(max(2 * likeness / Self.alikeness - 1, 0), 1)
        let trusted = min(calmRate * trust, Self.largest)
        rate = trusted < Self.smallest ? 0 : trusted
    }

    /// A round of `packets` ended, of which `lost` were lost: whether that, with the rounds before, is more than chance
    /// explains. It is when the sum of what is beyond usual passes three standard deviations and two packets; a single
    /// unlucky round does not do that, a small lasting excess does.
    mutating func exceeds(packets: Double, lost: Double) -> Bool {
        guard rate > 0 else { return lost > 0 }
        excess += lost - Self.tolerance * rate * packets
        usual += rate * packets
        if excess <= 0 {
            forgetExcess()
            return false
        }
        return excess > 2 + 3 * usual.squareRoot()
    }

    /// What exceeded usual until now is not held against the next rounds.
    mutating func forgetExcess() {
        excess = 0
        usual = 0
    }

    /// Whether chance alone may have lost so many of so many packets.
    func explains(packets: Double, lost: Double) -> Bool { rate > 0 && lost <= Self.tolerance * rate * packets + 2 }

    /// How many bytes of one flight chance may take: half as much again as usual, and one and a half standard deviations.
    func allowance(of flight: Double, datagram: Int) -> Double {
        guard rate > 0, flight > 0 else { return 0 }
        let size = Double(datagram)
        return Self.tolerance * rate * flight + 1.5 * size * (rate * flight / size).squareRoot()
    }
}
