import DXStream
import DXWire
import NIOCore

/// Streams through two whole channels in memory, without sealing: bytes in, packets, ACKs, bytes out. Packets count at
/// the sender; what the receiver does with them and sends back is in the figure.
struct ChannelWorkload: Workload {
    /// How a batch of packets arrives.
    enum Order {
        /// As it was sent.
        case inOrder
        /// The last one first: each but that one fills a gap.
        case reversed
        /// Each is a batch of its own, so each second one is acknowledged at once.
        case onePerBatch
    }

    private var lower: End
    private var upper: End
    private let order: Order
    private let streams: [StreamID]
    private let chunk: ByteBuffer
    private var now = Instant(nanoseconds: 1_000_000_000)
    private var read = 0
    private var isFilled = false
    private let slots = Scratch(byteCount: Self.batch * Self.slotByteCount)
    private let answerSlot = Scratch(byteCount: Self.slotByteCount)
    private var sizes: [(packet: Int, wire: Int)] = []

    /// As many packets as the socket reads at most in a turn.
    private static let batch = 64
    private static let slotByteCount = 16_640
    private static let path = PathID(rawValue: 0)

    /// One channel; a class, because a channel is not copied.
    private final class End {
        var channel: MessageChannel

        init(_ role: ChannelRole, _ configuration: ChannelConfiguration, now: Instant) {
            channel = MessageChannel(
                role: role, configuration: configuration, peerParameters: configuration.parameters,
                random: RandomSource(seed: role == .lower ? 1 : 2), now: now)
            do { try channel.addPath(ChannelWorkload.path, overheadByteCount: 38, inheriting: nil, now: now) } catch {
                preconditionFailure("no path: \(error)")
            }
        }
    }

    init(maximumPacket: Int, order: Order, congestion: CongestionAlgorithm, streamCount: Int = 1) {
        var configuration = ChannelConfiguration()
        configuration.maximumDatagram = 1_472
        configuration.maximumPacket = maximumPacket
        configuration.congestion = congestion
        configuration.maximumAckDelay = .milliseconds(5)
        configuration.maximumStreams = UInt64(max(streamCount, 128))
        lower = End(.lower, configuration, now: now)
        upper = End(.upper, configuration, now: now)
        self.order = order
        chunk = ByteBuffer(repeating: 5, count: streamCount == 1 ? 65_536 : 16_384)
        do {
            let (channel, now) = (lower, now)
            streams = try (0..<streamCount).map { _ in
                try channel.channel.openStream(internalPort: 1, streamClass: .bulk, share: 16, now: now)
            }
        } catch { preconditionFailure("no stream: \(error)") }
        sizes.reserveCapacity(Self.batch)
        // Slow start, the window of the stream and the search for the path's MTU are over after this.
        run(packets: 20_000)
    }

    mutating func run(packets: Int) {
        var left = packets
        while left > 0 {
            fill()
            let count = transmit(from: lower, limit: min(left, Self.batch))
            left -= count
            // A one-way delay of 200 us, or the time of the next deadline where nothing may be sent.
            now = now + .microseconds(200)
            deliver(to: upper)
            drain()
            _ = transmit(from: upper, limit: Self.batch)
            now = now + .microseconds(200)
            deliver(to: lower)
            fireTimers()
        }
    }

    /// Writes to each stream that has room, as sockets do: at the beginning to all, then to those that are told of.
    private mutating func fill() {
        if !isFilled { for stream in streams { fill(stream) } }
        isFilled = true
        while let event = lower.channel.pollEvent() { if case .writable(let stream) = event { fill(stream) } }
    }

    private func fill(_ stream: StreamID) {
        while lower.channel.writableByteCount(stream) > 0 {
            do { try lower.channel.write(chunk, to: stream, now: now) } catch {
                preconditionFailure("the stream broke: \(error)")
            }
        }
    }

    private mutating func transmit(from end: End, limit: Int) -> Int {
        sizes.removeAll(keepingCapacity: true)
        while sizes.count < limit {
            var transmit: Transmit?
            let size = slots.write(at: sizes.count * Self.slotByteCount, upTo: Self.slotByteCount) {
                transmit = end.channel.pollTransmit(into: &$0, now: now)
            }
            guard let transmit else { break }
            sizes.append((size, max(size + 38, transmit.datagramByteCount)))
        }
        return sizes.count
    }

    private mutating func deliver(to end: End) {
        for index in sizes.indices {
            let slot = order == .reversed ? sizes.count - 1 - index : index
            let (packet, wire) = sizes[slot]
            slots.read(at: slot * Self.slotByteCount, packet) { bytes in
                _ = end.channel.receive(bytes, on: Self.path, datagramByteCount: wire, ecn: .notECT, now: now)
            }
            if order == .onePerBatch, end === upper { answer() }
        }
    }

    /// What the receiver sends in the middle of a batch.
    private mutating func answer() {
        drain()
        let count = answerSlot.write(upTo: Self.slotByteCount) {
            _ = upper.channel.pollTransmit(into: &$0, now: now)
        }
        guard count > 0 else { return }
        answerSlot.read(count) { bytes in
            _ = lower.channel.receive(bytes, on: Self.path, datagramByteCount: count + 38, ecn: .notECT, now: now)
        }
    }

    private mutating func drain() {
        while let event = upper.channel.pollEvent() {
            guard case .readable(let stream) = event else { continue }
            while case .bytes(let bytes) = upper.channel.read(stream, now: now) { read &+= bytes.readableBytes }
        }
    }

    private mutating func fireTimers() {
        if let due = lower.channel.nextTimeout, due <= now { lower.channel.timeoutFired(now: now) }
        if let due = upper.channel.nextTimeout, due <= now { upper.channel.timeoutFired(now: now) }
    }
}
