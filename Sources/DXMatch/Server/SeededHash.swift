/// SipHash-1-3 of three words under a secret seed: whoever chooses what is put into a table cannot choose its place.
struct SeededHash: Sendable, BitwiseCopyable {
    private let seed0: UInt64
    private let seed1: UInt64

    /// A hash under the first 16 bytes of a secret.
    init(seed: Block32) {
        seed0 = seed.word0
        seed1 = seed.word1
    }

    /// The hash of three words; shorter keys leave the last ones 0, always in the same table.
    @inline(__always)
    func callAsFunction(_ first: UInt64, _ second: UInt64 = 0, _ third: UInt64 = 0) -> UInt64 {
        var state = State(seed0, seed1)
        state.absorb(first)
        state.absorb(second)
        state.absorb(third)
        // The length in the highest byte, as SipHash pads: 24 bytes.
        state.absorb(24 &<< 56)
        return state.finish()
    }

    private struct State {
        var v0: UInt64
        var v1: UInt64
        var v2: UInt64
        var v3: UInt64

        @inline(__always)
        init(_ seed0: UInt64, _ seed1: UInt64) {
            v0 = seed0 ^ 0x736f_6d65_7073_6575
            v1 = seed1 ^ 0x646f_7261_6e64_6f6d
            v2 = seed0 ^ 0x6c79_6765_6e65_7261
            v3 = seed1 ^ 0x7465_6462_7974_6573
        }

        @inline(__always)
        mutating func absorb(_ word: UInt64) {
            v3 ^= word
            round()
            v0 ^= word
        }

        @inline(__always)
        mutating func finish() -> UInt64 {
            v2 ^= 0xff
            round()
            round()
            round()
            return v0 ^ v1 ^ v2 ^ v3
        }

        @inline(__always)
        private mutating func round() {
            v0 &+= v1
            v1 = (v1 &<< 13 | v1 &>> 51) ^ v0
            v0 = v0 &<< 32 | v0 &>> 32
            v2 &+= v3
            v3 = (v3 &<< 16 | v3 &>> 48) ^ v2
            v0 &+= v3
            v3 = (v3 &<< 21 | v3 &>> 43) ^ v0
            v2 &+= v1
            v1 = (v1 &<< 17 | v1 &>> 47) ^ v2
            v2 = v2 &<< 32 | v2 &>> 32
        }
    }
}
