public import DXWire
internal import DequeModule
internal import NIOCore

/// Output: packets, one at a time. Stages of a packet, in the order of the functions below: which path and why, header,
/// acknowledgement, small frames, control bytes, messages, stream data, bookkeeping.
extension MessageChannel {
    /// Appends the plaintext of the next packet to `output`; nil (and nothing appended) when there is nothing to send now.
    ///
    /// - Parameter output: with room for at least `Constants.minimumDatagram` bytes; larger packets, of one datagram or
    ///   of several (`ChannelConfiguration.maximumPacket`), are only built where it has room.
    @_lifetime(output: copy output)
    public mutating func pollTransmit(into output: inout OutputRawSpan, now: Instant) -> Transmit? {
        advance(to: now)
        for index in paths.indices { paths[index].pacingDeadline = nil }
        switch phase {
        case .closed: return nil
        case .closing: return transmitClose(into: &output, now: now)
        case .open: break
        }
        for index in paths.indices {
            if let transmit = transmitPathFrames(on: index, into: &output, now: now) { return transmit }
        }
        if let active = activeIndex {
            if let transmit = transmitData(on: active, into: &output, now: now) { return transmit }
            if let transmit = transmitMTUProbe(on: active, into: &output, now: now) { return transmit }
        }
        if paths.count > 1, let transmit = transmitOnOthers(into: &output, now: now) { return transmit }
        wakeMovedWriters()
        return nil
    }

    // MARK: Which path, and why

    /// What goes on the paths beside the one in use.
    @_lifetime(output: copy output)
    private mutating func transmitOnOthers(into output: inout OutputRawSpan, now: Instant) -> Transmit? {
        if !mirrored.isEmpty, let transmit = transmitMirrored(into: &output, now: now) { return transmit }
        for index in paths.indices where index != activeIndex {
            if let transmit = transmitOnStandby(index, into: &output, now: now) { return transmit }
            guard sharesBulk(index) else { continue }
            if let transmit = transmitBulk(on: index, into: &output, now: now) { return transmit }
            if let transmit = transmitMTUProbe(on: index, into: &output, now: now) { return transmit }
        }
        if let active = activeIndex, !hasEliciting, allowedDatagrams(on: active, now: now) > 0, reinjectTail(now: now) {
            return transmitData(on: active, into: &output, now: now)
        }
        return nil
    }

    /// Bulk data on a path beside the one in use.
    @_lifetime(output: copy output)
    private mutating func transmitBulk(on index: Int, into output: inout OutputRawSpan, now: Instant) -> Transmit? {
        guard mayCarryBulk(index) else { return nil }
        let datagrams = allowedDatagrams(on: index, now: now)
        guard datagrams > 0 else { return nil }
        let capacity = PacketSizing.capacity(
            count: datagrams, mtu: paths[index].mtu.current, overhead: paths[index].overhead)
        var builder = PacketBuilder(path: paths[index], output: output, capacity: capacity, now: now)
        guard builder.hasRoom else { return nil }
        builder.begin(&output)
        writeAck(of: index, on: index, &builder, &output, now: now)
        writeStreams(on: index, &builder, &output)
        if scheduler.isEmpty { builder.traits.insert(.isApplicationLimited) }
        return finish(&builder, on: index, destination: .current, output: &output, now: now)
    }

    /// What interactive streams have just sent, once more on another path. Nobody waits for it: what is lost of it the first
    /// copy brings, or its repetition.
    @_lifetime(output: copy output)
    private mutating func transmitMirrored(into output: inout OutputRawSpan, now: Instant) -> Transmit? {
        guard let index = secondPath, paths[index].sent.hasRoom,
            paths[index].congestion.availableBytes >= paths[index].mtu.current
        else {
            mirrored.removeAll(keepingCapacity: true)
            return nil
        }
        var builder = PacketBuilder(path: paths[index], output: output, limit: paths[index].mtu.current, now: now)
        guard builder.hasRoom else { return nil }
        builder.begin(&output)
        writeAck(of: index, on: index, &builder, &output, now: now)
        while let next = mirrored.first {
            guard streams.holds(next.id.rawValue, at: next.slot), streams[next.slot].send.holds(next.chunk) else {
                mirrored.removeFirst()
                continue
            }
            let needed = FrameSize.openMaximum + FrameSize.streamHeadMaximum + min(next.chunk.count, 256)
            guard builder.room(output) >= needed else { break }
            writeMirrored(next, &builder, &output)
        }
        return finish(&builder, on: index, destination: .current, output: &output, now: now)
    }

    /// As much of the first mirrored chunk as there is room for.
    @_lifetime(output: copy output)
    private mutating func writeMirrored(
        _ next: MirroredChunk, _ builder: inout PacketBuilder, _ output: inout OutputRawSpan
    ) {
        let slot = next.slot
        if streams[slot].opening == .sent {
            output.write(
                OpenFrame(
                    id: streams[slot].id, internalPort: streams[slot].internalPort,
                    streamClass: streams[slot].streamClass, share: streams[slot].share))
        }
        let room = builder.room(output) - FrameSize.streamHeadMaximum
        var chunk = next.chunk
        if chunk.count > room {
            chunk.count = room
            chunk.isFin = false
            mirrored[0].chunk.offset &+= UInt64(room)
            mirrored[0].chunk.count &-= room
        } else {
            mirrored.removeFirst()
        }
        output.writeStreamHead(
            id: next.id, offset: chunk.offset, count: chunk.count, isFin: chunk.isFin, hasLength: true)
        streams[slot].send.copy(chunk, to: &output)
        builder.traits.insert(.isAckEliciting)
    }

    /// PATH_CHALLENGE and PATH_RESPONSE: bound to their path and address.
    @_lifetime(output: copy output)
    private mutating func transmitPathFrames(
        on index: Int, into output: inout OutputRawSpan, now: Instant
    ) -> Transmit? {
        let validation = paths[index].validation
        guard validation.responseDue != nil || validation.phase == .challengeDue else { return nil }
        var builder = PacketBuilder(path: paths[index], output: output, limit: paths[index].mtu.minimum, now: now)
        builder.begin(&output)
        var destination = Transmit.Destination.current
        if let data = validation.responseDue {
            paths[index].validation.responseDue = nil
            output.writePathResponse(data)
            if validation.isResponseToCandidate { destination = .candidate }
            builder.traits.insert(.isAckEliciting)
        }
        let size = output.byteCount - builder.start + FrameSize.path + paths[index].overhead
        if validation.phase == .challengeDue, destination == .candidate || validation.responseDue == nil,
            validation.mayDo(size)
        {
            output.writePathChallenge(validation.challenge)
            destination = .candidate
            builder.traits.insert(.isAckEliciting)
            let retry = paths[index].rtt.probeTimeout(maximumAckDelay: peerMaximumAckDelay)
            paths[index].validation.onSent(byteCount: size, retryAfter: retry, now: now)
        }
        return finish(&builder, on: index, destination: destination, output: &output, now: now)
    }

    /// Everything else, on the path that is in use.
    @_lifetime(output: copy output)
    private mutating func transmitData(on index: Int, into output: inout OutputRawSpan, now: Instant) -> Transmit? {
        let isProbe = paths[index].probesPending > 0
        let isAckDue = paths[index].received.isAckDue(now: now)
        let left = pathToRepeat
        let datagrams = isProbe ? 1 : hasEliciting ? allowedDatagrams(on: index, now: now) : 0
        let mayElicit = datagrams > 0
        if !mayElicit && !isAckDue && left == nil {
            return nil
        }
        // A probe is of the size that every path carries: in an MTU black hole nothing else would ever be acknowledged, and
        // so nothing found lost (RFC 8899 §4.3).
        let mtu = isProbe ? paths[index].mtu.minimum : paths[index].mtu.current
        let capacity = PacketSizing.capacity(count: datagrams, mtu: mtu, overhead: paths[index].overhead)
        var builder = PacketBuilder(path: paths[index], output: output, capacity: capacity, now: now)
        guard builder.hasRoom else { return nil }
        builder.begin(&output)
        writeAck(of: index, on: index, &builder, &output, now: now)
        if let left { writeAck(of: left, on: index, &builder, &output, now: now) }
        if mayElicit {
            writeSmallFrames(on: index, &builder, &output)
            writeControl(on: index, &builder, &output)
            let isStreamsTurn = haveMessagesGone && !scheduler.isEmpty
            haveMessagesGone = !isStreamsTurn && !messages.isEmpty
            if !isStreamsTurn { writeMessages(on: index, &builder, &output) }
            writeStreams(on: index, &builder, &output)
            if isStreamsTurn { writeMessages(on: index, &builder, &output) }
            if isProbe {
                paths[index].probesPending &-= 1
                if !builder.traits.contains(.isAckEliciting) {
                    output.writePing()
                    builder.traits.insert(.isAckEliciting)
                }
            }
            if !hasEliciting { builder.traits.insert(.isApplicationLimited) }
        }
        return finish(&builder, on: index, destination: .current, output: &output, now: now)
    }

    /// A path that was left, and whose acknowledgements go once more on the one in use. By index, so that no path is copied.
    private var pathToRepeat: Int? {
        guard paths.count > 1 else { return nil }
        for index in paths.indices where paths[index].received.isDueElsewhere { return index }
        return nil
    }

    /// Acknowledgements of a path that is not in use, and probes of it.
    @_lifetime(output: copy output)
    private mutating func transmitOnStandby(
        _ index: Int, into output: inout OutputRawSpan, now: Instant
    ) -> Transmit? {
        let asks = keepsPaths && paths[index].state != .retiring
        let isProbe = asks && paths[index].probesPending > 0
        let saysStatus = asks && paths[index].isStatusDue
        guard paths[index].received.isAckDue(now: now) || isProbe || saysStatus else { return nil }
        // A path that the peer uses no more answers through the one in use.
        let carrier = paths[index].isRetiredByPeer ? activeIndex ?? index : index
        var builder = PacketBuilder(path: paths[carrier], output: output, limit: paths[carrier].mtu.minimum, now: now)
        builder.begin(&output)
        writeAck(of: index, on: carrier, &builder, &output, now: now)
        if saysStatus { writeStatus(of: index, on: carrier, &builder, &output) }
        if isProbe {
            paths[index].probesPending = 0
            if !builder.traits.contains(.isAckEliciting) {
                output.writePing()
                builder.traits.insert(.isAckEliciting)
            }
            // Whether it carries more than small packets is part of the question to a path that seems to work again.
            if paths[index].liveness.state == .recovering { output.writePadding(builder.room(output)) }
        }
        return finish(&builder, on: carrier, destination: .current, output: &output, now: now)
    }

    /// A padded PING that searches for a larger MTU (RFC 8899).
    @_lifetime(output: copy output)
    private mutating func transmitMTUProbe(on index: Int, into output: inout OutputRawSpan, now: Instant) -> Transmit? {
        guard let size = paths[index].mtu.probeSize(now: now), output.freeCapacity >= size &- paths[index].overhead,
            paths[index].sent.hasRoom, paths[index].congestion.availableBytes >= size
        else { return nil }
        var builder = PacketBuilder(path: paths[index], output: output, limit: size, now: now)
        builder.begin(&output)
        output.writePing()
        output.writePadding(size - paths[index].overhead - (output.byteCount - builder.start))
        builder.traits = [.isAckEliciting, .isMTUProbe]
        let number = paths[index].sent.nextNumber
        let transmit = finish(&builder, on: index, destination: .current, output: &output, now: now)
        paths[index].mtu.onProbeSent(packetNumber: number, size: size, now: now)
        return transmit
    }

    /// Whether there is anything that asks for an acknowledgement.
    private var hasEliciting: Bool {
        !scheduler.isEmpty || !service.isEmpty || window.isAnnouncementDue || isMaxStreamsDue || control.canSend
            || !messages.isEmpty || !retirements.isEmpty || activeIndex.map { paths[$0].isStatusDue } ?? false
    }

    /// How many datagrams the congestion window and the pacer let a packet that asks for an acknowledgement have now; 0
    /// when it must wait.
    ///
    /// Where packets have several, one waits until all of them may go, rather than going with fewer: the window is at
    /// least eight such packets, so acknowledgements will come, and the pacer gives as much in a millisecond.
    private mutating func allowedDatagrams(on index: Int, now: Instant) -> Int {
        let mtu = paths[index].mtu.current
        let count = paths[index].sizing.datagramCount(
            mtu: mtu, overhead: paths[index].overhead, window: paths[index].congestion.windowBytes,
            pace: paths[index].pacer.wakeupBytes)
        let size = mtu &* count
        let room = paths[index].congestion.availableBytes &- heldForProbe(on: index)
        guard paths[index].sent.hasRoom, room >= size else { return 0 }
        if paths[index].pacer.allowance(now: now) >= size { return count }
        let burst = max(size, paths[index].pacer.wakeupBytes)
        paths[index].pacingDeadline = paths[index].pacer.nextSendTime(bytes: burst, now: now)
        return 0
    }

    /// Bytes of the congestion window that data leaves to an MTU probe that waits: where data uses up the window, each
    /// acknowledgement frees room for a packet of today's size only, and a larger one would never go. Not in a window that
    /// a probe would halve. Mutating for the same reason as `index(of:)`.
    private mutating func heldForProbe(on index: Int) -> Int {
        let probe = paths[index].mtu.waitingProbe
        return probe > 0 && paths[index].congestion.windowBytes >= 4 &* probe ? probe : 0
    }

    // MARK: Parts of a packet

    /// How gladly this end uses a path, on that path: where it comes, the path is known.
    @_lifetime(output: copy output)
    private mutating func writeStatus(
        of index: Int, on carrier: Int, _ builder: inout PacketBuilder, _ output: inout OutputRawSpan
    ) {
        guard carrier == index, builder.room(output) >= FrameSize.pathStatusMaximum else { return }
        paths[index].isStatusDue = false
        output.write(
            PathStatusFrame(
                id: paths[index].id, sequence: paths[index].statusSequence, preference: paths[index].preference))
        note(Obligation(kind: .pathStatus, id: paths[index].id.rawValue), on: index, &builder)
    }

    /// An ACK of path `index` into a packet of path `carrier`, when anything is owed.
    @_lifetime(output: copy output)
    private mutating func writeAck(
        of index: Int, on carrier: Int, _ builder: inout PacketBuilder, _ output: inout OutputRawSpan, now: Instant
    ) {
        guard paths[index].received.hasUnacknowledged else { return }
        guard
            let largest = paths[index].received.writeAck(
                pathID: paths[index].id, room: builder.room(output), now: now, to: &output)
        else { return }
        paths[index].received.onAckSent()
        paths[carrier].sent.append(Obligation(kind: .ack, id: paths[index].id.rawValue, offset: largest))
        // One who only acknowledges is never acknowledged, and its list of ranges grows: now and then it asks to be.
        // Nor does it ever forget what it sent.
        if paths[index].received.numbers.rangeCount > Self.rangesThatWantForgetting
            || paths[carrier].packetsSinceEliciting >= Self.acknowledgementsBetweenPings
        {
            output.writePing()
            builder.traits.insert(.isAckEliciting)
        }
    }

    /// RFC 9000 §13.2.4 leaves the number open: 64 costs 2 % more packets the other way, and bounds what is remembered.
    private static var acknowledgementsBetweenPings: Int { 64 }

    /// 32 ranges make an ACK of about 100 bytes; beyond that a PING is cheaper than repeating them.
    private static var rangesThatWantForgetting: Int { 32 }

    @_lifetime(output: copy output)
    private mutating func writeSmallFrames(
        on index: Int, _ builder: inout PacketBuilder, _ output: inout OutputRawSpan
    ) {
        if paths[index].isStatusDue { writeStatus(of: index, on: index, &builder, &output) }
        if window.isAnnouncementDue, builder.room(output) >= FrameSize.limitMaximum {
            window.isAnnouncementDue = false
            output.writeMaxData(window.limit)
            note(Obligation(kind: .maxData), on: index, &builder)
        }
        if isMaxStreamsDue, builder.room(output) >= FrameSize.limitMaximum {
            isMaxStreamsDue = false
            announcedMaximumStreams = maximumStreams
            output.writeMaxStreams(maximumStreams)
            note(Obligation(kind: .maxStreams), on: index, &builder)
        }
        while let id = retirements.first, builder.room(output) >= FrameSize.limitMaximum {
            retirements.removeFirst()
            output.writeRetirePath(id)
            note(Obligation(kind: .retirePath, id: id.rawValue), on: index, &builder)
        }
        let largest =
            FrameSize.openMaximum + FrameSize.resetMaximum + FrameSize.stopMaximum + FrameSize.maxStreamDataMaximum
        while let slot = service.first, builder.room(output) >= largest {
            service.removeFirst()
            streams[slot].isInService = false
            writeService(slot, on: index, &builder, &output)
            endIfDone(slot)
        }
    }

    /// The frames of one stream other than STREAM.
    @_lifetime(output: copy output)
    private mutating func writeService(
        _ slot: Int32, on index: Int, _ builder: inout PacketBuilder, _ output: inout OutputRawSpan
    ) {
        let stream = streams[slot]
        if stream.opening == .pending {
            streams[slot].opening = .sent
            output.write(
                OpenFrame(
                    id: stream.id, internalPort: stream.internalPort, streamClass: stream.streamClass,
                    share: stream.share))
            note(Obligation(kind: .open, slot: slot, id: stream.id.rawValue), on: index, &builder)
        }
        if stream.send.phase == .resetPending {
            streams[slot].send.onResetSent()
            output.write(ResetFrame(id: stream.id, code: stream.send.resetCode, finalSize: stream.send.finalSize))
            note(Obligation(kind: .reset, slot: slot, id: stream.id.rawValue), on: index, &builder)
        }
        if stream.receive.isStopDue {
            streams[slot].receive.isStopDue = false
            output.write(StopFrame(id: stream.id, code: stream.receive.stopCode ?? .aborted))
            note(Obligation(kind: .stop, slot: slot, id: stream.id.rawValue), on: index, &builder)
        }
        if stream.receive.isAnnouncementDue {
            streams[slot].receive.onAnnounced()
            output.write(MaxStreamDataFrame(id: stream.id, maximum: stream.receive.window.limit))
            note(Obligation(kind: .maxStreamData, slot: slot, id: stream.id.rawValue), on: index, &builder)
        }
    }

    @_lifetime(output: copy output)
    private mutating func writeControl(on index: Int, _ builder: inout PacketBuilder, _ output: inout OutputRawSpan) {
        while control.canSend {
            let room = builder.room(output) - FrameSize.controlHeadMaximum
            guard room > 0, let chunk = control.takeChunk(maximum: room) else { return }
            output.writeControlHead(offset: chunk.offset, count: chunk.count)
            control.copy(chunk, to: &output)
            note(
                Obligation(kind: .control, count: UInt32(chunk.count), offset: chunk.offset), on: index, &builder)
        }
    }

    @_lifetime(output: copy output)
    private mutating func writeMessages(
        on index: Int, _ builder: inout PacketBuilder, _ output: inout OutputRawSpan
    ) {
        while let message = messages.first {
            let count = message.bytes.readableBytes
            guard builder.room(output) >= FrameSize.datagramHeadMaximum + count else {
                // It may fit into the next packet; one that fits into none goes.
                guard builder.isEmpty(output), builder.capacity >= paths[index].packetCapacity else { return }
                dropFirstMessage()
                counters.messagesDropped &+= 1
                continue
            }
            dropFirstMessage()
            output.writeDatagramHead(flow: message.flow, count: count)
            output.write(message.bytes.readableBytesSpan)
            builder.traits.insert(.isAckEliciting)
        }
    }

    private mutating func dropFirstMessage() {
        if let message = messages.popFirst() { messageByteCount &-= message.bytes.readableBytes }
    }

    /// Stream data until the packet is full or nothing is left.
    @_lifetime(output: copy output)
    private mutating func writeStreams(on index: Int, _ builder: inout PacketBuilder, _ output: inout OutputRawSpan) {
        let quantum = StreamScheduler.quantum(bytesPerSecond: paths[index].pacer.rateBytesPerSecond)
        while let slot = scheduler.front {
            // The exact head, so that full packets are all of one size: segments of one GSO write must be, and the search
            // for black holes tells by size what passes.
            let room = builder.room(output)
            let maximum =
                room
                - StreamFrame.headerByteCount(
                    id: streams[slot].id, offset: inPlace(&streams[slot]) { $0.send.nextChunkOffset }, dataCount: room)
            // A frame of a few bytes costs more than it carries, unless the packet would be empty.
            guard maximum >= Self.smallestWorthwhileData else { return }
            let isBulk = streams[slot].streamClass == .bulk
            if isBulk && streams[slot].deficit <= 0 {
                streams[slot].deficit &+= Int(streams[slot].share) &* quantum
                guard streams[slot].deficit > 0 else {
                    scheduler.rotate(isBulk: true)
                    continue
                }
            }
            // A turn may end beyond its quantum, which then counts against the next: frames fill packets.
            guard let chunk = streams[slot].send.takeChunk(maximum: maximum, channelCredit: channelCredit) else {
                unschedule(slot)
                continue
            }
            writeStream(chunk, slot, on: index, &builder, &output)
            if isBulk { streams[slot].deficit &-= max(chunk.count, 1) }
            scheduler.sent(chunk.count, isBulk: isBulk)
            let credit = channelCredit
            if !inPlace(&streams[slot], { $0.send.canSend(channelCredit: credit) }) {
                unschedule(slot)
            } else if !isBulk || streams[slot].deficit <= 0 {
                scheduler.rotate(isBulk: isBulk)
            }
        }
    }

    /// Below this a STREAM frame waits for the next packet: the head alone may take 21 bytes.
    private static var smallestWorthwhileData: Int { 32 }

    private mutating func unschedule(_ slot: Int32) {
        scheduler.removeFront(isBulk: streams[slot].streamClass == .bulk, share: streams[slot].share)
        streams[slot].isScheduled = false
        // What was sent beyond the last quantum stays owed.
        streams[slot].deficit = min(streams[slot].deficit, 0)
        endIfDone(slot)
    }

    @_lifetime(output: copy output)
    private mutating func writeStream(
        _ chunk: SendStream.Chunk, _ slot: Int32, on index: Int, _ builder: inout PacketBuilder,
        _ output: inout OutputRawSpan
    ) {
        let id = streams[slot].id
        output.writeStreamHead(
            id: id, offset: chunk.offset, count: chunk.count, isFin: chunk.isFin, hasLength: true)
        streams[slot].send.copy(chunk, to: &output)
        if configuration.multipath == .redundant, streams[slot].streamClass == .interactive, paths.count > 1 {
            mirrored.append(MirroredChunk(slot: slot, id: id, chunk: chunk))
        }
        if chunk.isNew {
            noteWriter(slot)
            sentData &+= UInt64(chunk.count)
            counters.streamBytesSent &+= UInt64(chunk.count)
        } else {
            counters.streamBytesRetransmitted &+= UInt64(chunk.count)
        }
        note(
            Obligation(
                kind: .streamData, isFin: chunk.isFin, slot: slot, count: UInt32(chunk.count), id: id.rawValue,
                offset: chunk.offset), on: index, &builder)
    }

    private mutating func note(_ obligation: Obligation, on index: Int, _ builder: inout PacketBuilder) {
        paths[index].sent.append(obligation)
        builder.traits.insert(.isAckEliciting)
    }

    // MARK: Bookkeeping

    /// Notes the packet as sent; takes the header back when no frame followed it.
    @_lifetime(output: copy output)
    private mutating func finish(
        _ builder: inout PacketBuilder, on index: Int, destination: Transmit.Destination,
        output: inout OutputRawSpan, now: Instant
    ) -> Transmit? {
        guard !builder.isEmpty(output) else {
            output.removeLast(output.byteCount - builder.start)
            return nil
        }
        let byteCount = output.byteCount - builder.start
        let mtu = paths[index].mtu.current
        let (size, isFragmented) =
            builder.traits.contains(.isMTUProbe)
            ? (byteCount &+ paths[index].overhead, false)
            : PacketSizing.datagramBytes(packet: byteCount, mtu: mtu, overhead: paths[index].overhead)
        if isFragmented { builder.traits.insert(.isFragmented) }
        let isEliciting = builder.traits.contains(.isAckEliciting)
        let isMarked = isEliciting && paths[index].ecn.marksPackets && destination == .current
        if isMarked { builder.traits.insert(.isECNMarked) }
        let number = paths[index].sent.nextNumber
        let packet = SentPacket(
            sentAt: now, firstObligation: builder.firstObligation, byteCount: UInt16(size), traits: builder.traits)
        if isEliciting {
            paths[index].congestion.onSent(bytes: size, packetNumber: number, now: now)
            paths[index].sent.append(packet, snapshot: snapshot(of: builder, size: size, on: index, now: now))
        } else {
            paths[index].sent.append(packet)
        }
        paths[index].ecn.onSent(packetNumber: number, marked: isMarked)
        paths[index].packetsSinceEliciting = isEliciting ? 0 : paths[index].packetsSinceEliciting &+ 1
        if isEliciting {
            paths[index].pacer.onSent(bytes: size, now: now)
            paths[index].sizing.onSent(datagrams: isFragmented ? (size &+ mtu &- 1) / mtu : 1)
            paths[index].loss.onElicitingSent(isOnlyOne: paths[index].sent.outstandingCount == 1, now: now)
            if firstSentSinceReceived == nil { firstSentSinceReceived = now }
        }
        if paths[index].sent.packets.count > SentPackets.forcedCount { giveUpOldest(on: index) }
        paths[index].lastSentAt = now
        paths[index].statistics.packetsSent &+= 1
        if isFragmented { paths[index].statistics.packetsFragmented &+= 1 }
        paths[index].statistics.bytesSent &+= UInt64(size)
        counters.bytesSent &+= UInt64(size)
        if trace != nil {
            traceSent(
                output.bytes.extracting(builder.start..<output.byteCount), number: number, byteCount: size,
                traits: builder.traits, on: index)
        }
        if number >= paths[index].nextSkip { skipNumber(on: index, now: now) }
        return Transmit(
            path: paths[index].id, destination: destination, ecn: isMarked ? .ect0 : .notECT, byteCount: byteCount,
            datagramByteCount: isFragmented ? mtu : size)
    }

    /// What the rate estimator wants to know again when this packet is acknowledged.
    private mutating func snapshot(
        of builder: PacketBuilder, size: Int, on index: Int, now: Instant
    ) -> DeliverySnapshot {
        guard paths[index].congestion.measuresDelivery else { return .filler }
        if builder.traits.contains(.isApplicationLimited),
            paths[index].congestion.availableBytes >= paths[index].mtu.current
        {
            paths[index].congestion.onApplicationLimited()
        }
        return paths[index].congestion.takeSnapshot(bytes: size, now: now)
    }

    /// Leaves out a number at random, so that a peer that acknowledges what it did not receive is caught. More and more
    /// rarely: each one makes the receiver's list of ranges longer by one until it is acknowledged.
    private mutating func skipNumber(on index: Int, now: Instant) {
        let number = paths[index].sent.nextNumber
        paths[index].sent.skipNumber(now: now)
        paths[index].nextSkip = number &+ 64 &+ random.below(max(256, number))
    }
}
