/// A seeded generator of random numbers (xoshiro256**), for everything in the pure modules that wants chance: probe
/// jitter, path challenges, the simulator. Not for keys or tokens: those come from OpenSSL in DXSecure.
///
/// The same seed gives the same sequence on every platform, which is what makes a failing simulation replayable.
public struct RandomSource: RandomNumberGenerator, Sendable {
    private var state: (UInt64, UInt64, UInt64, UInt64)

    /// A generator whose whole sequence is determined by `seed`; any value is good, the state is spread by SplitMix64.
    public init(seed: UInt64) {
        var spread = seed
        func next() -> UInt64 {
            spread &+= 0x9e37_79b9_7f4a_7c15
            var z = spread
            z = (z ^ (z &>> 30)) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ (z &>> 27)) &* 0x94d0_49bb_1331_11eb
            return z ^ (z &>> 31)
        }
        state = (next(), next(), next(), next())
    }

    /// The next 64 random bits.
    public mutating func next() -> UInt64 {
        func rotate(_ value: UInt64, by count: UInt64) -> UInt64 { (value &<< count) | (value &>> (64 &- count)) }
        let result = rotate(state.1 &* 5, by: 7) &* 9
        let shifted = state.1 &<< 17
        state.2 ^= state.0
        state.3 ^= state.1
        state.1 ^= state.2
        state.0 ^= state.3
        state.2 ^= shifted
        state.3 = rotate(state.3, by: 45)
        return result
    }

    /// A number from 0 up to but without `bound`, which must be above zero. The bias is below 2^-32 for small bounds.
    public mutating func below(_ bound: UInt64) -> UInt64 { next().multipliedFullWidth(by: bound).high }

    /// True with the given probability (0 never, 1 always).
    public mutating func chance(_ probability: Double) -> Bool { unit() < probability }

    /// A number from 0 up to but without 1, with 53 random bits.
    public mutating func unit() -> Double { Double(next() &>> 11) * 0x1p-53 }
}
