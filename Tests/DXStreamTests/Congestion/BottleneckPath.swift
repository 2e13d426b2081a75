import DXStream
import DXWire

/// One flow over one bottleneck, on virtual time: a link of fixed rate with a drop-tail queue, and a fixed delay. Each
/// packet that arrives is acknowledged alone; a packet is lost when one sent three later is acknowledged. The sender is
/// clocked by acknowledgements, without pacing.
///
/// It writes down the window at the end of every round, in packets.
struct BottleneckPath {
    static let datagram = 1200

    var controller: CongestionController
    var rtt = RTTEstimator()
    var now = Instant(nanoseconds: 1_000_000_000)
    /// The delay without queue.
    var delay: Interval
    /// How long the link takes for one packet.
    var serialization: Interval
    /// Packets that find more packets than this in the queue are dropped.
    var queueLimit: Int
    /// The most that the application keeps in flight, in packets; nil for as much as allowed.
    var demand: Int?
    /// Packets that are dropped whatever the queue.
    var drops: Set<UInt64> = []
    /// "round window phase", one line per round; events stand between.
    var trace = ""
    private(set) var round = 0
    private(set) var nextNumber: UInt64 = 0
    /// The largest window seen, in packets.
    private(set) var peak = 0
    /// When the last packet in the queue leaves it.
    private var linkFree = Instant.zero
    private var roundEnd: UInt64 = 0
    private var flight: [Packet] = []
    private var lost: [Packet] = []

    struct Packet {
        var number: UInt64
        var sentAt: Instant
        var acknowledgedAt: Instant
    }

    init(
        _ algorithm: CongestionAlgorithm, delayMilliseconds: Int64, packetsPerSecond: Int64, queueLimit: Int
    ) {
        controller = CongestionController(algorithm, maximumDatagram: Self.datagram)
        delay = .milliseconds(delayMilliseconds)
        serialization = .nanoseconds(1_000_000_000 / packetsPerSecond)
        self.queueLimit = queueLimit
    }

    var windowPackets: Int { controller.windowBytes / Self.datagram }

    /// Runs for `count` rounds; `during` is called at the end of each.
    mutating func run(rounds count: Int, during: (inout BottleneckPath) -> Void = { _ in }) {
        let end = round + count
        send()
        while round < end {
            guard !flight.isEmpty else { return note("stalled") }
            let packet = flight.removeFirst()
            now = max(now, packet.acknowledgedAt)
            acknowledge(packet)
            if packet.number >= roundEnd {
                round += 1
                roundEnd = nextNumber
                let phase = controller.isInSlowStart ? "slow start" : "avoidance"
                trace += "\(round) \(windowPackets) \(phase)\n"
                during(&self)
            }
            send()
        }
    }

    /// Everything in flight is acknowledged, then nothing happens for `interval`.
    mutating func idle(_ interval: Interval) {
        while !flight.isEmpty {
            let packet = flight.removeFirst()
            now = max(now, packet.acknowledgedAt)
            acknowledge(packet)
        }
        now += interval
        note("idle \(interval)")
    }

    /// The path is dead for a while: everything in flight is lost, and that is persistent congestion.
    mutating func loseEverything() {
        for packet in flight + lost { lose(packet) }
        flight = []
        lost = []
        now += .seconds(2)
        congestionEvent()
        controller.onPersistentCongestion(now: now)
        note("persistent congestion")
        roundEnd = nextNumber
    }

    /// Packet losses are noticed now: the one sent last stands for them.
    mutating func congestionEvent(isECN: Bool = false) {
        controller.onCongestionEvent(sentAt: now, largestSent: nextNumber &- 1, now: now, isECN: isECN)
        note(isECN ? "ECN mark" : "loss")
    }

    mutating func note(_ event: String) { trace += "- \(event), window \(windowPackets)\n" }

    private mutating func send() {
        while controller.availableBytes >= Self.datagram,
            demand.map({ controller.bytesInFlight < $0 * Self.datagram }) ?? true
        {
            let number = nextNumber
            nextNumber += 1
            controller.onSent(bytes: Self.datagram, packetNumber: number, now: now)
            let queued = max(.zero, linkFree - now).nanoseconds / serialization.nanoseconds
            if queued > Int64(queueLimit) || drops.contains(number) {
                lost.append(Packet(number: number, sentAt: now, acknowledgedAt: .distantFuture))
                continue
            }
            linkFree = max(linkFree, now) + serialization
            flight.append(Packet(number: number, sentAt: now, acknowledgedAt: linkFree + delay))
        }
        peak = max(peak, windowPackets)
    }

    private mutating func lose(_ packet: Packet) {
        controller.onLost(bytes: Self.datagram, packetNumber: packet.number, snapshot: nil, now: now)
    }

    private mutating func acknowledge(_ packet: Packet) {
        let isApplicationLimited = controller.availableBytes >= Self.datagram
        rtt.update(sample: now - packet.sentAt, ackDelay: .zero, maximumAckDelay: .zero)
        controller.onRTTSample(now - packet.sentAt, largestAcknowledged: packet.number, now: now)
        controller.onAcknowledged(
            bytes: Self.datagram, sentAt: packet.sentAt, packetNumber: packet.number,
            isApplicationLimited: isApplicationLimited, rtt: rtt, now: now)
        var newest: Instant?
        while let first = lost.first, first.number + 3 <= packet.number {
            lost.removeFirst()
            lose(first)
            newest = first.sentAt
        }
        if let newest {
            let before = controller.windowBytes
            controller.onCongestionEvent(sentAt: newest, largestSent: nextNumber - 1, now: now, isECN: false)
            if controller.windowBytes != before { note("loss") }
        }
    }
}
