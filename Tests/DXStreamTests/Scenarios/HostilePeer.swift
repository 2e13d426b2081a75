import DXStream
import DXWire
import NIOCore
import Testing

/// One channel under test, and the other end of its session written by hand: packets of any frames, at any number.
final class HostilePeer {
    /// The channel under test; the upper end.
    var victim: MessageChannel
    /// What it told its owner.
    private(set) var events: [DXStream.ChannelEvent] = []
    /// How it ended, once it has.
    private(set) var end: ChannelEnd?
    /// How many packets it sent.
    private(set) var packetsSent = 0
    /// The largest packet number that it sent.
    private(set) var largestSeen: UInt64?
    /// The most ranges in one of its ACKs.
    private(set) var largestAckRangeCount = 0
    /// The number of the next packet to it.
    var nextNumber: UInt64 = 0
    /// The path that packets claim to be of.
    var pathInHeader = PathID(rawValue: 0)
    private var now = Instant(nanoseconds: 1_000_000_000)
    private var scratch = ByteBuffer()

    /// Frames under construction.
    struct Frames {
        /// The bytes so far.
        var buffer = ByteBuffer()

        private mutating func frame(_ body: (inout OutputRawSpan) -> Void) {
            buffer.writeWithOutputRawSpan(minimumWritableBytes: 2_048, initializingWith: body)
        }

        mutating func writeStream(_ id: StreamID, offset: UInt64, byteCount: Int, isFin: Bool = false) {
            frame {
                $0.writeStreamHead(id: id, offset: offset, count: byteCount, isFin: isFin, hasLength: true)
                $0.writeZeros(byteCount)
            }
        }
        mutating func writeControl(offset: UInt64, byteCount: Int) {
            frame {
                $0.writeControlHead(offset: offset, count: byteCount)
                $0.writeZeros(byteCount)
            }
        }
        mutating func writeMessage(byteCount: Int) {
            frame {
                $0.writeDatagramHead(flow: 1, count: byteCount)
                $0.writeZeros(byteCount)
            }
        }
        mutating func write(_ reset: ResetFrame) { frame { $0.write(reset) } }
        mutating func write(_ stop: StopFrame) { frame { $0.write(stop) } }
        mutating func write(_ limit: MaxStreamDataFrame) { frame { $0.write(limit) } }
        mutating func write(_ open: OpenFrame) { frame { $0.write(open) } }
        mutating func writePing() { frame { $0.writePing() } }
        mutating func writeMaxData(_ limit: UInt64) { frame { $0.writeMaxData(limit) } }
        mutating func writeMaxStreams(_ count: UInt64) { frame { $0.writeMaxStreams(count) } }
        mutating func writePathChallenge(_ data: UInt64) { frame { $0.writePathChallenge(data) } }
        mutating func writePathResponse(_ data: UInt64) { frame { $0.writePathResponse(data) } }
        mutating func writeRetirePath(_ id: PathID) { frame { $0.writeRetirePath(id) } }
        mutating func writeClose(_ code: CloseCode) { frame { $0.writeClose(code, reason: "because") } }

        /// `lengths` are the sizes minus 1 of the ranges, from the largest down, with gaps of one number between.
        mutating func writeAck(path: PathID, largest: UInt64, ranges lengths: [UInt64], ecn: ECNCounts? = nil) {
            frame {
                $0.writeAckHead(
                    pathID: path, largest: largest, delay: .zero, rangeCount: lengths.count,
                    firstRangeLength: lengths[0], hasECN: ecn != nil)
                for length in lengths.dropFirst() { $0.writeAckRange(gap: 0, length: length) }
                if let ecn { $0.writeAckECN(ecn) }
            }
        }
    }

    init(_ configure: (inout ChannelConfiguration) -> Void = { _ in }) {
        var configuration = ChannelConfiguration()
        configure(&configuration)
        victim = MessageChannel(
            role: .upper, configuration: configuration, peerParameters: ChannelConfiguration().parameters,
            random: RandomSource(seed: 1), now: now)
        do {
            try victim.addPath(PathID(rawValue: 0), overheadByteCount: 38, inheriting: nil, now: now)
        } catch { preconditionFailure("a new channel takes a path") }
        drain()
    }

    /// Whether the channel is in use.
    var isOpen: Bool { victim.isOpen }
    /// Bytes that it holds for streams.
    var heldByteCount: Int { victim.heldByteCount }
    /// How many streams it has.
    var streamCount: Int { victim.streamCount }
    /// What it counted.
    var statistics: ChannelStatistics { victim.statistics }
    /// Whether it marks its packets.
    var marksECN: Bool { victim.pathSnapshots.first?.marksECN ?? false }
    /// The first window of its streams, in bytes.
    var streamWindow: UInt64 { victim.configuration.initialStreamWindow }

    /// Sends a packet of the frames that `body` writes.
    func send(_ body: (inout Frames) -> Void) {
        var frames = Frames()
        body(&frames)
        var packet = ByteBuffer()
        // Four bytes of number, whatever the distance.
        let header = PacketHeader(pathID: pathInHeader, number: nextNumber, largestAcknowledged: nil)
        packet.writeWithOutputRawSpan(minimumWritableBytes: 32) { $0.write(header) }
        packet.writeBuffer(&frames.buffer)
        nextNumber += 1
        _ = victim.receive(
            packet.readableBytesSpan, on: PathID(rawValue: 0), datagramByteCount: packet.readableBytes + 38,
            ecn: .notECT, now: now)
        drain()
    }

    func sendAck(largest: UInt64, ranges: [UInt64], ecn: ECNCounts? = nil) {
        send { $0.writeAck(path: PathID(rawValue: 0), largest: largest, ranges: ranges, ecn: ecn) }
    }

    /// The victim opens a stream and writes to it.
    func victimSends(byteCount: Int) {
        do {
            let id = try victim.openStream(internalPort: 1, streamClass: .bulk, share: 1, now: now)
            try victim.write(ByteBuffer(repeating: 1, count: byteCount), to: id, now: now)
        } catch { preconditionFailure("an open channel takes a stream: \(error)") }
        drain()
    }

    /// Lets time pass, with the timers that fall into it.
    func advance(_ interval: Interval) {
        let end = now + interval
        var turns = 0
        while let due = victim.nextTimeout, due <= end, turns < 1_000 {
            now = max(now, due)
            victim.timeoutFired(now: now)
            drain()
            turns += 1
        }
        #expect(turns < 1_000, "the timers never rest")
        now = end
    }

    /// Checks that the channel ended with this code, and said so.
    func expectEnd(_ code: CloseCode, _ location: SourceLocation = #_sourceLocation) {
        #expect(end?.code == code, sourceLocation: location)
        #expect(end?.cause == .violation, sourceLocation: location)
        #expect(packetsSent > 0, "a CLOSE was sent", sourceLocation: location)
    }

    private func drain() {
        var turns = 0
        while turns < 10_000 {
            turns += 1
            scratch.clear(minimumCapacity: 65_100)
            var transmit: Transmit?
            scratch.writeWithOutputRawSpan(minimumWritableBytes: 65_000) {
                transmit = victim.pollTransmit(into: &$0, now: now)
            }
            guard transmit != nil else { break }
            packetsSent += 1
            note(scratch)
        }
        #expect(turns < 10_000, "it sends without end")
        while let event = victim.pollEvent() {
            events.append(event)
            if case .closed(let how) = event { end = how }
        }
    }

    private func note(_ packet: ByteBuffer) {
        var reader = ByteReader(packet.readableBytesSpan)
        guard let header = try? PacketHeader(reading: &reader) else { return }
        let number = header.number(largestReceived: largestSeen)
        largestSeen = max(largestSeen ?? 0, number)
        var frames = FrameReader(packet.readableBytesSpan, from: reader.position)
        while let frame = try? frames.next() {
            if case .ack(let ack) = frame { largestAckRangeCount = max(largestAckRangeCount, ack.rangeCount) }
        }
    }
}

/// Frames with random fields: mostly small numbers near what is allowed, sometimes extreme ones.
enum RandomFrame {
    static func write(to frames: inout HostilePeer.Frames, _ random: inout RandomSource) {
        for _ in 0...random.below(4) { writeOne(to: &frames, &random) }
    }

    private static func number(_ random: inout RandomSource) -> UInt64 {
        switch random.below(8) {
        case 0: VarInt.maximum - random.below(3)
        case 1: random.below(1 << 62)
        case 2...4: random.below(200_000)
        default: random.below(20)
        }
    }

    private static func stream(_ random: inout RandomSource) -> StreamID {
        random.chance(0.03)
            ? StreamID(rawValue: number(&random))
            : StreamID(index: random.below(6), role: random.chance(0.8) ? .lower : .upper)
    }

    private static func writeOne(to frames: inout HostilePeer.Frames, _ random: inout RandomSource) {
        let code = StreamCode(rawValue: random.below(6))
        switch random.below(40) {
        case 0..<14:
            frames.writeStream(
                stream(&random), offset: random.chance(0.05) ? number(&random) : random.below(30_000),
                byteCount: Int(random.below(300)), isFin: random.chance(0.02))
        case 14..<20:
            frames.writeAck(
                path: PathID(rawValue: random.below(3)), largest: random.below(40),
                ranges: (0...random.below(3)).map { _ in random.below(3) })
        case 20: frames.write(ResetFrame(id: stream(&random), code: code, finalSize: number(&random)))
        case 21..<23: frames.write(StopFrame(id: stream(&random), code: code))
        case 23..<26: frames.writeControl(offset: random.below(3_000), byteCount: Int(random.below(200)))
        case 26: frames.writeControl(offset: number(&random), byteCount: 5)
        case 27: frames.writeMaxData(number(&random))
        case 28: frames.write(MaxStreamDataFrame(id: stream(&random), maximum: number(&random)))
        case 29: frames.writeMaxStreams(number(&random))
        case 30..<34:
            frames.write(
                OpenFrame(
                    id: StreamID(index: random.below(8), role: .lower), internalPort: UInt32(random.below(9)),
                    streamClass: .bulk, share: 1))
        case 34: frames.writePathChallenge(random.next())
        case 35: frames.writePathResponse(random.next())
        case 36: frames.writeMessage(byteCount: Int(random.below(500)))
        case 37: frames.writeRetirePath(PathID(rawValue: random.below(6)))
        case 38: frames.writePing()
        default: if random.chance(0.05) { frames.writeClose(CloseCode(rawValue: number(&random))) }
        }
    }
}
