import DXStream
import DXWire
import Testing

@Suite struct CongestionControllerTests {
    let start = Instant(nanoseconds: 1_000_000_000)
    let rtt: RTTEstimator = {
        var rtt = RTTEstimator()
        rtt.update(sample: .milliseconds(100), ackDelay: .zero, maximumAckDelay: .zero)
        return rtt
    }()

    /// The algorithms that wait for losses, alone; `automatic` begins as CUBIC. BBR has tests of its own.
    static let lossBased: [CongestionAlgorithm] = [.automatic, .cubic, .newReno]

    /// Sends `count` packets from `first` on, then acknowledges them, all at `now`.
    private func exchange(
        _ controller: inout CongestionController, first: UInt64, count: Int, now: Instant, isLimited: Bool = false
    ) {
        for number in first..<first + UInt64(count) {
            controller.onSent(bytes: 1200, packetNumber: number, now: now)
        }
        for number in first..<first + UInt64(count) {
            controller.onAcknowledged(
                bytes: 1200, sentAt: now, packetNumber: number, isApplicationLimited: isLimited, rtt: rtt, now: now)
        }
    }

    @Test(arguments: [
        (1, 10), (1080, 10_800), (1200, 12_000), (1472, 14_720), (1500, 14_720), (8972, 17_944), (65_000, 130_000),
        (.max, 131_070), (0, 10), (.min, 10),
    ])
    func initialWindow(datagram: Int, window: Int) {
        let controller = CongestionController(.cubic, maximumDatagram: datagram)
        #expect(controller.windowBytes == window)
        #expect(controller.isInSlowStart)
        #expect(controller.slowStartThreshold == nil)
    }

    @Test func countsWhatIsInFlight() {
        var controller = CongestionController(.cubic, maximumDatagram: 1200)
        for number in 0..<5 { controller.onSent(bytes: 1200, packetNumber: UInt64(number), now: start) }
        #expect(controller.bytesInFlight == 6_000)
        #expect(controller.availableBytes == 6_000)
        controller.onLost(bytes: 1200, packetNumber: 0, snapshot: nil, now: start)
        controller.onDiscarded(bytes: 1200)
        #expect(controller.bytesInFlight == 3_600)
        #expect(controller.windowBytes == 12_000)
        controller.onAcknowledged(
            bytes: 1200, sentAt: start, packetNumber: 2, isApplicationLimited: false, rtt: rtt, now: start)
        #expect(controller.bytesInFlight == 2_400)
        #expect(controller.windowBytes == 13_200)
        // Probes may exceed the window; less than nothing is nothing.
        controller.onSent(bytes: 50_000, packetNumber: 4, now: start)
        #expect(controller.availableBytes == 0)
        controller.onDiscarded(bytes: 100_000)
        #expect(controller.bytesInFlight == 0)
    }

    @Test(arguments: Self.lossBased)
    func slowStartDoubles(algorithm: CongestionAlgorithm) {
        var controller = CongestionController(algorithm, maximumDatagram: 1200)
        exchange(&controller, first: 0, count: 10, now: start)
        #expect(controller.windowBytes == 24_000)
        exchange(&controller, first: 10, count: 20, now: start, isLimited: true)
        #expect(controller.windowBytes == 24_000)
    }

    /// An application that sends ten packets a round says "limited" of the last one at most. The window must not follow
    /// the other nine for ever: after an hour the next transfer would be one enormous burst.
    @Test(arguments: Self.lossBased, [false, true])
    func smallBurstsDoNotInflateTheWindow(algorithm: CongestionAlgorithm, isInSlowStart: Bool) {
        var controller = CongestionController(algorithm, maximumDatagram: 1200)
        if !isInSlowStart {
            controller.onCongestionEvent(sentAt: start, largestSent: 0, now: start, isECN: false)
        }
        for round in 0..<10_000 {
            exchange(
                &controller, first: UInt64(1 + 10 * round), count: 10,
                now: start + .milliseconds(100 * Int64(1 + round)))
        }
        #expect(controller.windowBytes > 12_000)
        #expect(controller.windowBytes <= 2 * 12_000 + 1_200)
    }

    @Test func reducesOncePerRound() {
        var controller = CongestionController(.newReno, maximumDatagram: 1200)
        exchange(&controller, first: 0, count: 90, now: start)
        #expect(controller.windowBytes == 120_000)
        let later = start + .milliseconds(100)
        controller.onCongestionEvent(sentAt: start, largestSent: 99, now: later, isECN: false)
        #expect(controller.windowBytes == 60_000)
        #expect(controller.slowStartThreshold == 60_000)
        #expect(!controller.isInSlowStart)
        // Sent before the reduction, or at its instant.
        controller.onCongestionEvent(sentAt: start, largestSent: 120, now: later, isECN: false)
        controller.onCongestionEvent(sentAt: later, largestSent: 120, now: later, isECN: true)
        #expect(controller.windowBytes == 60_000)
        controller.onCongestionEvent(
            sentAt: later + .nanoseconds(1), largestSent: 120, now: later + .milliseconds(100), isECN: false)
        #expect(controller.windowBytes == 30_000)
    }

    @Test func packetsFromBeforeTheReductionGrowNothing() {
        var controller = CongestionController(.newReno, maximumDatagram: 1200)
        exchange(&controller, first: 0, count: 90, now: start)
        controller.onCongestionEvent(sentAt: start, largestSent: 200, now: start, isECN: false)
        exchange(&controller, first: 90, count: 111, now: start + .milliseconds(100))
        #expect(controller.windowBytes == 60_000)
        exchange(&controller, first: 201, count: 50, now: start + .milliseconds(200))
        #expect(controller.windowBytes == 61_200)
    }

    @Test(arguments: Self.lossBased)
    func neverBelowTwoDatagrams(algorithm: CongestionAlgorithm) {
        var controller = CongestionController(algorithm, maximumDatagram: 1200)
        for round in 1...40 {
            let now = start + .seconds(Int64(round))
            controller.onCongestionEvent(sentAt: now, largestSent: 0, now: now, isECN: false)
        }
        #expect(controller.windowBytes == 2_400)
    }

    @Test(arguments: Self.lossBased)
    func aSpuriousLossIsUndone(algorithm: CongestionAlgorithm) {
        var controller = CongestionController(algorithm, maximumDatagram: 1200)
        exchange(&controller, first: 0, count: 90, now: start)
        controller.onCongestionEvent(sentAt: start, largestSent: 99, now: start + .seconds(1), isECN: false)
        #expect(controller.windowBytes < 120_000)
        controller.onSpuriousCongestion(now: start + .seconds(1))
        #expect(controller.windowBytes == 120_000)
        #expect(controller.slowStartThreshold == nil)
        #expect(controller.isInSlowStart)
        // The same packets may now be found lost for good.
        controller.onCongestionEvent(sentAt: start, largestSent: 99, now: start + .seconds(2), isECN: false)
        #expect(controller.windowBytes < 120_000)
    }

    @Test func onlyTheLastReductionIsUndone() {
        var controller = CongestionController(.newReno, maximumDatagram: 1200)
        exchange(&controller, first: 0, count: 90, now: start)
        for round in 1...2 {
            let now = start + .seconds(Int64(round))
            controller.onCongestionEvent(sentAt: now, largestSent: 99, now: now, isECN: false)
        }
        #expect(controller.windowBytes == 30_000)
        controller.onSpuriousCongestion(now: start + .seconds(3))
        #expect(controller.windowBytes == 60_000)
        controller.onSpuriousCongestion(now: start + .seconds(3))
        #expect(controller.windowBytes == 60_000)
    }

    @Test func marksAreNeverUndone() {
        var controller = CongestionController(.newReno, maximumDatagram: 1200)
        exchange(&controller, first: 0, count: 90, now: start)
        controller.onCongestionEvent(sentAt: start, largestSent: 99, now: start, isECN: true)
        controller.onSpuriousCongestion(now: start)
        #expect(controller.windowBytes == 60_000)
        // A loss and a mark in one round: the mark stands.
        let later = start + .seconds(1)
        controller.onCongestionEvent(sentAt: later, largestSent: 99, now: later, isECN: false)
        controller.onCongestionEvent(sentAt: later, largestSent: 99, now: later, isECN: true)
        controller.onSpuriousCongestion(now: later)
        #expect(controller.windowBytes == 30_000)
    }

    @Test func aLargerWindowSurvivesAnUndo() {
        var controller = CongestionController(.newReno, maximumDatagram: 1200)
        controller.onCongestionEvent(sentAt: start, largestSent: 0, now: start, isECN: false)
        exchange(&controller, first: 1, count: 100, now: start + .seconds(1))
        let grown = controller.windowBytes
        #expect(grown > 12_000)
        controller.onSpuriousCongestion(now: start + .seconds(2))
        #expect(controller.windowBytes == grown)
    }

    @Test(arguments: Self.lossBased)
    func persistentCongestionStartsOver(algorithm: CongestionAlgorithm) {
        var controller = CongestionController(algorithm, maximumDatagram: 1200)
        exchange(&controller, first: 0, count: 90, now: start)
        let later = start + .seconds(1)
        controller.onCongestionEvent(sentAt: start, largestSent: 99, now: later, isECN: false)
        let threshold = controller.slowStartThreshold
        controller.onPersistentCongestion(now: later)
        #expect(controller.windowBytes == 2_400)
        #expect(controller.slowStartThreshold == threshold)
        #expect(controller.isInSlowStart)
        // More of the old packets found lost do not lower the threshold to nothing.
        controller.onCongestionEvent(sentAt: start, largestSent: 99, now: later, isECN: false)
        #expect(controller.slowStartThreshold == threshold)
        // What is acknowledged now grows the window, also when it was sent before.
        exchange(&controller, first: 90, count: 2, now: later)
        #expect(controller.windowBytes == 4_800)
        // The probes were all delivered after all.
        controller.onSpuriousCongestion(now: later)
        #expect(controller.windowBytes == 120_000)
    }

    /// Packets sent after the reduction, and before the path was found dead, belong to the same trouble.
    @Test func lossesFromBeforePersistentCongestionAreIgnored() {
        var controller = CongestionController(.newReno, maximumDatagram: 1200)
        exchange(&controller, first: 0, count: 90, now: start)
        controller.onCongestionEvent(sentAt: start, largestSent: 99, now: start + .seconds(1), isECN: false)
        controller.onPersistentCongestion(now: start + .seconds(3))
        controller.onCongestionEvent(
            sentAt: start + .seconds(2), largestSent: 99, now: start + .seconds(4), isECN: false)
        #expect(controller.slowStartThreshold == 60_000)
    }

    @Test func persistentCongestionAloneSetsAThreshold() {
        var controller = CongestionController(.newReno, maximumDatagram: 1200)
        exchange(&controller, first: 0, count: 90, now: start)
        controller.onPersistentCongestion(now: start)
        #expect(controller.windowBytes == 2_400)
        #expect(controller.slowStartThreshold == 60_000)
    }

    @Test(arguments: Self.lossBased)
    func aNewSessionInherits(algorithm: CongestionAlgorithm) {
        var old = CongestionController(algorithm, maximumDatagram: 1200)
        exchange(&old, first: 0, count: 90, now: start)
        old.onCongestionEvent(sentAt: start, largestSent: 1_000, now: start + .seconds(1), isECN: false)
        exchange(&old, first: 1_001, count: 50, now: start + .seconds(2))
        old.onSent(bytes: 1200, packetNumber: 1_200, now: start + .seconds(2))
        var new = CongestionController(algorithm, maximumDatagram: 1200)
        new.inherit(from: old)
        #expect(new.windowBytes == old.windowBytes)
        #expect(new.slowStartThreshold == old.slowStartThreshold)
        #expect(new.bytesInFlight == 0)
        // Packet numbers begin anew, and still grow the window, by the same curve.
        var reference = old
        reference.onDiscarded(bytes: 1200)
        exchange(&new, first: 0, count: 200, now: start + .seconds(3))
        exchange(&reference, first: 2_000, count: 200, now: start + .seconds(3))
        #expect(new.windowBytes > old.windowBytes)
        #expect(new.windowBytes == reference.windowBytes)
        // Nothing to undo any more.
        let window = new.windowBytes
        new.onSpuriousCongestion(now: start + .seconds(3))
        #expect(new.windowBytes == window)
    }

    @Test func inheritsTheWindowOfAnotherAlgorithm() {
        var old = CongestionController(.newReno, maximumDatagram: 1200)
        exchange(&old, first: 0, count: 90, now: start)
        old.onCongestionEvent(sentAt: start, largestSent: 99, now: start, isECN: false)
        var new = CongestionController(.cubic, maximumDatagram: 1200)
        new.inherit(from: old)
        #expect(new.algorithm == .cubic)
        #expect(new.windowBytes == 60_000)
        #expect(new.slowStartThreshold == 60_000)
    }

    @Test func aNewDatagramSizeKeepsTheWindow() {
        var controller = CongestionController(.cubic, maximumDatagram: 1200)
        controller.setMaximumDatagram(1472)
        #expect(controller.windowBytes == 12_000)
        // Two datagrams at least.
        controller.setMaximumDatagram(8972)
        #expect(controller.windowBytes == 17_944)
        controller.setMaximumDatagram(1200)
        #expect(controller.windowBytes == 17_944)
    }

    @Test func pacesFasterThanTheWindow() {
        var controller = CongestionController(.newReno, maximumDatagram: 1200)
        // 12,000 bytes in 100 ms, twice.
        #expect(controller.pacingRate(rtt: rtt) == 240_000)
        exchange(&controller, first: 0, count: 90, now: start)
        controller.onCongestionEvent(sentAt: start, largestSent: 99, now: start, isECN: false)
        #expect(controller.pacingRate(rtt: rtt) == 750_000)
        #expect(controller.pacingRate(rtt: RTTEstimator(initial: .max)) > 0)
        #expect(controller.pacingRate(rtt: RTTEstimator(initial: .zero)) > 0)
    }

    @Test(arguments: CongestionAlgorithm.allCases)
    func anyInputIsTaken(algorithm: CongestionAlgorithm) {
        var random = RandomSource(seed: 11)
        let values: [Int] = [.min, -1, 0, 1, 1200, 65_000, 1 << 40, .max]
        let numbers: [UInt64] = [0, 1, 2, 1_000, .max - 1, .max]
        for _ in 0..<200 {
            func value() -> Int { values[Int(random.below(8))] }
            func number() -> UInt64 { numbers[Int(random.below(6))] }
            func instant() -> Instant { Instant(nanoseconds: Int64(value())) }
            var controller = CongestionController(algorithm, maximumDatagram: value())
            var rtt = RTTEstimator()
            var snapshots: [DeliverySnapshot] = []
            for _ in 0..<200 {
                rtt.update(sample: .nanoseconds(Int64(value())), ackDelay: .zero, maximumAckDelay: .zero)
                switch random.below(20) {
                case 0: controller.onSent(bytes: value(), packetNumber: number(), now: instant())
                case 1:
                    controller.onCongestionEvent(
                        sentAt: instant(), largestSent: number(), now: instant(), isECN: random.chance(0.5))
                case 2:
                    controller.onLost(
                        bytes: value(), packetNumber: number(), snapshot: snapshots.randomElement(using: &random),
                        now: instant())
                case 3: if random.chance(0.2) { controller.onPersistentCongestion(now: instant()) }
                case 4: controller.onSpuriousCongestion(now: instant())
                case 5: controller.setMaximumDatagram(value())
                case 6:
                    controller.onRTTSample(
                        .nanoseconds(Int64(value())), largestAcknowledged: number(), now: instant())
                case 7: controller.inherit(from: controller)
                case 8: snapshots.append(controller.takeSnapshot(bytes: value(), now: instant()))
                case 9: controller.onAckProcessed(rtt: rtt, now: instant())
                case 10: controller.onApplicationLimited()
                case 11: controller.ignoreDelivery(below: number())
                default:
                    controller.onAcknowledged(
                        bytes: value(), sentAt: instant(), packetNumber: number(),
                        isApplicationLimited: random.chance(0.2), snapshot: snapshots.randomElement(using: &random),
                        rtt: rtt, now: instant())
                }
                #expect(controller.windowBytes >= 2 && controller.windowBytes <= 1 << 32)
                #expect(controller.bytesInFlight >= 0 && controller.availableBytes >= 0)
                #expect(controller.pacingRate(rtt: rtt) > 0)
            }
        }
    }

    @Test func layout() {
        // Flat and in one piece: three algorithms and what chooses between them. One for each path, never copied on the
        // way of a packet.
        #expect(MemoryLayout<CongestionController>.stride <= 1_536)
        #expect(MemoryLayout<DeliverySnapshot>.stride == 40)
    }
}
