import DXStream
import DXWire

/// A controller with a window full of packets on a path of 20 ms, an ACK for every eight, one packet in a thousand lost.
struct CongestionWorkload: Workload {
    private var controller: CongestionController
    private var rtt = RTTEstimator()
    private var now = Instant(nanoseconds: 1_000_000_000)
    private var next: UInt64 = 0
    private var acknowledged: UInt64 = 0
    private var snapshots = [DeliverySnapshot?](repeating: nil, count: 4_096)
    private var sentAt = [Instant](repeating: Instant(nanoseconds: 0), count: 4_096)

    private static let roundTrip = Interval.milliseconds(20)
    private static let size = 1_400

    init(_ algorithm: CongestionAlgorithm) {
        controller = CongestionController(algorithm, maximumDatagram: 1_472, seed: 1)
        rtt.update(sample: Self.roundTrip, ackDelay: .zero, maximumAckDelay: .zero)
    }

    mutating func run(packets: Int) {
        let end = acknowledged &+ UInt64(packets)
        while acknowledged < end {
            while next &- acknowledged < 4_000, controller.availableBytes >= Self.size { send() }
            now = now + .microseconds(200)
            let largest = min(acknowledged &+ 8, next)
            guard largest > acknowledged else { preconditionFailure("a window lets a packet go") }
            rtt.update(sample: Self.roundTrip, ackDelay: .zero, maximumAckDelay: .zero)
            controller.onRTTSample(Self.roundTrip, largestAcknowledged: largest &- 1, now: now)
            while acknowledged < largest { settle() }
            controller.onAckProcessed(rtt: rtt, now: now)
        }
    }

    private mutating func send() {
        let place = Int(next & 4_095)
        controller.onSent(bytes: Self.size, packetNumber: next, now: now)
        snapshots[place] =
            controller.measuresDelivery ? controller.takeSnapshot(bytes: Self.size, now: now) : nil
        sentAt[place] = now
        next &+= 1
    }

    private mutating func settle() {
        let place = Int(acknowledged & 4_095)
        if acknowledged % 1_000 == 999 {
            controller.onLost(bytes: Self.size, packetNumber: acknowledged, snapshot: snapshots[place], now: now)
            controller.onCongestionEvent(
                sentAt: sentAt[place], largestSent: next &- 1, rtt: rtt, now: now, isECN: false)
        } else {
            controller.onAcknowledged(
                bytes: Self.size, sentAt: sentAt[place], packetNumber: acknowledged, isApplicationLimited: false,
                snapshot: snapshots[place], rtt: rtt, now: now)
        }
        acknowledged &+= 1
    }
}
