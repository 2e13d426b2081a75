import DXStream
import DXWire
import NIOCore
import Testing

/// Paths that carry less than others, as those through another member do; and messages beside streams.
@Suite struct PathBoundsTests {
    private static let now = Instant.zero + .seconds(1)
    private static let overhead = 38

    private func makeChannel(_ bounds: PathBounds, maximumPacket: Int = 16_384) throws -> MessageChannel {
        var configuration = ChannelConfiguration()
        configuration.congestion = .cubic
        configuration.maximumPacket = maximumPacket
        var channel = MessageChannel(
            role: .lower, configuration: configuration, peerParameters: configuration.parameters,
            random: RandomSource(seed: 1), now: Self.now)
        try channel.addPath(
            PathID(count: 1, role: .lower), overheadByteCount: Self.overhead, inheriting: nil, bounds: bounds,
            now: Self.now)
        return channel
    }

    /// The packets that a channel sends without hearing anything, in a second.
    private func sent(by channel: inout MessageChannel) -> [(packet: [UInt8], datagramByteCount: Int)] {
        var result: [(packet: [UInt8], datagramByteCount: Int)] = []
        for step in 0..<100 {
            let now = Self.now + .milliseconds(Int64(10 * step))
            if channel.nextTimeout.map({ $0 <= now }) ?? false { channel.timeoutFired(now: now) }
            var isDry = false
            while !isDry {
                var buffer = ByteBuffer()
                buffer.writeWithOutputRawSpan(minimumWritableBytes: 65_000) { output in
                    if let transmit = channel.pollTransmit(into: &output, now: now) {
                        result.append(([], transmit.datagramByteCount))
                    } else {
                        isDry = true
                    }
                }
                if !isDry { result[result.count - 1].packet = Array(buffer.readableBytesView) }
            }
        }
        return result
    }

    @Test func nothingIsLargerThanThePathCarries() throws {
        let bounds = PathBounds(minimum: Constants.minimumForwardedDatagram, maximum: 1_300, allowsFragments: false)
        var channel = try makeChannel(bounds)
        let stream = try channel.openStream(internalPort: 7, streamClass: .bulk, share: 1, now: Self.now)
        try channel.write(ByteBuffer(repeating: 1, count: 100_000), to: stream, now: Self.now)
        let packets = sent(by: &channel)
        #expect(packets.count > 5)
        // Whole packets of the smallest size, and probes of the largest; none in fragments.
        #expect(Set(packets.map(\.datagramByteCount)).filter { $0 > 1_000 }.sorted() == [1_080, 1_300])
        #expect(packets.allSatisfy { $0.packet.count + Self.overhead == $0.datagramByteCount })
    }

    /// What a forwarded path carries at least, with the tag of a member, fits into the smallest datagram of any other path.
    @Test func aForwardedDatagramFitsIntoTheSmallestOne() throws {
        var channel = try makeChannel(PathBounds())
        #expect(channel.messageCapacity >= Constants.minimumForwardedDatagram + 8)
        let message = ByteBuffer(repeating: 0xd7, count: channel.messageCapacity)
        try channel.sendMessage(flow: 1, message, now: Self.now)
        #expect(channel.queuedMessageByteCount == message.readableBytes)
        let packets = sent(by: &channel)
        let carrier = try #require(packets.first { $0.packet.count > message.readableBytes })
        #expect(carrier.datagramByteCount <= Constants.minimumDatagram)
        #expect(carrier.packet.suffix(message.readableBytes) == Array(message.readableBytesView)[...])
        #expect(channel.queuedMessageByteCount == 0 && channel.statistics.messagesDropped == 0)
    }

    /// Neither messages nor streams keep the other from being sent.
    @Test func messagesAndStreamsTakeTurns() throws {
        var channel = try makeChannel(PathBounds(), maximumPacket: 0)
        let stream = try channel.openStream(internalPort: 7, streamClass: .bulk, share: 1, now: Self.now)
        try channel.write(ByteBuffer(repeating: 0x11, count: 100_000), to: stream, now: Self.now)
        for _ in 0..<100 {
            try channel.sendMessage(flow: 1, ByteBuffer(repeating: 0x22, count: 1_100), now: Self.now)
        }
        let packets = sent(by: &channel).prefix(8)
        func count(_ byte: UInt8) -> Int {
            packets.count { packet in packet.packet.count { $0 == byte } > 1_000 }
        }
        #expect(packets.count == 8 && count(0x11) >= 3 && count(0x22) >= 3)
    }
}
