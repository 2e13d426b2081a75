import DXWire
import Testing

@testable import DXStream

@Suite struct BlackHoleDetectorTests {
    private var detector = BlackHoleDetector()

    private mutating func lose(_ number: UInt64, _ size: Int, at milliseconds: Int64) -> Bool {
        detector.onLost(
            packetNumber: number, size: size, minimum: 1200, now: Instant(nanoseconds: milliseconds * 1_000_000))
    }

    private mutating func deliver(_ number: UInt64, _ size: Int) {
        detector.onAcknowledged(packetNumber: number, size: size, current: 1472)
    }

    @Test mutating func threeEventsMakeABlackHole() {
        let first = lose(1, 1472, at: 1)
        let second = lose(2, 1472, at: 2)
        let third = lose(3, 1472, at: 3)
        #expect([first, second, third] == [false, false, true])
        // The count begins anew.
        let fourth = lose(4, 1472, at: 4)
        #expect(!fourth)
    }

    @Test mutating func packetsOfOneEventCountOnce() {
        for number in 1...50 {
            let found = lose(UInt64(number), 1472, at: 1)
            #expect(!found)
        }
        let second = lose(60, 1472, at: 2)
        #expect(!second)
    }

    @Test mutating func smallLossesAcquitTheirEvent() {
        for event in 1...10 {
            let number = UInt64(event * 10)
            // Before and after the large one.
            let small = event % 2 == 0 && lose(number, 900, at: Int64(event))
            let large = lose(number + 1, 1472, at: Int64(event))
            let after = lose(number + 2, 900, at: Int64(event))
            #expect(!small && !large && !after)
        }
    }

    @Test mutating func aLargePacketThatArrivesAcquitsThePath() {
        for event in 1...10 {
            let number = UInt64(event * 10)
            let found = lose(number, 1472, at: Int64(event))
            #expect(!found)
            if event % 2 == 0 { deliver(number + 1, 1472) }
        }
    }

    @Test mutating func aPacketAsLargeAsTheLostOnesIsEnough() {
        for event in 1...10 {
            let number = UInt64(event * 10)
            let found = lose(number, 1300, at: Int64(event))
            #expect(!found)
            deliver(number + 1, 1300)
        }
    }

    @Test mutating func whatWasSentBeforeProvesNothing() {
        let first = lose(10, 1472, at: 1)
        deliver(9, 1472)
        let second = lose(11, 1472, at: 2)
        deliver(12, 1300)
        let third = lose(13, 1472, at: 3)
        #expect([first, second, third] == [false, false, true])
    }

    @Test mutating func lossesBeforeADeliveredFullPacketAreOrdinary() {
        deliver(100, 1472)
        for number in 1...10 {
            let found = lose(UInt64(number), 1472, at: Int64(number))
            #expect(!found)
        }
    }
}
