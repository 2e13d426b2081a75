public import DXWire
internal import NIOCore

/// Input: packets that a session opened.
extension MessageChannel {
    /// What applying a frame came to, when it did not simply work.
    enum FrameFailure: Error {
        /// The peer broke the protocol.
        case violation(CloseCode, StaticString)
        /// A limit of ours: the packet is not acknowledged.
        case refused
    }

    /// Takes a packet that the session of `pathID` opened.
    ///
    /// - Parameters:
    ///   - packet: its plaintext, whole (`docs/wire-format.md` §5).
    ///   - datagramByteCount: the UDP payload that it came in.
    ///   - ecn: the mark of that datagram.
    ///   - isFromCandidate: it came from the address under validation, so a PATH_RESPONSE goes there (RFC 9000 §8.2.2).
    public mutating func receive(
        _ packet: RawSpan, on pathID: PathID, datagramByteCount: Int, ecn: ECNMark, isFromCandidate: Bool = false,
        now: Instant
    ) -> ReceiveOutcome {
        advance(to: now)
        guard phase != .closed, let index = index(of: pathID) else { return .dropped }
        if phase == .closing { return receiveWhileClosing(packet, now: now) }
        var reader = ByteReader(packet)
        guard let header = try? PacketHeader(reading: &reader) else { return .dropped }
        guard header.pathID == pathID else { return violate(.protocolViolation, "packet names another path", now: now) }
        let number = header.number(largestReceived: paths[index].received.largest)
        guard number < 1 << 62 else { return violate(.protocolViolation, "packet numbers are used up", now: now) }
        guard !paths[index].received.isDuplicate(number) else {
            counters.packetsDuplicate &+= 1
            if trace != nil { traceDropped(number: number, byteCount: datagramByteCount, .duplicate, on: index) }
            return .duplicate
        }
        noteHeard(index, now: now)
        lastReceivedAt = now
        firstSentSinceReceived = nil
        paths[index].statistics.packetsReceived &+= 1
        paths[index].statistics.bytesReceived &+= UInt64(datagramByteCount)
        counters.bytesReceived &+= UInt64(datagramByteCount)
        if trace != nil {
            traceReceived(
                packet, from: reader.position, number: number, byteCount: datagramByteCount, ecn: ecn, on: index)
        }
        do throws(FrameFailure) {
            paths[index].validation.isHeardFromCandidate = isFromCandidate
            carriesData = false
            let isAckEliciting = try applyFrames(packet, from: reader.position, on: index, now: now)
            // CLOSE ends it all; the path may be gone.
            guard phase == .open, let index = self.index(of: pathID) else { return .accepted }
            if carriesData { notePeerData(on: index, now: now) }
            let isNewest = paths[index].received.largest.map { number > $0 } ?? true
            paths[index].received.onReceived(
                number, isAckEliciting: isAckEliciting, ecn: ecn, maximumAckDelay: configuration.maximumAckDelay,
                now: now)
            return isNewest ? .accepted : .acceptedLate
        } catch {
            switch error {
            case .violation(let code, let reason): return violate(code, "\(reason)", now: now)
            case .refused:
                counters.packetsRefused &+= 1
                if trace != nil, let index = self.index(of: pathID) {
                    traceDropped(number: number, byteCount: datagramByteCount, .refused, on: index)
                }
                return .refused
            }
        }
    }

    /// Closes the channel because the peer broke the protocol.
    private mutating func violate(_ code: CloseCode, _ reason: String, now: Instant) -> ReceiveOutcome {
        end(ChannelEnd(code: code, reason: reason, cause: .violation), sendsClose: true, now: now)
        return .violation
    }

    /// Applies all frames of a packet; returns whether one asks for an acknowledgement.
    private mutating func applyFrames(
        _ packet: RawSpan, from offset: Int, on index: Int, now: Instant
    ) throws(FrameFailure) -> Bool {
        var frames = FrameReader(packet, from: offset)
        var isAckEliciting = false
        var count = 0
        while true {
            let frame: Frame?
            do throws(DecodeError) { frame = try frames.next() } catch {
                throw .violation(.frameFormat, error == .unknownFrame ? "unknown frame type" : "malformed frame")
            }
            guard let frame else { break }
            count &+= 1
            if frame.isAckEliciting { isAckEliciting = true }
            try apply(frame, packet: packet, on: index, now: now)
            if phase != .open { return isAckEliciting }
        }
        guard count > 0 else { throw .violation(.frameFormat, "packet without frames") }
        return isAckEliciting
    }

    private mutating func apply(
        _ frame: Frame, packet: RawSpan, on index: Int, now: Instant
    ) throws(FrameFailure) {
        switch frame {
        case .padding, .ping, .unknownExtension: break
        case .stream(let frame):
            carriesData = true
            try applyStream(frame, packet: packet, now: now)
        case .ack(let frame): try applyAck(frame, packet: packet, on: index, now: now)
        case .reset(let frame): try applyReset(frame, now: now)
        case .stop(let frame): try applyStop(frame)
        case .control(let frame):
            carriesData = true
            try applyControl(frame, packet: packet)
        case .maxData(let maximum): applyMaxData(maximum)
        case .maxStreamData(let frame): try applyMaxStreamData(frame)
        case .maxStreams(let count): applyMaxStreams(count)
        case .open(let frame): try applyOpen(frame)
        case .pathChallenge(let data):
            paths[index].validation.responseDue = data
            paths[index].validation.isResponseToCandidate = paths[index].validation.isHeardFromCandidate
        case .pathResponse(let data):
            if paths[index].validation.onResponse(data) { onPathValidated(index, now: now) }
        case .datagram(let frame): applyMessage(frame, packet: packet)
        case .close(let frame):
            let reason = packet.extracting(frame.reason.offset..<(frame.reason.offset &+ frame.reason.count))
            end(
                ChannelEnd(code: frame.code, reason: Self.text(reason), cause: .peer), sendsClose: false, now: now)
        case .retirePath(let id): try applyRetirePath(id, on: index, now: now)
        case .pathStatus(let frame): applyPathStatus(frame, on: index, now: now)
        }
    }

    private static func text(_ bytes: RawSpan) -> String {
        var buffer = ByteBuffer()
        buffer.writeWithOutputRawSpan(minimumWritableBytes: bytes.byteCount) { $0.write(bytes) }
        return String(buffer: buffer)
    }

    // MARK: Streams

    /// Finds the stream of a frame that its sender may use, opening it and all before it if the peer opens it.
    /// nil when it has ended.
    private mutating func place(of id: StreamID) throws(FrameFailure) -> Int32? {
        switch streams.find(id) {
        case .found(let slot): return slot
        case .ended: return nil
        case .unknown:
            guard id.role != role else { throw .violation(.streamState, "frame for a stream that was never opened") }
            guard id.index < maximumStreams else { throw .violation(.streamLimit, "more streams than allowed") }
            var slot: Int32 = 0
            var index = streams.openedCount(by: id.role)
            while index <= id.index {
                slot = insertStream(StreamID(index: index, role: id.role), opening: .awaited)
                index &+= 1
            }
            return slot
        }
    }

    private mutating func applyStream(_ frame: StreamFrame, packet: RawSpan, now: Instant) throws(FrameFailure) {
        guard let slot = try place(of: frame.id) else { return }
        let bytes = packet.extracting(frame.data.offset..<(frame.data.offset &+ frame.data.count))
        let gapsBefore = gaps(slot)
        guard gapCount < maximumGapCount || frame.offset <= streams[slot].receive.reassembler.contiguousOffset else {
            throw .refused
        }
        let received: ReceiveStream.Received?
        do throws(ReceiveStream.Violation) {
            chunks.usedAt = now
            received = try streams[slot].receive.receive(
                offset: frame.offset, bytes: bytes, isFin: frame.isFin, store: &chunks)
        } catch {
            switch error {
            case .flowControl: throw .violation(.flowControl, "more data than the stream's window")
            case .finalSize: throw .violation(.finalSize, "the final size changed")
            }
        }
        gapCount &+= gaps(slot) &- gapsBefore
        guard let received else { throw .refused }
        try countReceived(received, slot, now: now)
    }

    /// The early pieces of a stream.
    private mutating func gaps(_ slot: Int32) -> Int { inPlace(&streams[slot]) { $0.receive.reassembler.gapCount } }

    /// Early pieces that all streams together may have: one for each KiB of the window. A piece costs some 150 bytes beside its
    /// data, so a peer that sends every other byte must not have one for each.
    private var maximumGapCount: Int { Int(configuration.receiveMemory / 1_024) &+ 64 }

    private mutating func countReceived(
        _ received: ReceiveStream.Received, _ slot: Int32, now: Instant
    ) throws(FrameFailure) {
        if received.newByteCount > 0 {
            guard window.onReceived(upTo: window.highestReceived &+ received.newByteCount) != nil else {
                throw .violation(.flowControl, "more data than the channel's window")
            }
            counters.streamBytesReceived &+= received.newByteCount
        }
        applyToWindow(received, now: now)
        if received.isReadable { queueReadable(slot) }
        endIfDone(slot)
    }

    private mutating func applyReset(_ frame: ResetFrame, now: Instant) throws(FrameFailure) {
        guard let slot = try place(of: frame.id) else { return }
        gapCount &-= gaps(slot)
        defer {
            if streams.holds(frame.id.rawValue, at: slot) { gapCount &+= gaps(slot) }
        }
        let received: ReceiveStream.Received
        do throws(ReceiveStream.Violation) {
            received = try streams[slot].receive.receiveReset(code: frame.code, finalSize: frame.finalSize)
        } catch {
            switch error {
            case .flowControl: throw .violation(.flowControl, "more data than the stream's window")
            case .finalSize: throw .violation(.finalSize, "the final size changed")
            }
        }
        try countReceived(received, slot, now: now)
    }

    private mutating func applyStop(_ frame: StopFrame) throws(FrameFailure) {
        guard let slot = try place(of: frame.id) else { return }
        guard streams[slot].send.phase == .sending else { return }
        resetSending(slot, code: frame.code)
        // The owner does not know a stream before its OPEN; it is told then.
        if streams[slot].opening != .awaited { events.append(.stopped(frame.id, frame.code)) }
    }

    private mutating func applyOpen(_ frame: OpenFrame) throws(FrameFailure) {
        guard frame.id.role != role else { throw .violation(.streamState, "the peer opened a stream of ours") }
        guard let slot = try place(of: frame.id), streams[slot].opening == .awaited else { return }
        streams[slot].opening = .done
        streams[slot].internalPort = frame.internalPort
        streams[slot].streamClass = frame.streamClass
        streams[slot].share = frame.share
        counters.streamsAccepted &+= 1
        if trace != nil { traceChannel(.stream(frame.id, .accepted)) }
        events.append(.streamOpened(frame))
        if streams[slot].send.phase != .sending { events.append(.stopped(frame.id, streams[slot].send.resetCode)) }
        let receive = streams[slot].receive
        if receive.reassembler.readyByteCount > 0 || receive.phase == .resetReceived
            || receive.finalSize == receive.reassembler.contiguousOffset
        {
            queueReadable(slot)
        }
    }

    private mutating func applyMaxStreamData(_ frame: MaxStreamDataFrame) throws(FrameFailure) {
        guard let slot = try place(of: frame.id) else { return }
        guard streams[slot].send.raiseMaximum(frame.maximum) else { return }
        schedule(slot)
        wakeWriter(slot)
    }

    private mutating func applyMaxData(_ maximum: UInt64) {
        guard maximum > peerMaximumData else { return }
        let wasBlocked = channelCredit == 0
        peerMaximumData = maximum
        guard wasBlocked else { return }
        for slot in streams.places where streams.isUsed(slot) { schedule(slot) }
    }

    private mutating func applyMaxStreams(_ count: UInt64) {
        guard count > peerMaximumStreams else { return }
        peerMaximumStreams = count
        if isWaitingForStreams {
            isWaitingForStreams = false
            events.append(.streamsAvailable)
        }
    }

    // MARK: The rest

    private mutating func applyControl(_ frame: ControlFrame, packet: RawSpan) throws(FrameFailure) {
        let bytes = packet.extracting(frame.data.offset..<(frame.data.offset &+ frame.data.count))
        chunks.usedAt = lastNow
        switch control.receive(bytes, at: frame.offset, store: &chunks) {
        case .violation: throw .violation(.flowControl, "more control data than allowed")
        case .refused: throw .refused
        case .accepted: break
        }
        if control.reassembler.readyByteCount > 0 && !control.isReadableQueued {
            control.isReadableQueued = true
            events.append(.controlReadable)
        }
    }

    private mutating func applyMessage(_ frame: DatagramFrame, packet: RawSpan) {
        guard UInt64(frame.data.count) <= configuration.maximumMessage, events.count < Self.maximumQueuedEvents else {
            counters.messagesDropped &+= 1
            return
        }
        let bytes = packet.extracting(frame.data.offset..<(frame.data.offset &+ frame.data.count))
        var buffer = ByteBuffer()
        buffer.writeWithOutputRawSpan(minimumWritableBytes: bytes.byteCount) { $0.write(bytes) }
        events.append(.message(flow: frame.flow, buffer))
    }

    /// Messages are dropped when this many events wait: a driver polls after every batch, so only a bug gets near it.
    private static var maximumQueuedEvents: Int { 65_536 }

    private mutating func applyRetirePath(_ id: PathID, on carrier: Int, now: Instant) throws(FrameFailure) {
        guard let index = index(of: id) else { return noteRetiredEarly(id) }
        guard index != carrier else { throw .violation(.protocolViolation, "a path cannot retire itself") }
        paths[index].isRetiredByPeer = true
        retirePath(id, now: now)
    }

    /// Not a path of this end, or not yet. Of more than there may be paths the oldest is forgotten.
    private mutating func noteRetiredEarly(_ id: PathID) {
        guard !retiredEarly.contains(id) else { return }
        retiredEarly.append(id)
        if retiredEarly.count > Self.maximumPaths { retiredEarly.removeFirst() }
    }
}
