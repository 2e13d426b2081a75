import DXWire
import Testing

@testable import DXStream

/// One discovery over a path of known size: probes within it are acknowledged, others lost.
private struct SimulatedPath {
    var discovery: MTUDiscovery
    var size: Int
    var now = Instant(nanoseconds: 1_000_000_000)
    var nextNumber: UInt64 = 0
    var probes: [Int] = []

    init(size: Int, maximum: Int = 65_000) {
        self.size = size
        discovery = MTUDiscovery(maximum: maximum, now: now)
    }

    /// One probe and its fate, a round trip later. False when none is due.
    mutating func probe(isLostAnyway: Bool = false) -> Bool {
        guard let size = discovery.probeSize(now: now) else { return false }
        let number = nextNumber
        nextNumber += 1
        probes.append(size)
        discovery.onProbeSent(packetNumber: number, size: size, now: now)
        #expect(discovery.probeSize(now: now) == nil, "one probe at a time")
        now += .milliseconds(50)
        if size <= self.size && !isLostAnyway {
            #expect(discovery.onAcknowledged(packetNumber: number, size: size, now: now) == true)
            #expect(discovery.current == size)
        } else {
            discovery.onProbeLost(packetNumber: number, now: now)
        }
        return true
    }

    mutating func search() {
        while probes.count < 1_000, probe() {}
    }

    /// Sends a packet that is no probe. Packets are lost or acknowledged as the path's size says.
    mutating func send(_ size: Int) -> (isDelivered: Bool, number: UInt64) {
        nextNumber += 1
        return (size <= self.size, nextNumber - 1)
    }

    /// Full packets in flight, then a small one that gets through: all full ones are declared lost at once.
    mutating func lossEvent(full count: Int) -> Bool {
        let sent = (0..<count).map { _ in send(discovery.current).number }
        let size = discovery.current
        let small = send(discovery.minimum)
        now += .milliseconds(200)
        #expect(discovery.onAcknowledged(packetNumber: small.number, size: discovery.minimum, now: now) == false)
        var isBlackHole = false
        for number in sent {
            let fell = discovery.onLost(packetNumber: number, size: size, now: now)
            isBlackHole = isBlackHole || fell
        }
        return isBlackHole
    }
}

@Suite struct MTUDiscoveryTests {
    /// The most that `current` may stay below the path.
    private func tolerance(_ size: Int) -> Int { max(16, size / 50) }

    @Test func convergesOnEverySizeOfPath() {
        var most = 0
        for size in 1200...9000 {
            var path = SimulatedPath(size: size)
            path.search()
            let current = path.discovery.current
            #expect(current <= size)
            #expect(current >= 1200 && current >= size - tolerance(size) - 1, "path \(size): \(current)")
            most = max(most, path.probes.count)
        }
        #expect(most <= MTUDiscovery.probeLimit, "\(most) probes")
    }

    @Test func convergesOnLargePaths() {
        var most = 0
        for size in stride(from: 9000, through: 65_000, by: 97) {
            var path = SimulatedPath(size: size)
            path.search()
            let current = path.discovery.current
            #expect(current <= size && current >= size - tolerance(size) - 1, "path \(size): \(current)")
            most = max(most, path.probes.count)
        }
        #expect(most <= MTUDiscovery.probeLimit, "\(most) probes")
    }

    /// With one packet in five lost, sizes are ruled out wrongly now and then; the raise timer mends that in time.
    @Test func convergesUnderRandomLoss() throws {
        for seed in 0..<300 {
            var random = RandomSource(seed: UInt64(seed))
            let size = 1200 + Int(random.below(7_800))
            var path = SimulatedPath(size: size)
            var waits = 0
            while path.discovery.current < size - tolerance(size) - 1 {
                while path.probe(isLostAnyway: random.chance(0.2)) {}
                #expect(path.discovery.current <= size)
                path.now = try #require(path.discovery.nextTimeout)
                waits += 1
                try #require(waits < 50, "seed \(seed): \(path.discovery.current) of \(size)")
            }
        }
    }

    @Test func neverGoesBeyondThePeersLimit() {
        for maximum in [1200, 1201, 1252, 1400, 1452, 1453, 1472, 1500, 1501, 4000, 8972, 9000, 40_000] {
            var path = SimulatedPath(size: 70_000, maximum: maximum)
            path.search()
            #expect(path.discovery.current == maximum)
            #expect(path.probes.allSatisfy { $0 <= maximum })
            #expect(path.discovery.nextTimeout == nil)
        }
    }

    @Test func findsCommonSizesExactly() {
        for size in [1232, 1252, 1372, 1392, 1432, 1452, 1472, 8952, 8972, 65_000] {
            var path = SimulatedPath(size: size)
            path.search()
            #expect(path.discovery.current == size)
        }
    }

    @Test func probesOnEthernet() {
        var path = SimulatedPath(size: 1472)
        path.search()
        #expect(path.probes == [1452, 1472, 1500, 1500, 1500])
        path = SimulatedPath(size: 1452)
        path.search()
        #expect(path.probes == [1452, 1472, 1472, 1472])
        path = SimulatedPath(size: 70_000)
        path.search()
        #expect(path.probes == [1452, 1472, 1500, 4048, 8952, 8972, 32_768, 65_000])
    }

    @Test func twoLostProbesAreRepeated() {
        var path = SimulatedPath(size: 1472)
        #expect(path.probe(isLostAnyway: true) == true)
        #expect(path.probe(isLostAnyway: true) == true)
        #expect(path.discovery.current == 1200)
        path.search()
        #expect(path.discovery.current == 1472)
        #expect(path.probes.prefix(4) == [1452, 1452, 1452, 1472])
    }

    @Test func aLateAcknowledgementOfAProbeCounts() {
        var discovery = MTUDiscovery(maximum: 65_000, now: .zero)
        discovery.onProbeSent(packetNumber: 5, size: 1452, now: .zero)
        discovery.onProbeLost(packetNumber: 5, now: .zero)
        discovery.onProbeSent(packetNumber: 6, size: 1452, now: .zero)
        #expect(discovery.onAcknowledged(packetNumber: 5, size: 1452, now: .zero) == true)
        #expect(discovery.current == 1452)
        // The other copy's fate changes nothing.
        discovery.onProbeLost(packetNumber: 6, now: .zero)
        #expect(discovery.onAcknowledged(packetNumber: 6, size: 1452, now: .zero) == false)
        #expect(discovery.probeSize(now: .zero) == 1472)
    }

    @Test func aProbeOfAnotherSizeIsNone() {
        var discovery = MTUDiscovery(maximum: 65_000, now: .zero)
        discovery.onProbeSent(packetNumber: 1, size: 9_000, now: .zero)
        #expect(discovery.probeSize(now: .zero) == 1452)
        #expect(discovery.onAcknowledged(packetNumber: 1, size: 9_000, now: .zero) == false)
        #expect(discovery.current == 1200)
    }

    @Test func asksEveryTenMinutesWhetherThePathHasGrown() throws {
        var path = SimulatedPath(size: 1472)
        path.search()
        let due = try #require(path.discovery.nextTimeout)
        #expect(due == path.now + .seconds(600))
        #expect(path.discovery.probeSize(now: due - .nanoseconds(1)) == nil)
        // Still Ethernet: one probe, then ten minutes of silence.
        path.now = due
        path.probes = []
        path.search()
        #expect(path.probes == [1500])
        #expect(path.discovery.nextTimeout == path.now + .seconds(600))
        // Grown: the search goes on from there.
        path.size = 8972
        path.now += .seconds(600)
        path.search()
        #expect(path.discovery.current == 8972)
    }

    @Test func aBlackHoleIsFoundAndLeft() throws {
        for (before, after) in [(9_000, 1472), (1472, 1300), (1472, 1200), (65_000, 9_000)] {
            var path = SimulatedPath(size: before)
            path.search()
            let top = path.discovery.current
            for _ in 0..<20 {
                let full = path.send(top)
                #expect(path.discovery.onAcknowledged(packetNumber: full.number, size: top, now: path.now) == false)
            }
            path.size = after
            #expect(path.lossEvent(full: 10) == false)
            #expect(path.lossEvent(full: 2) == false)
            #expect(path.lossEvent(full: 2) == true)
            #expect(path.discovery.current == 1200)
            // Large packets still to be found lost change nothing more.
            #expect(path.discovery.onLost(packetNumber: 3, size: top, now: path.now) == false)
            // A minute later it searches anew, and finds what is left.
            let due = try #require(path.discovery.nextTimeout)
            #expect(path.discovery.probeSize(now: due - .nanoseconds(1)) == nil)
            path.now = due
            path.search()
            #expect(path.discovery.current <= after && path.discovery.current >= after - tolerance(after) - 1)
            // And when the route heals, the raise timer finds that.
            path.size = before
            path.now = try #require(path.discovery.nextTimeout)
            path.search()
            #expect(path.discovery.current == top)
        }
    }

    @Test func aBlackHoleDuringTheSearchEndsIt() throws {
        var path = SimulatedPath(size: 1472)
        #expect(path.probe() == true)
        let due = path.discovery.probeSize(now: path.now)
        let size = try #require(due)
        path.discovery.onProbeSent(packetNumber: path.nextNumber, size: size, now: path.now)
        path.nextNumber += 1
        path.size = 1200
        let probe = path.nextNumber - 1
        for _ in 0..<2 { #expect(path.lossEvent(full: 2) == false) }
        #expect(path.lossEvent(full: 2) == true)
        #expect(path.discovery.onAcknowledged(packetNumber: probe, size: size, now: path.now) == false)
        #expect(path.discovery.current == 1200)
        #expect(path.discovery.probeSize(now: path.now) == nil)
    }

    /// A packet sent before a black hole, of the size that is probed after it, is no probe.
    @Test func anOldPacketOfTheProbedSizeProvesNothing() {
        var path = SimulatedPath(size: 1452)
        path.search()
        let old = path.send(1452).number
        path.size = 1200
        for _ in 0..<3 { _ = path.lossEvent(full: 2) }
        path.now += .seconds(60)
        let size = path.discovery.probeSize(now: path.now)
        #expect(size == 1452)
        #expect(path.discovery.onAcknowledged(packetNumber: old, size: 1452, now: path.now) == false)
        path.discovery.onProbeSent(packetNumber: path.nextNumber, size: 1452, now: path.now)
        #expect(path.discovery.onAcknowledged(packetNumber: old, size: 1452, now: path.now) == false)
        #expect(path.discovery.current == 1200)
    }

    @Test func inheritsSizeAndWait() {
        var path = SimulatedPath(size: 1472)
        path.search()
        let heir = MTUDiscovery(inheriting: path.discovery, now: path.now)
        #expect(heir.current == 1472)
        #expect(heir.nextTimeout == path.discovery.nextTimeout)
        // In the middle of a search the probe in flight belongs to the old session.
        var searching = MTUDiscovery(maximum: 65_000, now: .zero)
        searching.onProbeSent(packetNumber: 900, size: 1452, now: .zero)
        var second = MTUDiscovery(inheriting: searching, now: .zero)
        #expect(second.probeSize(now: .zero) == 1452)
        second.onProbeLost(packetNumber: 900, now: .zero)
        second.onProbeSent(packetNumber: 0, size: 1452, now: .zero)
        #expect(second.onAcknowledged(packetNumber: 0, size: 1452, now: .zero) == true)
    }

    @Test func anyInputIsTaken() {
        var random = RandomSource(seed: 3)
        let sizes = [Int.min, -1, 0, 1, 1200, 1452, 1472, 9_000, 65_000, .max]
        for minimum in sizes {
            for maximum in sizes {
                var discovery = MTUDiscovery(minimum: minimum, maximum: maximum, now: .zero)
                var now = Instant.zero
                for _ in 0..<200 {
                    let number = random.below(4)
                    let size = random.chance(0.5) ? discovery.probeSize(now: now) ?? 0 : sizes[Int(random.below(10))]
                    now += .seconds(Int64(random.below(100)))
                    switch random.below(4) {
                    case 0: discovery.onProbeSent(packetNumber: number, size: size, now: now)
                    case 1: _ = discovery.onAcknowledged(packetNumber: number, size: size, now: now)
                    case 2: discovery.onProbeLost(packetNumber: number, now: now)
                    default: _ = discovery.onLost(packetNumber: number, size: size, now: now)
                    }
                    #expect(discovery.current >= discovery.minimum && discovery.current <= discovery.maximum)
                }
            }
        }
    }

    @Test func layout() {
        #expect(MemoryLayout<MTUDiscovery>.stride <= 192)
    }
}
