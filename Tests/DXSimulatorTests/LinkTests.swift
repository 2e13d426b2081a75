import DXSimulator
import DXWire
import NIOCore
import Testing

/// Sends numbered datagrams through a link, one per `spacing`, and reports which numbers arrived, in order of arrival.
struct LinkProbe {
    var link: Link
    var arrivals: [(number: UInt64, at: Instant, datagram: Datagram)] = []

    init(_ nodes: [any Node]) { link = Link(nodes) }

    static func datagram(_ number: UInt64, byteCount: Int = 100, ecn: ECNMark = .notECT) -> Datagram {
        Datagram(
            bytes: ByteBuffer(repeating: UInt8(truncatingIfNeeded: number), count: byteCount), ecn: ecn, source: 1,
            destination: 2, number: number)
    }

    mutating func run(
        count: UInt64, spacing: Interval = .milliseconds(1), byteCount: Int = 100, ecn: ECNMark = .notECT
    ) {
        var output: [Datagram] = []
        var now = Instant.zero
        func note(_ output: inout [Datagram], _ arrivals: inout [(number: UInt64, at: Instant, datagram: Datagram)]) {
            arrivals += output.map { ($0.number, now, $0) }
            output = []
        }
        for number in 0..<count {
            let sendAt = Instant.zero + spacing * Int64(number)
            while let due = link.nextRunAt, due <= sendAt {
                now = due
                link.run(now: now, arrivals: &output)
                note(&output, &arrivals)
            }
            now = sendAt
            link.forward(Self.datagram(number, byteCount: byteCount, ecn: ecn), now: now, arrivals: &output)
            note(&output, &arrivals)
        }
        while let due = link.nextRunAt {
            now = max(now, due)
            link.run(now: now, arrivals: &output)
            note(&output, &arrivals)
        }
    }

    var numbers: [UInt64] { arrivals.map(\.number) }
}

@Suite struct LinkTests {
    @Test func anEmptyLinkDeliversAtOnce() {
        var probe = LinkProbe([])
        probe.run(count: 3)
        #expect(probe.numbers == [0, 1, 2])
        #expect(probe.arrivals.map(\.at.nanoseconds) == [0, 1_000_000, 2_000_000])
    }

    @Test func nodesActInOrder() {
        // The delay comes before the hole: what is sent at 0 ms meets the hole at 5 ms.
        let hole = Instant.zero + .milliseconds(5)..<Instant.zero + .milliseconds(7)
        var probe = LinkProbe([Delay(.milliseconds(5)), Blackhole([hole])])
        probe.run(count: 4)
        #expect(probe.numbers == [2, 3])
        #expect(probe.link.dropCount == 2)
        #expect(probe.link.enteredCount == 4)
        #expect(probe.link.arrivedByteCount == 2 * 128)
    }

    @Test func delayKeepsOrderAndDistance() {
        var probe = LinkProbe([Delay(.milliseconds(30))])
        probe.run(count: 50)
        #expect(probe.numbers == Array(0..<50))
        #expect(probe.arrivals.allSatisfy { $0.at == .zero + .milliseconds(30 + Int64($0.number)) })
    }

    @Test func jitterKeepsOrder() {
        var probe = LinkProbe([Jitter(upTo: .milliseconds(20), random: RandomSource(seed: 1))])
        probe.run(count: 200)
        #expect(probe.numbers == Array(0..<200))
        let delays = probe.arrivals.map { ($0.at - (.zero + .milliseconds(Int64($0.number)))).milliseconds }
        #expect(delays.max()! > 15 && delays.max()! <= 20)
        #expect(Set(delays).count > 5)
    }

    @Test func randomLossLosesItsShare() {
        var probe = LinkProbe([RandomLoss(0.1, random: RandomSource(seed: 2))])
        probe.run(count: 5_000)
        #expect((430...570).contains(probe.link.dropCount))
        #expect(probe.numbers.count == 5_000 - probe.link.dropCount)
    }

    @Test func burstLossLosesInRuns() {
        let node = BurstLoss(begin: 0.01, end: 0.1, loss: 1, random: RandomSource(seed: 3))
        var probe = LinkProbe([node])
        probe.run(count: 20_000)
        // Share in burst = 0.01 / 0.11 = 9 %; mean length of a run = 10.
        #expect((1_300...2_400).contains(probe.link.dropCount))
        let runs = zip(probe.numbers, probe.numbers.dropFirst()).filter { $1 > $0 + 1 }.count
        #expect((6.0...14.0).contains(Double(probe.link.dropCount) / Double(runs)))
    }

    @Test func reorderLosesNothing() {
        var probe = LinkProbe([Reorder(0.2, by: .milliseconds(10), random: RandomSource(seed: 4))])
        probe.run(count: 500)
        #expect(probe.numbers.sorted() == Array(0..<500))
        #expect(probe.numbers != Array(0..<500))
    }

    @Test func duplicateAddsCopies() {
        var probe = LinkProbe([Duplicate(0.3, copyWithin: .milliseconds(10), random: RandomSource(seed: 5))])
        probe.run(count: 500)
        let copies = probe.numbers.count - 500
        #expect((110...190).contains(copies))
        #expect(Set(probe.numbers).count == 500)
    }

    @Test func corruptChangesBytesOrLength() {
        let node = Corrupt(0.5, random: RandomSource(seed: 6))
        var probe = LinkProbe([node])
        probe.run(count: 400)
        #expect(probe.numbers == Array(0..<400))
        let damaged = probe.arrivals.filter { $0.datagram.bytes != LinkProbe.datagram($0.number).bytes }
        #expect((150...250).contains(damaged.count))
        #expect(damaged.contains { $0.datagram.bytes.readableBytes < 100 })
    }

    @Test func bottleneckPassesItsRateAndDropsTheRest() {
        // 128 bytes on the link per datagram and ms, through half of that rate.
        let node = Bottleneck(bytesPerSecond: 64_000, queueByteCount: 1_280)
        var probe = LinkProbe([node])
        probe.run(count: 1_000)
        #expect((500...515).contains(probe.numbers.count))
        #expect(probe.numbers == probe.numbers.sorted())
        #expect(node.longestQueueByteCount <= 1_280)
        let gaps = zip(probe.arrivals, probe.arrivals.dropFirst()).map { $1.at - $0.at }
        #expect(gaps.allSatisfy { $0 == .milliseconds(2) })
    }

    @Test func bottleneckMarksOnlyWhatIsCapable() {
        let marking = Bottleneck(bytesPerSecond: 64_000, queueByteCount: 1_280, markAboveByteCount: 500)
        var capable = LinkProbe([marking])
        capable.run(count: 100, ecn: .ect0)
        #expect(capable.arrivals.contains { $0.datagram.ecn == .ce })
        #expect(capable.arrivals.first?.datagram.ecn == .ect0)
        var incapable = LinkProbe([Bottleneck(bytesPerSecond: 64_000, queueByteCount: 1_280, markAboveByteCount: 500)])
        incapable.run(count: 100)
        #expect(incapable.arrivals.allSatisfy { $0.datagram.ecn == .notECT })
    }

    @Test func mtuLimitFollowsItsTimes() {
        var probe = LinkProbe([
            MTULimit([
                (from: .zero + .milliseconds(10), payloadByteCount: 99),
                (from: .zero + .milliseconds(20), payloadByteCount: 100),
            ])
        ])
        probe.run(count: 30)
        #expect(probe.numbers == Array(0..<10) + Array(20..<30))
    }

    @Test func untilEndsTroubleAndReleasesWhatIsHeld() {
        let end = Instant.zero + .milliseconds(10)
        var probe = LinkProbe([Until(end, Delay(.milliseconds(100)))])
        probe.run(count: 20)
        #expect(probe.numbers == Array(10..<20) + Array(0..<10))
    }
}
