import DXStream
import DXWire
import Testing

@Suite struct ECNValidatorTests {
    /// A validator that has sent `sent` marked packets.
    private func validator(sent: UInt64) -> ECNValidator {
        var validator = ECNValidator(isEnabled: true)
        for number in 0..<sent { validator.onSent(packetNumber: number, marked: validator.marksPackets) }
        return validator
    }

    private func acknowledge(
        _ validator: inout ECNValidator, _ newly: Int, _ ect0: UInt64, ce: UInt64 = 0, ect1: UInt64 = 0,
        isLargest: Bool = true
    ) -> Bool {
        validator.onAcknowledged(
            newlyAckedMarked: newly, counts: ECNCounts(ect0: ect0, ect1: ect1, ce: ce), largestAckedChanged: isLargest,
            now: .zero)
    }

    @Test func marksTenPacketsAndWaits() {
        #expect(validator(sent: 9).marksPackets)
        #expect(validator(sent: 9).phase == .testing)
        #expect(!validator(sent: 10).marksPackets)
        #expect(validator(sent: 10).phase == .waiting)
        #expect(!ECNValidator(isEnabled: false).marksPackets)
    }

    @Test func countsMakeItCapable() {
        var validator = validator(sent: 10)
        #expect(!acknowledge(&validator, 2, 2))
        #expect(validator.phase == .capable)
        #expect(validator.marksPackets)
    }

    @Test func aRiseOfCEIsCongestionOnce() {
        var validator = validator(sent: 10)
        #expect(!acknowledge(&validator, 4, 4))
        #expect(acknowledge(&validator, 2, 5, ce: 1))
        #expect(!acknowledge(&validator, 2, 7, ce: 1))
        #expect(acknowledge(&validator, 2, 7, ce: 3))
        #expect(validator.phase == .capable)
    }

    @Test func aReorderedACKFailsNothing() {
        var validator = validator(sent: 10)
        #expect(!acknowledge(&validator, 6, 6))
        #expect(!acknowledge(&validator, 2, 3, isLargest: false))
        #expect(
            validator.onAcknowledged(newlyAckedMarked: 1, counts: nil, largestAckedChanged: false, now: .zero) == false)
        #expect(validator.phase == .capable)
        // What that one acknowledged is in the next count.
        #expect(!acknowledge(&validator, 1, 10))
        #expect(validator.phase == .capable)
    }

    @Test(arguments: [
        // newly, ect0, ect1, ce after an ACK with 4 of ECT(0)
        (2, UInt64(5), UInt64(0), UInt64(0)),  // one mark was bleached
        (1, 3, 0, 2),  // a count fell
        (2, 6, 1, 0),  // ECT(1) that was never sent
        (2, 11, 0, 0),  // more than were sent
        (2, 8, 0, 3),  // more than were sent, with CE
        (0, .max, 0, .max),
    ])
    func impossibleCountsFail(newly: Int, ect0: UInt64, ect1: UInt64, ce: UInt64) {
        var validator = validator(sent: 10)
        #expect(!acknowledge(&validator, 4, 4))
        #expect(!acknowledge(&validator, newly, ect0, ce: ce, ect1: ect1))
        #expect(validator.phase == .failed)
        #expect(!validator.marksPackets)
    }

    @Test func missingCountsFail() {
        var validator = validator(sent: 3)
        #expect(
            validator.onAcknowledged(newlyAckedMarked: 0, counts: nil, largestAckedChanged: true, now: .zero) == false)
        #expect(validator.phase == .testing)
        #expect(
            validator.onAcknowledged(newlyAckedMarked: 1, counts: nil, largestAckedChanged: true, now: .zero) == false)
        #expect(validator.phase == .failed)
    }

    @Test func aPathThatDropsMarksFails() {
        var validator = validator(sent: 10)
        validator.onLost(marked: 9)
        #expect(validator.phase == .waiting)
        validator.onLost(marked: 1)
        #expect(validator.phase == .failed)
        // Not before all ten are out.
        var early = self.validator(sent: 9)
        early.onLost(marked: 9)
        #expect(early.phase == .testing)
    }

    @Test func aPathThatWritesCEOnEverythingFails() {
        var validator = validator(sent: 10)
        #expect(!acknowledge(&validator, 4, 0, ce: 4))
        #expect(validator.phase == .waiting)
        #expect(!acknowledge(&validator, 6, 0, ce: 10))
        #expect(validator.phase == .failed)
    }

    /// Every state, every input: which state follows, and whether the answer was a congestion event.
    @Test func transitionTable() throws {
        let states: [(String, ECNValidator)] = [
            ("disabled", ECNValidator(isEnabled: false)),
            ("testing, none sent", validator(sent: 0)),
            ("testing, 9 sent", validator(sent: 9)),
            ("waiting", validator(sent: 10)),
            (
                "waiting, 9 lost",
                {
                    var state = validator(sent: 10)
                    state.onLost(marked: 9)
                    return state
                }()
            ),
            (
                "capable, 4 counted",
                {
                    var state = validator(sent: 10)
                    _ = acknowledge(&state, 4, 4)
                    return state
                }()
            ),
            (
                "failed",
                {
                    var state = validator(sent: 10)
                    state.onLost(marked: 10)
                    return state
                }()
            ),
        ]
        let inputs: [(String, (inout ECNValidator) -> Bool)] = [
            (
                "marked packet sent",
                {
                    $0.onSent(packetNumber: 20, marked: true); return false
                }
            ),
            (
                "unmarked packet sent",
                {
                    $0.onSent(packetNumber: 20, marked: false); return false
                }
            ),
            ("ACK 1 marked, ECT(0) 5", { acknowledge(&$0, 1, 5) }),
            ("ACK 1 marked, ECT(0) 4 CE 1", { acknowledge(&$0, 1, 4, ce: 1) }),
            ("ACK 1 marked, ECT(0) 0 CE 5", { acknowledge(&$0, 1, 0, ce: 5) }),
            ("ACK 1 marked, ECT(0) 4", { acknowledge(&$0, 1, 4) }),
            ("ACK 1 marked, ECT(0) 5 ECT(1) 1", { acknowledge(&$0, 1, 5, ect1: 1) }),
            ("ACK 1 marked, ECT(0) 99", { acknowledge(&$0, 1, 99) }),
            (
                "ACK 1 marked, no counts",
                { $0.onAcknowledged(newlyAckedMarked: 1, counts: nil, largestAckedChanged: true, now: .zero) }
            ),
            (
                "ACK 0 marked, no counts",
                { $0.onAcknowledged(newlyAckedMarked: 0, counts: nil, largestAckedChanged: true, now: .zero) }
            ),
            ("reordered ACK 1 marked, ECT(0) 2", { acknowledge(&$0, 1, 2, isLargest: false) }),
            (
                "1 marked lost",
                {
                    $0.onLost(marked: 1); return false
                }
            ),
            (
                "10 marked lost",
                {
                    $0.onLost(marked: 10); return false
                }
            ),
        ]
        var table = "state | input | next state | congestion\n"
        for (stateName, state) in states {
            for (inputName, input) in inputs {
                var next = state
                let isCongestion = input(&next)
                table += "\(stateName) | \(inputName) | \(next.phase) | \(isCongestion ? "yes" : "-")\n"
            }
        }
        try GoldenText.expect(table, matches: "ecn-transitions.txt")
    }

    @Test func anyInputIsTaken() {
        var random = RandomSource(seed: 5)
        let counts: [UInt64] = [0, 1, 5, 10, .max - 1, .max]
        for _ in 0..<2_000 {
            var validator = ECNValidator(isEnabled: true)
            for _ in 0..<40 {
                func any() -> UInt64 { counts[Int(random.below(6))] }
                let newly = [Int.min, 0, 1, .max][Int(random.below(4))]
                switch random.below(3) {
                case 0: validator.onSent(packetNumber: any(), marked: random.chance(0.8))
                case 1: validator.onLost(marked: newly)
                default:
                    _ = validator.onAcknowledged(
                        newlyAckedMarked: newly,
                        counts: random.chance(0.9) ? ECNCounts(ect0: any(), ect1: any(), ce: any()) : nil,
                        largestAckedChanged: random.chance(0.8), now: .zero)
                }
                #expect(validator.phase != .disabled)
            }
        }
    }

    @Test func layout() {
        #expect(MemoryLayout<ECNValidator>.stride == 56)
    }
}
