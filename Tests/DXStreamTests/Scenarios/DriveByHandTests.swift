import DXStream
import DXWire
import NIOCore
import Testing

/// The code of the article "Drive a channel by hand", which `scripts/docs` compares with it: two channels in memory, without any driver.
@Suite struct DriveByHandTests {
    // docs:type
    /// One end: the channel, and the datagrams that it wants to be sent.
    struct End: ~Copyable {
        var channel: MessageChannel
        var outbox: [ByteBuffer] = []
        var received = ByteBuffer()
        var hasEnded = false

        init(role: ChannelRole, now: Instant) throws(DXStream.ChannelError) {
            let configuration = ChannelConfiguration()
            channel = MessageChannel(
                role: role, configuration: configuration, peerParameters: ChannelConfiguration().parameters,
                random: RandomSource(seed: UInt64(role.rawValue)), now: now)
            // One path: the first session that the lower end began. Nothing seals packets here.
            try channel.addPath(PathID(count: 0, role: .lower), overheadByteCount: 0, inheriting: nil, now: now)
        }
        // docs:end

        // docs:poll
        /// After any input or command: packets until there is none, then events until there is none.
        mutating func drain(now: Instant) {
            while transmit(now: now) {}
            while let event = channel.pollEvent() { handle(event, now: now) }
            // What the events made us do has packets, too.
            while transmit(now: now) {}
        }

        private mutating func transmit(now: Instant) -> Bool {
            var packet = ByteBuffer()
            var transmit: Transmit?
            packet.writeWithOutputRawSpan(minimumWritableBytes: Constants.minimumDatagram) { output in
                transmit = channel.pollTransmit(into: &output, now: now)
            }
            guard transmit != nil else { return false }
            outbox.append(packet)
            return true
        }
        // docs:end

        // docs:events
        private mutating func handle(_ event: DXStream.ChannelEvent, now: Instant) {
            guard case .readable(let id) = event else { return }
            while true {
                switch channel.read(id, now: now) {
                case .none: return
                case .bytes(let bytes): received.writeImmutableBuffer(bytes)
                case .finished:
                    hasEnded = true
                    return
                case .reset: return
                }
            }
        }
        // docs:end

        // docs:receive
        /// A datagram of the other end arrived.
        mutating func receive(_ datagram: ByteBuffer, now: Instant) {
            let packet = datagram.readableBytesSpan
            _ = channel.receive(
                packet, on: PathID(count: 0, role: .lower), datagramByteCount: datagram.readableBytes, ecn: .notECT,
                now: now)
        }
        // docs:end
    }

    @Test func twoChannelsInMemoryCarryAStream() throws {
        // docs:drive
        var now = Instant(nanoseconds: 1_000_000_000)
        var lower = try End(role: .lower, now: now)
        var upper = try End(role: .upper, now: now)

        let stream = try lower.channel.openStream(internalPort: 1, streamClass: .bulk, share: 1, now: now)
        try lower.channel.write(ByteBuffer(string: "Hello, other end"), to: stream, now: now)
        try lower.channel.finish(stream, now: now)
        lower.drain(now: now)

        while !upper.hasEnded {
            // A network of ten milliseconds that loses nothing.
            now = now + .milliseconds(10)
            let (upward, downward) = (lower.outbox, upper.outbox)
            (lower.outbox, upper.outbox) = ([], [])
            for datagram in upward { upper.receive(datagram, now: now) }
            for datagram in downward { lower.receive(datagram, now: now) }
            if let due = lower.channel.nextTimeout, due <= now { lower.channel.timeoutFired(now: now) }
            if let due = upper.channel.nextTimeout, due <= now { upper.channel.timeoutFired(now: now) }
            lower.drain(now: now)
            upper.drain(now: now)
        }
        // docs:end
        #expect(String(buffer: upper.received) == "Hello, other end")
        #expect(now < Instant(nanoseconds: 2_000_000_000))
    }
}
