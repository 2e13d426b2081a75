public import DXWire

/// Ports of a range in random order, none twice: the beginning of a Fisher-Yates shuffle of which only what was moved is kept.
/// Constant time and memory for each port drawn.
public struct PortSampler: Sendable {
    private var random: RandomSource
    private let range: ClosedRange<UInt16>
    private var drawn: UInt32 = 0
    /// What stands at a place of the shuffled list when it is not the place's own number.
    private var moved: [UInt32: UInt32] = [:]

    /// What NATs choose from: the ports that need no privilege (RFC 4787 §4.2.1).
    public static let usualRange: ClosedRange<UInt16> = 1_024...65_535

    /// A sampler whose order `random` determines.
    public init(range: ClosedRange<UInt16> = usualRange, random: RandomSource) {
        self.range = range
        self.random = random
    }

    /// The next port; nil when all were drawn.
    public mutating func next() -> UInt16? {
        let left = UInt32(range.count) - drawn
        guard left > 0 else { return nil }
        let place = drawn + UInt32(random.below(UInt64(left)))
        let chosen = moved[place] ?? place
        moved[place] = moved[drawn] ?? drawn
        moved[drawn] = nil
        drawn += 1
        return range.lowerBound + UInt16(chosen)
    }
}
