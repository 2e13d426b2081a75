public import DXWire
internal import DequeModule
public import NIOCore

/// Commands on streams, control bytes and messages.
extension MessageChannel {
    /// Opens a stream to a listener block of the peer. The OPEN goes out with the next packet, together with data that is
    /// written before.
    ///
    /// - Parameter tellsAcceptance: whether a `streamAccepted` event follows once the peer has the OPEN.
    /// - Throws: `StreamError.channelClosed`, `StreamError.streamLimit`.
    public mutating func openStream(
        internalPort: UInt32, streamClass: StreamClass, share: UInt16, tellsAcceptance: Bool = false, now: Instant
    ) throws(StreamError) -> StreamID {
        advance(to: now)
        guard phase == .open else { throw .channelClosed }
        let index = streams.openedCount(by: role)
        guard index < peerMaximumStreams else {
            isWaitingForStreams = true
            throw .streamLimit
        }
        let id = StreamID(index: index, role: role)
        let slot = insertStream(id, opening: .pending)
        streams[slot].internalPort = internalPort
        streams[slot].streamClass = streamClass
        streams[slot].share = min(max(share, 1), 256)
        streams[slot].tellsAcceptance = tellsAcceptance
        counters.streamsOpened &+= 1
        if trace != nil { traceChannel(.stream(id, .opened)) }
        requestService(slot)
        return id
    }

    /// Adds the next stream of its opener to the table.
    mutating func insertStream(_ id: StreamID, opening: Stream.Opening) -> Int32 {
        grantedStreamWindow &+= configuration.initialStreamWindow
        return streams.insert(
            Stream(
                id: id, internalPort: 0, streamClass: .bulk, share: 1, opening: opening,
                send: SendStream(peerMaximum: peerParameters.initialStreamWindow),
                receive: ReceiveStream(
                    window: configuration.initialStreamWindow, maximumWindow: configuration.maximumStreamWindow)))
    }

    /// Whether the peer has reset its half of a stream, and that was not read yet.
    public mutating func isReset(_ id: StreamID) -> Bool {
        guard case .found(let slot) = streams.find(id) else { return false }
        return streams[slot].receive.phase == .resetReceived
    }

    /// Takes bytes to send. All of them, whatever `writableByteCount` says: the caller bounds itself by it.
    ///
    /// - Throws: `StreamError.unknownStream`, `StreamError.finished`.
    public mutating func write(_ bytes: ByteBuffer, to id: StreamID, now: Instant) throws(StreamError) {
        advance(to: now)
        guard case .found(let slot) = streams.find(id) else { throw .unknownStream }
        guard inPlace(&streams[slot], { $0.send.acceptsWrites }) else { throw .finished }
        guard bytes.readableBytes > 0 else { return }
        bufferedByteCount &+= bytes.readableBytes
        streams[slot].send.write(bytes)
        schedule(slot)
    }

    /// Ends the sending half after what was written (FIN).
    ///
    /// - Throws: `StreamError.unknownStream`, `StreamError.finished` when it was finished or reset before.
    public mutating func finish(_ id: StreamID, now: Instant) throws(StreamError) {
        advance(to: now)
        guard case .found(let slot) = streams.find(id) else { throw .unknownStream }
        guard inPlace(&streams[slot], { $0.send.acceptsWrites }) else { throw .finished }
        streams[slot].send.finish()
        schedule(slot)
    }

    /// Gives up the sending half (RESET): what was written and not acknowledged is thrown away. Nothing happens when
    /// the half has ended.
    public mutating func reset(_ id: StreamID, code: StreamCode, now: Instant) {
        advance(to: now)
        guard case .found(let slot) = streams.find(id) else { return }
        resetSending(slot, code: code)
        endIfDone(slot)
    }

    mutating func resetSending(_ slot: Int32, code: StreamCode) {
        let held = streams[slot].send.bufferedByteCount
        streams[slot].send.reset(code: code)
        noteShrunk(by: held &- streams[slot].send.bufferedByteCount, slot)
        requestService(slot)
    }

    /// Wants no more of the receiving half (STOP): what is held and what still comes is thrown away.
    public mutating func stop(_ id: StreamID, code: StreamCode, now: Instant) {
        advance(to: now)
        guard case .found(let slot) = streams.find(id) else { return }
        gapCount &-= streams[slot].receive.reassembler.gapCount
        let received = streams[slot].receive.stop(code: code)
        gapCount &+= streams[slot].receive.reassembler.gapCount
        applyToWindow(received, now: now)
        requestService(slot)
        endIfDone(slot)
    }

    /// Takes what comes next on a stream; widens the windows, so the peer may send more.
    public mutating func read(_ id: StreamID, now: Instant) -> StreamRead {
        advance(to: now)
        guard case .found(let slot) = streams.find(id) else { return .none }
        chunks.usedAt = now
        let result = streams[slot].receive.read(store: &chunks)
        switch result {
        case .none: break
        case .bytes(let bytes):
            let roundTrip = windowRoundTrip
            var growth: UInt64 = 0
            if let streamWindowCap {
                grantedStreamWindow &-= streams[slot].receive.shrinkWindow(to: streamWindowCap)
            } else if configuration.receiveMemory > grantedStreamWindow {
                growth = configuration.receiveMemory &- grantedStreamWindow
            }
            grantedStreamWindow &+= streams[slot].receive.onConsumed(
                bytes.readableBytes, roundTrip: roundTrip, growth: growth, now: now)
            if inPlace(&streams[slot], { $0.receive.isAnnouncementDue }) { requestService(slot) }
            _ = window.onConsumed(UInt64(bytes.readableBytes), roundTrip: roundTrip, growth: 0, now: now)
        case .finished, .reset: endIfDone(slot)
        }
        return result
    }

    /// Counts what a stream received, and what it will never read, against the channel's window.
    mutating func applyToWindow(_ received: ReceiveStream.Received, now: Instant) {
        if received.discardedByteCount > 0 {
            let roundTrip = windowRoundTrip
            _ = window.onConsumed(received.discardedByteCount, roundTrip: roundTrip, growth: 0, now: now)
        }
    }

    /// Puts a stream into the scheduler when it has something to send.
    mutating func schedule(_ slot: Int32) {
        let credit = channelCredit
        guard !streams[slot].isScheduled, inPlace(&streams[slot], { $0.send.canSend(channelCredit: credit) }) else {
            return
        }
        streams[slot].isScheduled = true
        scheduler.append(slot, streamClass: streams[slot].streamClass, share: streams[slot].share)
    }

    /// Stream bytes that the peer's MAX_DATA still allows.
    var channelCredit: UInt64 { peerMaximumData &- sentData }

    /// Puts a stream into the list of those with small frames to send.
    mutating func requestService(_ slot: Int32) {
        guard !streams[slot].isInService, inPlace(&streams[slot], { $0.needsService }) else { return }
        streams[slot].isInService = true
        service.append(slot)
    }

    /// Forgets a stream when both halves have ended, and lets the peer open another in its place.
    mutating func endIfDone(_ slot: Int32) {
        guard streams[slot].send.phase == .done, inPlace(&streams[slot], { $0.isEnded }) else { return }
        // It may still stand in a queue; whoever takes it from there finds the place empty or used by another stream,
        // whose own flags then tell the truth. So it leaves only when it stands in none.
        guard !streams[slot].isScheduled, !streams[slot].isInService else { return }
        let id = streams[slot].id
        grantedStreamWindow &-= streams[slot].receive.window.size
        streams.remove(at: slot)
        events.append(.streamEnded(id))
        if trace != nil { traceChannel(.stream(id, .ended)) }
        if id.role != role {
            maximumStreams &+= 1
            // Told in steps of an eighth, so that it costs one frame for many streams; each at once where the peer has few left.
            let step = max(1, configuration.maximumStreams / 8)
            if maximumStreams &- announcedMaximumStreams >= step
                || announcedMaximumStreams &- streams.openedCount(by: id.role) < step
            {
                isMaxStreamsDue = true
            }
        }
    }

    // MARK: Control bytes and messages

    /// Queues bytes of the control stream (`docs/wire-format.md` §6.6).
    ///
    /// - Throws: `ChannelError.closed`; `ChannelError.tooLarge` when `ControlStream.maximumBufferedByteCount` (1 MiB) would be
    ///   passed.
    public mutating func sendControl(_ bytes: ByteBuffer, now: Instant) throws(ChannelError) {
        advance(to: now)
        guard phase == .open else { throw .closed }
        guard control.accepts(bytes.readableBytes) else { throw .tooLarge }
        control.write(bytes)
    }

    /// The next bytes of the peer's control stream; nil when there are none.
    public mutating func readControl() -> ByteBuffer? {
        chunks.usedAt = lastNow
        return control.read(store: &chunks)
    }

    /// The largest message that surely fits into a packet of one datagram on the path in use, in bytes; 0 without a path, or when the
    /// peer takes none.
    public var messageCapacity: Int {
        guard phase == .open, let activeIndex else { return 0 }
        let room = paths[activeIndex].packetCapacity - PacketHeader.maximumByteCount - FrameSize.datagramHeadMaximum
        return max(0, min(room, Int(clamping: peerParameters.largestMessage)))
    }

    /// Queues an unreliable message (`docs/wire-format.md` §6.13). It is sent at most once, in one packet. When the queue
    /// is full the oldest is dropped; one that fits no packet is dropped when its turn comes. Both are counted.
    ///
    /// - Throws: `ChannelError.closed`; `ChannelError.tooLarge` when the peer takes none of that size.
    public mutating func sendMessage(flow: UInt64, _ bytes: ByteBuffer, now: Instant) throws(ChannelError) {
        advance(to: now)
        guard phase == .open else { throw .closed }
        guard UInt64(bytes.readableBytes) <= peerParameters.largestMessage else { throw .tooLarge }
        messages.append(QueuedMessage(flow: flow, bytes: bytes))
        messageByteCount &+= bytes.readableBytes
        while messageByteCount > Self.maximumMessageQueue, let oldest = messages.popFirst() {
            messageByteCount &-= oldest.bytes.readableBytes
            counters.messagesDropped &+= 1
        }
    }
}
