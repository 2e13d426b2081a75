import DXWire
import Testing

@testable import DXStream

@Suite struct AmbientLossTests {
    @Test func fewPacketsProveLittle() {
        var loss = AmbientLoss()
        loss.noteCalm(packets: 20, lost: 1)
        #expect(loss.rate < 0.01)
        loss.noteCalm(packets: 980, lost: 49)
        #expect(loss.rate > 0.04 && loss.rate < 0.05)
        #expect(loss.isSettled)
    }

    /// A queue that overflows loses much when it is filled, and little in a lull: that is load, not chance.
    @Test func lossThatFollowsTheLoadIsNotExcused() {
        var loss = AmbientLoss()
        loss.noteCalm(packets: 2_000, lost: 20)
        loss.noteAll(packets: 10_000, lost: 100)
        #expect(loss.rate > 0.009)
        loss.noteAll(packets: 10_000, lost: 700)
        #expect(loss.rate == 0)
    }

    @Test func neverMoreThanATenth() {
        var loss = AmbientLoss()
        loss.noteCalm(packets: 4_000, lost: 2_000)
        #expect(loss.rate == 0.1)
    }

    @Test func aHealedPathIsBelieved() {
        var loss = AmbientLoss()
        loss.noteCalm(packets: 4_000, lost: 200)
        loss.noteCalm(packets: 30_000, lost: 0)
        #expect(loss.rate < 0.01)
    }

    @Test func withoutChanceAnyLossIsTooMuch() {
        var loss = AmbientLoss()
        #expect(loss.exceeds(packets: 1_000, lost: 1) == true)
        #expect(loss.exceeds(packets: 1_000, lost: 0) == false)
        #expect(loss.allowance(of: 1_000_000, datagram: 1_200) == 0)
        #expect(!loss.explains(packets: 1_000, lost: 1))
    }

    /// Rounds of plain luck are taken for luck: hardly one in a hundred is not, over many seeds and sizes of rounds.
    @Test(arguments: [30, 700]) func luckIsRarelyTakenForCongestion(packets: Int) {
        var random = RandomSource(seed: 8)
        var excesses = 0
        var rounds = 0
        for _ in 0..<20 {
            var loss = AmbientLoss()
            loss.noteCalm(packets: 4_000, lost: 80)
            for _ in 0..<100 {
                let lost = (0..<packets).count { _ in random.chance(0.02) }
                if loss.exceeds(packets: Double(packets), lost: Double(lost)) { excesses += 1 }
                rounds += 1
            }
        }
        #expect(excesses < rounds / 100, "\(excesses) of \(rounds)")
    }

    /// Twice as much as usual, for a while, is found out, in small rounds too.
    @Test(arguments: [30, 700]) func aLastingExcessIsFound(packets: Int) {
        var loss = AmbientLoss()
        loss.noteCalm(packets: 4_000, lost: 80)
        let lost = 0.05 * Double(packets)
        let found = (1...40).first { _ in loss.exceeds(packets: Double(packets), lost: lost) }
        #expect((found ?? 100) <= 3_000 / packets + 2, "found after \(String(describing: found)) rounds")
        loss.forgetExcess()
        #expect(loss.exceeds(packets: Double(packets), lost: 0) == false)
    }
}
