public import DXWire

/// A trace of what the channel does, on demand. Whoever notes something asks `trace != nil` first: without a trace that is
/// all it costs, and with one everything else is done here.
extension MessageChannel {
    /// The most records of a trace that wait to be taken: 3 MB, which is what a busy channel does in a fifth of a second.
    public static var usualTraceLimit: Int { 32_768 }

    /// Begins to note what happens, with what the paths are like now first. A trace that goes on begins anew.
    public mutating func startTrace(limit: Int = MessageChannel.usualTraceLimit, now: Instant) {
        advance(to: now)
        trace = TraceLog(limit: max(limit, 1))
        for index in paths.indices {
            tracePath(index, .present)
            if index == activeIndex { tracePath(index, .used) }
            traceMetrics(index)
        }
    }

    /// Notes nothing any more, and forgets what was not taken.
    public mutating func stopTrace() { trace = nil }

    /// Whether a trace goes on.
    public var isTraced: Bool { trace != nil }

    /// What was noted since it was asked last; nil without a trace.
    public mutating func takeTrace() -> TraceBatch? { trace?.take() }

    // MARK: Packets

    /// A packet was built; `packet` is its plaintext with its header.
    @inline(never)
    mutating func traceSent(_ packet: RawSpan, number: UInt64, byteCount: Int, traits: SentPacket.Traits, on index: Int)
    {
        let facts = TracePacket(
            number: number, byteCount: byteCount, ecn: traits.contains(.isECNMarked) ? .ect0 : .notECT,
            isAckEliciting: traits.contains(.isAckEliciting), isMTUProbe: traits.contains(.isMTUProbe),
            isFragmented: traits.contains(.isFragmented))
        var reader = ByteReader(packet)
        guard (try? PacketHeader(reading: &reader)) != nil else { return }
        tracePacket(.packetSent(facts), packet, from: reader.position, on: index)
    }

    /// A packet came; its frames begin at `offset`.
    @inline(never)
    mutating func traceReceived(
        _ packet: RawSpan, from offset: Int, number: UInt64, byteCount: Int, ecn: ECNMark, on index: Int
    ) {
        let facts = TracePacket(number: number, byteCount: byteCount, ecn: ecn)
        tracePacket(.packetReceived(facts), packet, from: offset, on: index)
    }

    private mutating func tracePacket(_ event: TraceEvent, _ packet: RawSpan, from offset: Int, on index: Int) {
        let (path, now) = (paths[index].id, lastNow)
        trace?.beginPacket(TraceRecord(time: now, path: path, event: event))
        var frames = FrameReader(packet, from: offset)
        // What cannot be read ends the channel, which is noted.
        while let frame = try? frames.next() {
            trace?.appendPart(TraceRecord(time: now, path: path, event: .frame(frame)))
            guard case .ack(let ack) = frame else { continue }
            var ranges = AckRangeReader(ack, in: packet)
            while let range = try? ranges.next() {
                trace?.appendPart(
                    TraceRecord(
                        time: now, path: path, event: .range(lower: range.lowerBound, upper: range.upperBound)))
            }
        }
        trace?.endPacket()
    }

    /// A packet came and was not taken.
    @inline(never)
    mutating func traceDropped(number: UInt64, byteCount: Int, _ outcome: ReceiveOutcome, on index: Int) {
        note(.packetDropped(number: number, byteCount: byteCount, outcome: outcome), paths[index].id)
    }

    // MARK: Recovery

    /// A packet is declared lost; asked before that changes anything.
    @inline(never)
    mutating func traceLost(_ number: UInt64, _ packet: SentPacket, on index: Int) {
        let loss = paths[index].loss
        let isReordered = loss.largestAcknowledged.map { number &+ loss.packetThreshold <= $0 } ?? false
        note(
            .packetLost(
                number: number, byteCount: Int(packet.byteCount), cause: isReordered ? .reordering : .time,
                isMTUProbe: packet.traits.contains(.isMTUProbe)), paths[index].id)
    }

    /// A packet is not waited for any longer.
    @inline(never)
    mutating func traceGivenUp(_ number: UInt64, byteCount: Int, on index: Int) {
        note(.packetGivenUp(number: number, byteCount: byteCount), paths[index].id)
    }

    /// What stands for itself and belongs to a path.
    @inline(never)
    mutating func trace(_ event: TraceEvent, on index: Int) { note(event, paths[index].id) }

    /// What a path has measured by now.
    @inline(never)
    mutating func traceMetrics(_ index: Int) {
        let path = paths[index]
        let roundTrip = TraceMetrics.RoundTrip(
            latest: path.rtt.latest, smoothed: path.rtt.smoothed, minimum: path.rtt.minimum,
            variation: path.rtt.variation)
        note(
            .metrics(
                TraceMetrics(
                    roundTrip: path.rtt.hasSample ? roundTrip : nil, windowBytes: path.congestion.windowBytes,
                    bytesInFlight: path.congestion.bytesInFlight,
                    slowStartThreshold: path.congestion.slowStartThreshold,
                    pacingRate: path.pacer.rateBytesPerSecond, mtu: path.mtu.current, probeCount: path.loss.probeCount,
                    phase: path.congestion.tracePhase(largestAcknowledged: path.loss.largestAcknowledged))), path.id)
    }

    // MARK: Paths and streams

    /// Something became of a path.
    @inline(never)
    mutating func tracePath(_ index: Int, _ change: TracePathChange) { note(.path(change), paths[index].id) }

    /// Something became of the channel or a stream of it.
    @inline(never)
    mutating func traceChannel(_ event: TraceEvent) {
        note(event, activeIndex.map { paths[$0].id } ?? paths.first?.id ?? PathID(rawValue: 0))
    }

    private mutating func note(_ event: TraceEvent, _ path: PathID) {
        trace?.append(TraceRecord(time: lastNow, path: path, event: event))
    }
}

extension CongestionController {
    /// Where it stands, for a trace.
    func tracePhase(largestAcknowledged: UInt64?) -> TracePhase {
        switch activeAlgorithm {
        case .bbr:
            switch phase {
            case .startup: .startup
            case .drain: .drain
            case .down: .probeDown
            case .cruise: .cruise
            case .refill: .refill
            case .up: .probeUp
            case .probeRTT: .probeRTT
            }
        case .automatic, .cubic, .newReno:
            if let recoveryEnd, largestAcknowledged ?? 0 <= recoveryEnd {
                .recovery
            } else {
                isInSlowStart ? .slowStart : .congestionAvoidance
            }
        }
    }
}
