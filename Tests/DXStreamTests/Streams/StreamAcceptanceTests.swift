import DXStream
import DXWire
import NIOCore
import Testing

/// What whoever opens a stream hears of it, and how long a channel bears silence.
@Suite struct StreamAcceptanceTests {
    private static let start = Instant.zero + .seconds(1)
    private static let path = PathID(count: 1, role: .lower)

    private func channel(_ role: ChannelRole) throws -> MessageChannel {
        var configuration = ChannelConfiguration()
        configuration.keepalive = nil
        var channel = MessageChannel(
            role: role, configuration: configuration, peerParameters: configuration.parameters,
            random: RandomSource(seed: 1), now: Self.start)
        try channel.addPath(Self.path, overheadByteCount: 38, inheriting: nil, now: Self.start)
        return channel
    }

    /// Carries all that one has to say to the other; how many packets that were.
    @discardableResult
    private func carry(_ from: inout MessageChannel, _ to: inout MessageChannel, now: Instant) -> Int {
        var count = 0
        while true {
            var buffer = ByteBuffer()
            var datagram: Int?
            buffer.writeWithOutputRawSpan(minimumWritableBytes: 65_000) { output in
                datagram = from.pollTransmit(into: &output, now: now)?.datagramByteCount
            }
            guard let datagram else { return count }
            count += 1
            _ = to.receive(
                buffer.readableBytesSpan, on: Self.path, datagramByteCount: datagram, ecn: .notECT,
                isFromCandidate: false, now: now)
        }
    }

    private func events(_ channel: inout MessageChannel) -> [DXStream.ChannelEvent] {
        var events: [DXStream.ChannelEvent] = []
        while let event = channel.pollEvent() {
            // Time passes in steps that are longer than a probe timeout.
            if case .pathDoubted = event { continue }
            events.append(event)
        }
        return events
    }

    /// Lets time pass until an acknowledgement that may be held back has gone.
    private func settle(_ one: inout MessageChannel, _ other: inout MessageChannel, at now: Instant) {
        for step in 0..<4 as Range<Int64> {
            let now = now + .milliseconds(30 * step)
            one.timeoutFired(now: now)
            other.timeoutFired(now: now)
            carry(&one, &other, now: now)
            carry(&other, &one, now: now)
        }
    }

    @Test func whoAsksHearsOnceThatAStreamWasTaken() throws {
        var lower = try channel(.lower)
        var upper = try channel(.upper)
        let told = try lower.openStream(
            internalPort: 7, streamClass: .bulk, share: 1, tellsAcceptance: true, now: Self.start)
        let untold = try lower.openStream(internalPort: 7, streamClass: .bulk, share: 1, now: Self.start)
        #expect(carry(&lower, &upper, now: Self.start) > 0)
        // On the way it is not taken.
        var heard = events(&lower)
        #expect(heard.isEmpty)
        settle(&lower, &upper, at: Self.start)
        heard = events(&lower)
        #expect(heard == [.streamAccepted(told)])
        try lower.write(ByteBuffer(bytes: [1]), to: untold, now: Self.start + .seconds(1))
        settle(&lower, &upper, at: Self.start + .seconds(1))
        heard = events(&lower)
        #expect(heard.isEmpty)
    }

    @Test func aResetIsSeenBeforeItIsRead() throws {
        var lower = try channel(.lower)
        var upper = try channel(.upper)
        let id = try lower.openStream(internalPort: 7, streamClass: .bulk, share: 1, now: Self.start)
        settle(&lower, &upper, at: Self.start)
        var isReset = lower.isReset(id)
        #expect(!isReset)
        let later = Self.start + .seconds(1)
        upper.reset(id, code: .refused, now: later)
        settle(&upper, &lower, at: later)
        isReset = lower.isReset(id)
        #expect(isReset)
        let read = lower.read(id, now: later + .seconds(1))
        #expect(read == .reset(.refused))
        isReset = lower.isReset(id)
        #expect(!isReset)
    }

    /// A hold is borne silence beyond the idle timeout, and ends by command.
    @Test func aHoldOutlastsTheIdleTimeout() throws {
        var held = try channel(.lower)
        held.setHold(.seconds(3_600))
        held.timeoutFired(now: Self.start + .seconds(3_599))
        var isOpen = held.isOpen
        #expect(isOpen)
        let (since, timeout) = (held.silentSince, held.agreedIdleTimeout)
        #expect(since == Self.start && timeout == .seconds(60))
        held.endAsSilent(now: Self.start + .seconds(3_599))
        isOpen = held.isOpen
        #expect(!isOpen)
        guard case .closed(let end) = held.pollEvent() else {
            Issue.record("the end is told")
            return
        }
        #expect(end.cause == .idleTimeout)
        var plain = try channel(.lower)
        plain.setHold(.seconds(10))
        plain.timeoutFired(now: Self.start + .seconds(59))
        isOpen = plain.isOpen
        #expect(isOpen)
        plain.timeoutFired(now: Self.start + .seconds(61))
        isOpen = plain.isOpen
        #expect(!isOpen)
    }
}
