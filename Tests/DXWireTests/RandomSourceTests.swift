import DXWire
import Testing

@Suite struct RandomSourceTests {
    /// xoshiro256** seeded by SplitMix64; the numbers come from an independent program written from the published
    /// algorithms (for seed 0 the first is the well-known 0x99ec5f36cb75f2b4).
    static let references: [(seed: UInt64, numbers: [UInt64])] = [
        (
            0,
            [
                0x99ec_5f36_cb75_f2b4, 0xbf6e_1f78_4956_452a, 0x1a5f_849d_4933_e6e0, 0x6aa5_94f1_262d_2d2c,
                0xbba5_ad4a_1f84_2e59, 0xffef_8375_d9eb_caca,
            ]
        ),
        (
            1,
            [
                0xb3f2_af6d_0fc7_10c5, 0x853b_5596_4736_4cea, 0x92f8_9756_082a_4514, 0x642e_1c7b_c266_a3a7,
                0xb27a_48e2_9a23_3673, 0x24c1_2312_6ffd_a722,
            ]
        ),
        (
            .max,
            [
                0x8f55_20d5_2a7e_ad08, 0xc476_a018_caa1_802d, 0x81de_31c0_d260_469e, 0xbf65_8d7e_065f_3c2f,
                0x9135_93fd_a1bc_a32a, 0xbb53_5e93_941b_a525,
            ]
        ),
    ]

    @Test(arguments: references)
    func followsTheReference(seed: UInt64, expected: [UInt64]) {
        var random = RandomSource(seed: seed)
        let numbers = expected.map { _ in random.next() }
        #expect(numbers == expected)
    }

    @Test func belowGivesTheReferenceAndStaysBelow() {
        var random = RandomSource(seed: 7)
        let numbers = (0..<16).map { _ in random.below(10) }
        #expect(numbers == [7, 2, 8, 9, 9, 8, 0, 1, 4, 1, 5, 7, 9, 8, 4, 5])
        let isInRange = (0..<1_000).allSatisfy { _ in random.below(3) < 3 && random.below(1) == 0 }
        #expect(isInRange)
    }

    @Test func unitGivesTheReferenceAndStaysWithinZeroAndOne() {
        var random = RandomSource(seed: 7)
        let numbers = (0..<4).map { _ in random.unit() }
        #expect(numbers == [0.7005764821796896, 0.2787512294737843, 0.8396274618764198, 0.9810977250149351])
        for _ in 0..<1_000 {
            let value = random.unit()
            #expect(value >= 0 && value < 1)
        }
    }

    @Test func chanceKeepsItsEndsAndItsMiddle() {
        var random = RandomSource(seed: 3)
        let never = (0..<10_000).count(where: { _ in random.chance(0) })
        let always = (0..<10_000).count(where: { _ in random.chance(1) })
        let hits = (0..<10_000).count(where: { _ in random.chance(0.25) })
        #expect(never == 0)
        #expect(always == 10_000)
        // Fixed seed: the same count in each run; within five standard deviations of 2,500.
        #expect((2_284...2_716).contains(hits))
    }

    @Test func copiesGoOnAlike() {
        var first = RandomSource(seed: 9)
        _ = first.next()
        var second = first
        let (one, other) = (first.next(), second.next())
        #expect(one == other)
    }
}
