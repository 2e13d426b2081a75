import DXSimulator
import DXStream
import DXWire
import Testing

/// Explicit congestion notification: marks in place of losses.
@Suite struct ECNTests {
    private func transfer(marksECN: Bool, usesECN: Bool = true, upward: Link? = nil) throws -> Pair {
        var setup = Pair.Setup()
        setup.lower.usesECN = usesECN
        // BBR would not let the queue overflow without marks either.
        setup.lower.congestion = .cubic
        let start = setup.clock.now
        var plan = TrafficPlan()
        plan.streams = [.bulk(12_000_000)]
        let pair = try Pair(
            setup,
            upward: upward
                ?? .steady(
                    megabitsPerSecond: 20, delay: .milliseconds(20), queue: .milliseconds(120), marksECN: marksECN),
            downward: .steady(megabitsPerSecond: 20, delay: .milliseconds(20), queue: .milliseconds(100)),
            lower: Traffic(plan, role: .lower, seed: 1, start: start),
            upper: Traffic(plan, role: .upper, seed: 1, start: start))
        try pair.runUntilDone()
        return pair
    }

    /// The queue stays short and nothing is lost, at the same throughput.
    @Test func marksKeepTheQueueShort() throws {
        let marked = try transfer(marksECN: true)
        let path = marked.lower.channel.pathSnapshots[0]
        let bottleneck = try #require(marked.upward.nodes[0] as? Bottleneck)
        #expect(path.marksECN)
        #expect(bottleneck.markCount > 0)
        #expect(marked.upward.dropCount == 0, "\(marked.upward.dropCount) dropped in spite of marks")
        #expect(path.statistics.packetsLost == 0)
        let dropped = try transfer(marksECN: false)
        let queue = try #require(dropped.upward.nodes[0] as? Bottleneck)
        #expect(dropped.upward.dropCount > 0)
        #expect(bottleneck.longestQueueByteCount < queue.longestQueueByteCount)
        // 12 MB at 20 Mbit/s take 4.8 s, headers and MTU search aside.
        #expect(marked.now - VirtualClock().now < .milliseconds(5_600), "\(marked.now)")
    }

    @Test func whoDoesNotUseItIsNotMarked() throws {
        let pair = try transfer(marksECN: true, usesECN: false)
        let bottleneck = try #require(pair.upward.nodes[0] as? Bottleneck)
        #expect(bottleneck.markCount == 0)
        #expect(!pair.lower.channel.pathSnapshots[0].marksECN)
    }

    /// A path that wipes the marks, or drops what is marked, or writes CE on everything, is found out; the transfer goes on.
    @Test(arguments: Meddler.Way.allCases) func meddlersAreFoundOut(way: Meddler.Way) throws {
        let upward = Link([
            Meddler(way), Bottleneck(bytesPerSecond: 2_500_000, queueByteCount: 200_000), Delay(.milliseconds(20)),
        ])
        let pair = try transfer(marksECN: false, upward: upward)
        #expect(!pair.lower.channel.pathSnapshots[0].marksECN || way == .marksAll)
        #expect(pair.now - VirtualClock().now < .seconds(way == .marksAll ? 60 : 8), "\(pair.now)")
    }

    /// A router that does what it should not with the ECN bits.
    final class Meddler: Node {
        enum Way: CaseIterable { case wipes, dropsMarked, marksAll, turnsIntoECT1 }
        private let way: Way
        private(set) var dropCount = 0

        init(_ way: Way) { self.way = way }

        func forward(_ datagram: Datagram, now: Instant, output: inout [Datagram]) {
            var changed = datagram
            switch way {
            case .wipes: changed.ecn = .notECT
            case .dropsMarked:
                guard datagram.ecn == .notECT else {
                    dropCount += 1
                    return
                }
            case .marksAll: if datagram.ecn != .notECT { changed.ecn = .ce }
            case .turnsIntoECT1: if datagram.ecn == .ect0 { changed.ecn = .ect1 }
            }
            output.append(changed)
        }
    }
}
