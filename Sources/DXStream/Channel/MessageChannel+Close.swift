public import DXWire

/// How a channel ends (RFC 9000 §10.2): a CLOSE is sent, and again, more and more rarely, for what still arrives; after three
/// probe timeouts the rest is silence.
struct ClosingState: Sendable {
    /// A CLOSE must be sent.
    var isCloseDue = false
    /// What it says.
    var code: CloseCode = .none
    var reason = ""
    /// When the channel is forgotten.
    var deadline: Instant?
    /// Packets that arrived since the end; the CLOSE is repeated at 1, 2, 4, 8… of them.
    var packetsSince = 0
}

extension MessageChannel {
    /// Ends the channel: what was not acknowledged is abandoned, the peer is told. Nothing happens when it has ended.
    public mutating func close(_ code: CloseCode, reason: String, now: Instant) {
        advance(to: now)
        end(ChannelEnd(code: code, reason: reason, cause: .local), sendsClose: true, now: now)
    }

    /// Ends the channel as the idle timeout does, before or after that: nothing is sent.
    public mutating func endAsSilent(now: Instant) {
        advance(to: now)
        end(
            ChannelEnd(code: .none, reason: "nothing arrived for too long", cause: .idleTimeout), sendsClose: false,
            now: now)
    }

    mutating func end(_ end: ChannelEnd, sendsClose: Bool, now: Instant) {
        guard phase == .open else { return }
        events.append(.closed(end))
        if trace != nil { traceChannel(.closed(end.code, end.cause)) }
        // What is still read is not kept.
        chunks = ChunkStore(maximumByteCount: 0)
        guard sendsClose, let activeIndex else {
            phase = .closed
            return
        }
        phase = .closing
        closing.isCloseDue = true
        closing.code = end.code
        closing.reason = end.reason
        closing.deadline = now + paths[activeIndex].rtt.probeTimeout(maximumAckDelay: peerMaximumAckDelay) * 3
    }

    /// A packet arrived after the end: the peer may have missed the CLOSE, or sends its own.
    mutating func receiveWhileClosing(_ packet: RawSpan, now: Instant) -> ReceiveOutcome {
        closing.packetsSince &+= 1
        if closing.packetsSince & (closing.packetsSince &- 1) == 0 { closing.isCloseDue = true }
        return .dropped
    }

    /// Appends the packet with the CLOSE.
    @_lifetime(output: copy output)
    mutating func transmitClose(into output: inout OutputRawSpan, now: Instant) -> Transmit? {
        guard closing.isCloseDue, let index = activeIndex else { return nil }
        let start = output.byteCount
        let room = min(output.freeCapacity, paths[index].packetCapacity)
        guard room >= PacketHeader.maximumByteCount + FrameSize.closeMaximum else { return nil }
        closing.isCloseDue = false
        output.write(
            PacketHeader(
                pathID: paths[index].id, number: paths[index].sent.nextNumber,
                largestAcknowledged: paths[index].loss.largestAcknowledged))
        output.writeClose(closing.code, reason: closing.reason)
        let byteCount = output.byteCount - start
        let size = byteCount + paths[index].overhead
        paths[index].sent.append(
            SentPacket(
                sentAt: now, firstObligation: paths[index].sent.nextObligation, byteCount: UInt16(size), traits: []))
        paths[index].statistics.packetsSent &+= 1
        paths[index].statistics.bytesSent &+= UInt64(size)
        counters.bytesSent &+= UInt64(size)
        if trace != nil, let number = paths[index].sent.largestSent {
            traceSent(
                output.bytes.extracting(start..<output.byteCount), number: number, byteCount: size, traits: [],
                on: index)
        }
        return Transmit(
            path: paths[index].id, destination: .current, ecn: .notECT, byteCount: byteCount, datagramByteCount: size)
    }
}
