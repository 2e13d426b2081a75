import DXWire
import Testing

@testable import DXStream

/// BBR over one bottleneck in virtual time, driven through `CongestionController` as a path drives it: a packet at a time
/// as the pacing rate and the window allow, each acknowledged alone.
@Suite struct BBRTests {
    /// 10 Mbit/s are 1.25 MB/s; 40 ms; a BDP of 50,000 bytes.
    @Test func findsTheRateAndKeepsTheQueueShort() {
        var line = Line(bytesPerSecond: 1_250_000, delay: .milliseconds(40), queueBytes: 500_000)
        line.run(for: .seconds(5))
        let rate = Double(line.controller.deliveryRate ?? 0)
        #expect(abs(rate - 1_250_000) < 40_000, "\(rate)")
        line.longestQueue = 0
        let used = line.usedPart(during: .seconds(20))
        #expect(used > 0.95, "\(used) of the link")
        #expect(line.longestQueue < 50_000, "at most a BDP waits, was \(line.longestQueue)")
        #expect(line.lostCount == 0)
    }

    /// Acknowledgements that come unevenly make the bandwidth look larger than it is. The queue that follows is emptied
    /// again and again, not kept.
    @Test func aBandwidthMeasuredTooHighLeavesNoStandingQueue() {
        var line = Line(bytesPerSecond: 6_250_000, delay: .milliseconds(40), queueBytes: 2_000_000)
        line.unevenness = .milliseconds(3)
        line.run(for: .seconds(5))
        (line.queuedBytes, line.sentCount) = (0, 0)
        let used = line.usedPart(during: .seconds(20))
        #expect(Double(line.controller.deliveryRate ?? 0) > 6_350_000, "it is measured too high")
        let mean = line.queuedBytes / line.sentCount
        #expect(mean < 50_000, "8 ms of queue, was \(mean) bytes")
        #expect(used > 0.95, "\(used) of the link")
    }

    /// All phases of the cycle are passed through, in order.
    @Test func passesThroughThePhases() {
        var line = Line(bytesPerSecond: 1_250_000, delay: .milliseconds(40), queueBytes: 500_000)
        line.run(for: .seconds(12))
        #expect(line.phases.first == .startup)
        for phase in [BBR.Phase.drain, .down, .cruise, .refill, .up] { #expect(line.phases.contains(phase)) }
        for (phase, next) in zip(line.phases, line.phases.dropFirst()) {
            let allowed: [BBR.Phase] =
                switch phase {
                case .startup: [.drain]
                case .drain: [.down, .cruise]  // by way of down, when there is nothing left to drain
                case .down: [.cruise, .refill, .probeRTT]
                case .cruise: [.refill, .probeRTT]
                case .refill: [.up, .probeRTT]
                case .up: [.down, .probeRTT]
                case .probeRTT: [.cruise, .startup]
                }
            #expect(allowed.contains(next), "\(phase) to \(next)")
        }
    }

    /// A second bottleneck queue that never empties hides the round trip: ProbeRTT looks for it.
    @Test func looksForTheRoundTripBehindAQueue() {
        var line = Line(bytesPerSecond: 1_250_000, delay: .milliseconds(40), queueBytes: 500_000)
        line.run(for: .seconds(3))
        line.extraDelay = .milliseconds(10)
        line.run(for: .seconds(6))
        #expect(line.phases.contains(.probeRTT), "\(line.phases)")
        // Half of a BDP in flight meanwhile.
        #expect(line.smallestProbeWindow < 40_000)
    }

    @Test func followsALinkThatBecomesSlower() {
        var line = Line(bytesPerSecond: 2_500_000, delay: .milliseconds(40), queueBytes: 200_000)
        line.run(for: .seconds(5))
        line.bytesPerSecond = 625_000
        line.run(for: .seconds(12))
        let rate = Double(line.controller.deliveryRate ?? 0)
        #expect(abs(rate - 625_000) < 60_000, "\(rate)")
    }

    @Test func followsALinkThatBecomesFaster() {
        var line = Line(bytesPerSecond: 625_000, delay: .milliseconds(40), queueBytes: 200_000)
        line.run(for: .seconds(5))
        line.bytesPerSecond = 2_500_000
        line.run(for: .seconds(12))
        #expect(Double(line.controller.deliveryRate ?? 0) > 2_250_000)
    }

    /// One packet in fifty is lost whatever the load: it is found to be chance, and hardly costs more than itself.
    @Test func lossByChanceIsFound() {
        var line = Line(bytesPerSecond: 2_500_000, delay: .milliseconds(80), queueBytes: 250_000)
        line.chance = 0.02
        line.run(for: .seconds(10))
        #expect(line.controller.ambientLoss > 0.01 && line.controller.ambientLoss < 0.03)
        let used = line.usedPart(during: .seconds(20))
        #expect(used > 0.9, "\(used) of the link")
    }

    /// A packet of eight datagrams is lost with any of them: what is found is how often datagrams are lost.
    @Test func aLostPacketOfManyDatagramsIsOneLostDatagram() {
        var line = Line(bytesPerSecond: 10_000_000, delay: .milliseconds(20), queueBytes: 1_000_000)
        line.datagramsPerPacket = 8
        line.chance = 0.002
        line.run(for: .seconds(8))
        #expect(line.controller.ambientLoss > 0.001 && line.controller.ambientLoss < 0.004)
        let used = line.usedPart(during: .seconds(20))
        #expect(used > 0.9, "\(used) of the link")
    }

    /// A queue that holds next to nothing loses packets by load: none of it is excused, and little is lost.
    @Test func lossByLoadIsNotChance() {
        var line = Line(bytesPerSecond: 2_500_000, delay: .milliseconds(80), queueBytes: 12_000)
        line.run(for: .seconds(10))
        let (sent, lost) = (line.sentCount, line.lostCount)
        line.run(for: .seconds(20))
        #expect(line.controller.ambientLoss < 0.005, "\(line.controller.ambientLoss)")
        let part = Double(line.lostCount - lost) / Double(line.sentCount - sent)
        #expect(part < 0.01, "\(part) lost")
    }

    /// A mark ends startup at once and bounds the window; the queue stays at where marks begin.
    @Test func marksBoundTheQueue() {
        var line = Line(bytesPerSecond: 1_250_000, delay: .milliseconds(40), queueBytes: 500_000)
        line.markAbove = 25_000
        line.run(for: .seconds(20))
        line.longestQueue = 0
        line.run(for: .seconds(10))
        #expect(line.longestQueue < 40_000, "\(line.longestQueue)")
        let rate = Double(line.controller.deliveryRate ?? 0)
        #expect(rate > 1_000_000, "\(rate)")
    }

    @Test func persistentCongestionKeepsTheModel() {
        var line = Line(bytesPerSecond: 1_250_000, delay: .milliseconds(40), queueBytes: 500_000)
        line.run(for: .seconds(5))
        line.controller.onPersistentCongestion(now: line.now)
        #expect(line.controller.windowBytes == 2_400)
        line.run(for: .seconds(1))
        #expect(line.controller.windowBytes > 50_000)
    }

    /// A new session on the same path goes on where the old one was.
    @Test func aNewSessionInherits() {
        var line = Line(bytesPerSecond: 1_250_000, delay: .milliseconds(40), queueBytes: 500_000)
        line.run(for: .seconds(5))
        var next = CongestionController(.bbr, maximumDatagram: 1_200)
        next.inherit(from: line.controller)
        #expect(next.deliveryRate == line.controller.deliveryRate)
        #expect(next.windowBytes == line.controller.windowBytes)
        #expect(next.bytesInFlight == 0)
        #expect(!next.isInSlowStart)
    }

    /// An application that sends little does not make the path look slow.
    @Test func anIdleApplicationTeachesNothing() {
        var line = Line(bytesPerSecond: 1_250_000, delay: .milliseconds(40), queueBytes: 500_000)
        line.run(for: .seconds(5))
        line.demand = 3_000
        line.run(for: .seconds(20))
        #expect(Double(line.controller.deliveryRate ?? 0) > 1_100_000)
        line.demand = nil
        #expect(line.usedPart(during: .seconds(2)) > 0.9)
    }
}

/// The path of these tests.
private struct Line {
    static let size = 1_200
    var controller = CongestionController(.bbr, maximumDatagram: size, seed: 4)
    var rtt = RTTEstimator()
    var pacer: Pacer
    var now = Instant(nanoseconds: 1_000_000_000)
    var bytesPerSecond: Int64
    var delay: Interval
    var extraDelay = Interval.zero
    /// Acknowledgements come so much later at most.
    var unevenness = Interval.zero
    var queueBytes: Int
    var markAbove: Int?
    var chance = 0.0
    /// How many datagrams each packet has.
    var datagramsPerPacket = 1
    var demand: Int?
    var phases: [BBR.Phase] = []
    var delivered = 0
    var sentCount = 0
    var lostCount = 0
    var longestQueue = 0
    /// What waited in front of each packet, together.
    var queuedBytes = 0
    var smallestProbeWindow = Int.max
    private var random = RandomSource(seed: 6)
    private var free = Instant.zero
    private var next: UInt64 = 0
    private var flight: [Packet] = []
    private var head = 0

    private struct Packet {
        var number: UInt64
        var sentAt: Instant
        var dueAt: Instant
        var isLost: Bool
        var isMarked: Bool
        var snapshot: DeliverySnapshot
    }

    init(bytesPerSecond: Int64, delay: Interval, queueBytes: Int) {
        self.bytesPerSecond = bytesPerSecond
        self.delay = delay
        self.queueBytes = queueBytes
        pacer = Pacer(maximumDatagram: Self.size, now: now)
    }

    private var packetSize: Int { datagramsPerPacket * Self.size }
    /// A packet is lost with any of its datagrams.
    private var packetChance: Double { 1 - (0..<datagramsPerPacket).reduce(1.0) { kept, _ in kept * (1 - chance) } }

    mutating func run(for time: Interval) {
        let end = now + time
        while now < end {
            send()
            var wake = end
            if controller.availableBytes >= packetSize, demand == nil {
                wake = min(wake, max(pacer.nextSendTime(bytes: packetSize, now: now), now + .microseconds(10)))
            }
            if head < flight.count { wake = min(wake, flight[head].dueAt) }
            now = max(now, wake)
            while head < flight.count, flight[head].dueAt <= now { arrive() }
        }
    }

    /// Runs on, and tells which part of what the bottleneck can carry in that time arrived.
    mutating func usedPart(during time: Interval) -> Double {
        let before = delivered
        run(for: time)
        return Double(delivered - before) / (time.secondsAsDouble * Double(bytesPerSecond))
    }

    private mutating func send() {
        while controller.availableBytes >= packetSize, pacer.allowance(now: now) >= packetSize {
            if let demand, controller.bytesInFlight >= demand {
                controller.onApplicationLimited()
                return
            }
            sentCount += 1
            controller.onSent(bytes: packetSize, packetNumber: next, now: now)
            pacer.onSent(bytes: packetSize, now: now)
            let snapshot = controller.takeSnapshot(bytes: packetSize, now: now)
            let waiting = Int(max(.zero, free - now).nanoseconds / 1_000 * bytesPerSecond / 1_000_000)
            let isLost = waiting + packetSize > queueBytes || random.chance(packetChance)
            if !isLost {
                free = max(free, now) + .nanoseconds(Int64(packetSize) * 1_000_000_000 / bytesPerSecond)
                longestQueue = max(longestQueue, waiting)
                queuedBytes += waiting
            }
            flight.append(
                Packet(
                    number: next, sentAt: now, dueAt: unevenly(max(free, now) + delay + extraDelay), isLost: isLost,
                    isMarked: markAbove.map { waiting > $0 } ?? false, snapshot: snapshot))
            next += 1
        }
    }

    private mutating func unevenly(_ time: Instant) -> Instant {
        guard unevenness > .zero else { return time }
        let late = Interval.nanoseconds(Int64(random.next() % UInt64(unevenness.nanoseconds)))
        return max(time + late, flight.last?.dueAt ?? time)
    }

    /// The next packet in order is acknowledged, or found lost by then.
    private mutating func arrive() {
        let packet = flight[head]
        head += 1
        if packet.isLost {
            lostCount += 1
            controller.onLost(bytes: packetSize, packetNumber: packet.number, snapshot: packet.snapshot, now: now)
        } else {
            delivered += packetSize
            rtt.update(sample: now - packet.sentAt, ackDelay: .zero, maximumAckDelay: .zero)
            controller.onAcknowledged(
                bytes: packetSize, sentAt: packet.sentAt, packetNumber: packet.number, isApplicationLimited: false,
                snapshot: packet.snapshot, rtt: rtt, now: now)
            if packet.isMarked {
                controller.onCongestionEvent(sentAt: packet.sentAt, largestSent: next, now: now, isECN: true)
            }
            controller.onAckProcessed(rtt: rtt, now: now)
        }
        pacer.setRate(controller.pacingRate(rtt: rtt), maximumDatagram: Self.size, now: now)
        let phase = controller.phase
        if phases.last != phase { phases.append(phase) }
        if phase == .probeRTT { smallestProbeWindow = min(smallestProbeWindow, controller.windowBytes) }
    }
}
