internal import DXWire

/// Acknowledgements and losses: RFC 9002, with obligations instead of packets.
extension MessageChannel {
    /// What one ACK newly acknowledged on its path.
    private struct Newly {
        var hasLargest = false
        var hasEliciting = false
        var largestSentAt: Instant = .zero
        var markedCount = 0
        var undoesEpisode = false
        var mtuChanged = false
    }

    /// Applies an ACK frame that came on path `carrier`, mostly the one that it is about. By another one the peer tells what arrived
    /// before it left that path (`docs/transport.md` §11), which is no answer of it, nor does it tell its round trip.
    mutating func applyAck(
        _ frame: AckFrame, packet: RawSpan, on carrier: Int, now: Instant
    ) throws(FrameFailure) {
        guard let index = index(of: frame.pathID) else { return }  // of a path that was forgotten
        guard let largestSent = paths[index].sent.largestSent, frame.largest <= largestSent else {
            throw .violation(.protocolViolation, "acknowledged what was never sent")
        }
        let previous = paths[index].loss.largestAcknowledged
        let isNewLargest = previous.map { frame.largest > $0 } ?? true
        if isNewLargest { paths[index].loss.largestAcknowledged = frame.largest }
        let isAnswer = carrier == index || !keepsPaths
        if isAnswer { updateRoundTrip(frame, packet: packet, on: index, now: now) }

        var newly = Newly()
        var ranges = AckRangeReader(frame, in: packet)
        while let range = try? ranges.next() {
            var position = range.lowerBound
            while let part = paths[index].sent.firstUnacknowledged(in: range, from: position) {
                for number in part { try acknowledge(number, on: index, newly: &newly, now: now) }
                paths[index].sent.noteAcknowledged(part)
                position = part.upperBound
            }
        }
        if newly.hasEliciting, isAnswer {
            paths[index].loss.probeCount = 0
            paths[index].loss.unansweredSince = now
            paths[index].loss.wasHeardAgain = false
            if keepsPaths {
                // First: of a path that takes over by it, the one that it takes over from is left.
                let tookOver = noteAnswerInSearch(index, sentAt: newly.largestSentAt, now: now)
                onAnswer(index, isFirst: previous == nil, chooses: !tookOver, now: now)
            }
        } else if newly.hasEliciting, paths[index].liveness.state == .doubted, paths[index].sent.outstandingCount == 0 {
            // What it was asked is settled, and nothing would ask again before its next keepalive.
            paths[index].probesPending = max(paths[index].probesPending, 1)
        }
        if paths[index].ecn.onAcknowledged(
            newlyAckedMarked: newly.markedCount, counts: frame.ecn, largestAckedChanged: isNewLargest, now: now)
        {
            onCongestion(on: index, sentAt: newly.largestSentAt, isECN: true, now: now)
        }
        detectLosses(on: index, now: now)
        paths[index].congestion.onAckProcessed(rtt: paths[index].rtt, now: now)
        if newly.undoesEpisode { paths[index].congestion.onSpuriousCongestion(now: now) }
        if newly.mtuChanged { paths[index].congestion.setMaximumDatagram(paths[index].mtu.current) }
        let keep = paths[index].rtt.probeTimeout(maximumAckDelay: peerMaximumAckDelay) * 3
        paths[index].sent.forgetSettled(lostBefore: now - keep)
        paths[index].refreshPacing(now: now)
        if trace != nil { traceMetrics(index) }
        wakeMovedWriters()
    }

    /// RFC 9002 §5.1: a sample when the largest acknowledged is newly so and something asked for the acknowledgement.
    private mutating func updateRoundTrip(_ frame: AckFrame, packet: RawSpan, on index: Int, now: Instant) {
        guard
            paths[index].sent.firstUnacknowledged(in: frame.largest...frame.largest, from: frame.largest) != nil
        else { return }
        let sample = paths[index].sent.packets[frame.largest]
        guard sample.traits.contains(.isAckEliciting), sample.state != .skipped else { return }
        paths[index].rtt.update(
            sample: now - sample.sentAt, ackDelay: frame.delay, maximumAckDelay: peerMaximumAckDelay)
        paths[index].congestion.onRTTSample(
            paths[index].rtt.latest, largestAcknowledged: frame.largest, now: now)
    }

    private mutating func acknowledge(
        _ number: UInt64, on index: Int, newly: inout Newly, now: Instant
    ) throws(FrameFailure) {
        let sent = paths[index].sent.packets[number]
        switch sent.state {
        case .skipped: throw .violation(.protocolViolation, "acknowledged a number that was left out")
        case .acknowledged: return
        case .outstanding:
            if sent.traits.contains(.isAckEliciting) {
                paths[index].congestion.onAcknowledged(
                    bytes: Int(sent.byteCount), sentAt: sent.sentAt, packetNumber: number,
                    isApplicationLimited: sent.traits.contains(.isApplicationLimited),
                    snapshot: paths[index].sent.snapshot(of: number), rtt: paths[index].rtt, now: now)
            }
        case .lost:
            paths[index].statistics.packetsSpuriouslyLost &+= 1
            if trace != nil { trace(.packetSpuriouslyLost(number: number), on: index) }
            if paths[index].loss.onSpurious(number, wasInEpisode: sent.traits.contains(.isInLossEpisode)) {
                newly.undoesEpisode = true
            }
        }
        paths[index].sent.setState(.acknowledged, of: number)
        if sent.traits.contains(.isAckEliciting) { newly.hasEliciting = true }
        if sent.traits.contains(.isECNMarked) { newly.markedCount &+= 1 }
        newly.largestSentAt = max(newly.largestSentAt, sent.sentAt)
        if paths[index].mtu.onAcknowledged(packetNumber: number, size: paths[index].datagramSize(of: sent), now: now) {
            newly.mtuChanged = true
        }
        var obligation = sent.firstObligation
        for _ in 0..<sent.obligationCount {
            onAcknowledged(paths[index].sent.obligations[obligation])
            obligation &+= 1
        }
    }

    /// Declares lost what RFC 9002 §6.1 says is, and arms the timer for what may be.
    mutating func detectLosses(on index: Int, now: Instant) {
        paths[index].loss.lossTime = nil
        guard let largest = paths[index].loss.largestAcknowledged else { return }
        let delay = paths[index].loss.lossDelay(rtt: paths[index].rtt)
        var number = max(paths[index].loss.cursor, paths[index].sent.packets.firstIndex)
        let end = min(largest, paths[index].sent.packets.endIndex)
        var run: (first: Instant, last: Instant)?
        while number < end {
            let packet = paths[index].sent.packets[number]
            switch packet.state {
            case .outstanding:
                let isLost =
                    number &+ paths[index].loss.packetThreshold <= largest || packet.sentAt + delay <= now
                guard isLost else {
                    paths[index].loss.lossTime = packet.sentAt + delay
                    paths[index].loss.cursor = number
                    return finishDetecting(run, on: index, now: now)
                }
                declareLost(number, on: index, now: now)
                if packet.traits.contains(.isAckEliciting), !packet.traits.contains(.isMTUProbe) {
                    run = (run?.first ?? packet.sentAt, packet.sentAt)
                }
            case .acknowledged: run = nil
            case .lost, .skipped: break
            }
            number &+= 1
        }
        paths[index].loss.cursor = max(number, paths[index].loss.cursor)
        finishDetecting(run, on: index, now: now)
    }

    /// Persistent congestion (RFC 9002 §7.6): everything sent over three probe timeouts was lost.
    private mutating func finishDetecting(_ run: (first: Instant, last: Instant)?, on index: Int, now: Instant) {
        guard let run, paths[index].rtt.hasSample else { return }
        let base = paths[index].rtt.probeTimeout(maximumAckDelay: peerMaximumAckDelay)
        guard run.last - run.first > base * 3 else { return }
        paths[index].statistics.persistentCongestion &+= 1
        paths[index].congestion.onPersistentCongestion(now: now)
        paths[index].rtt.resetMinimum()
        paths[index].refreshPacing(now: now)
    }

    private mutating func declareLost(_ number: UInt64, on index: Int, now: Instant) {
        let packet = paths[index].sent.packets[number]
        paths[index].sent.setState(.lost, of: number)
        requeue(packet, on: index)
        guard packet.traits.contains(.isAckEliciting) else { return }
        if trace != nil { traceLost(number, packet, on: index) }
        if packet.traits.contains(.isECNMarked) { paths[index].ecn.onLost(marked: 1) }
        if packet.traits.contains(.isMTUProbe) {
            paths[index].congestion.onDiscarded(bytes: Int(packet.byteCount))
            paths[index].mtu.onProbeLost(packetNumber: number, now: now)
            return
        }
        paths[index].congestion.onLost(
            bytes: Int(packet.byteCount), packetNumber: number, snapshot: paths[index].sent.snapshot(of: number),
            now: now)
        paths[index].statistics.packetsLost &+= 1
        paths[index].sizing.onLost(number, sentAt: packet.sentAt, next: paths[index].sent.nextNumber)
        if paths[index].mtu.onLost(
            packetNumber: number, size: paths[index].datagramSize(of: packet), sentAt: packet.sentAt, now: now)
        {
            paths[index].statistics.blackHoles &+= 1
            paths[index].congestion.setMaximumDatagram(paths[index].mtu.current)
        }
        onCongestion(on: index, sentAt: packet.sentAt, isECN: false, now: now)
        paths[index].sent.addTraits(.isInLossEpisode, to: number)
    }

    /// Reduces the window, at most once per episode.
    private mutating func onCongestion(on index: Int, sentAt: Instant, isECN: Bool, now: Instant) {
        let largestSent = paths[index].sent.largestSent ?? 0
        if !isECN {
            guard paths[index].loss.onLost(sentAt: sentAt, largestSent: largestSent, now: now) else { return }
            paths[index].statistics.congestionEvents &+= 1
        }
        paths[index].congestion.onCongestionEvent(
            sentAt: sentAt, largestSent: largestSent, rtt: paths[index].rtt, now: now, isECN: isECN)
    }

    /// Sends again, elsewhere, all that is on the way on a path that is about to go. No congestion signal: the path is
    /// gone, not full.
    mutating func declareAllLost(on index: Int, now: Instant) {
        var number = paths[index].sent.packets.firstIndex
        while number < paths[index].sent.packets.endIndex {
            let packet = paths[index].sent.packets[number]
            if packet.state == .outstanding {
                paths[index].sent.setState(.lost, of: number)
                requeue(packet, on: index)
                if packet.traits.contains(.isAckEliciting) {
                    paths[index].congestion.onDiscarded(bytes: Int(packet.byteCount))
                    if trace != nil { traceGivenUp(number, byteCount: Int(packet.byteCount), on: index) }
                }
            }
            number &+= 1
        }
    }

    /// Gives up the oldest packets when more are kept than `SentPackets.forcedCount`: a peer that sends without end and
    /// acknowledges nothing would have the list of what it is sent, if only acknowledgements, grow without end.
    mutating func giveUpOldest(on index: Int) {
        while paths[index].sent.packets.count > SentPackets.forcedCount {
            let number = paths[index].sent.packets.firstIndex
            let packet = paths[index].sent.packets[number]
            if packet.state == .outstanding {
                paths[index].sent.setState(.lost, of: number)
                requeue(packet, on: index)
                if packet.traits.contains(.isAckEliciting) {
                    paths[index].congestion.onDiscarded(bytes: Int(packet.byteCount))
                    if trace != nil { traceGivenUp(number, byteCount: Int(packet.byteCount), on: index) }
                }
            }
            paths[index].sent.forgetFirst()
        }
    }

    /// Sends the content of the oldest packets on the way once more, without declaring them lost: what a probe carries
    /// (RFC 9002 §6.2.4).
    mutating func requeueOldest(_ count: Int, on index: Int) {
        var left = count
        var number = paths[index].sent.packets.firstIndex
        while left > 0, number < paths[index].sent.packets.endIndex {
            let packet = paths[index].sent.packets[number]
            if packet.state == .outstanding, packet.traits.contains(.isAckEliciting),
                !packet.traits.contains(.isMTUProbe)
            {
                requeue(packet, on: index)
                left &-= 1
            }
            number &+= 1
        }
    }

    mutating func requeue(_ packet: SentPacket, on index: Int) {
        // On another path it has its own packets by now, which look after it.
        if packet.traits.contains(.isMoved) { return }
        var obligation = packet.firstObligation
        for _ in 0..<packet.obligationCount {
            onLost(paths[index].sent.obligations[obligation])
            obligation &+= 1
        }
    }

    // MARK: Obligations

    private mutating func onAcknowledged(_ obligation: Obligation) {
        switch obligation.kind {
        case .streamData:
            guard streams.holds(obligation.id, at: obligation.slot) else { return }
            let shrunk = streams[obligation.slot].send.onAcknowledged(
                offset: obligation.offset, count: Int(obligation.count), isFin: obligation.isFin)
            noteShrunk(by: shrunk, obligation.slot)
            endIfDone(obligation.slot)
        case .open:
            guard streams.holds(obligation.id, at: obligation.slot) else { return }
            if streams[obligation.slot].tellsAcceptance, streams[obligation.slot].opening != .done {
                events.append(.streamAccepted(streams[obligation.slot].id))
            }
            streams[obligation.slot].opening = .done
            endIfDone(obligation.slot)
        case .reset:
            guard streams.holds(obligation.id, at: obligation.slot) else { return }
            streams[obligation.slot].send.onResetAcknowledged()
            endIfDone(obligation.slot)
        case .control: control.onAcknowledged(offset: obligation.offset, count: Int(obligation.count))
        case .ack:
            if let index = index(of: PathID(rawValue: obligation.id)) {
                paths[index].received.forget(upTo: obligation.offset)
            }
        case .stop, .maxStreamData, .maxData, .maxStreams, .retirePath, .pathStatus: break
        }
    }

    private mutating func onLost(_ obligation: Obligation) {
        switch obligation.kind {
        case .streamData, .open, .reset, .stop, .maxStreamData:
            guard streams.holds(obligation.id, at: obligation.slot) else { return }
            onStreamObligationLost(obligation)
        case .control: control.onLost(offset: obligation.offset, count: Int(obligation.count))
        case .maxData: window.isAnnouncementDue = true
        case .maxStreams: isMaxStreamsDue = true
        case .retirePath:
            let id = PathID(rawValue: obligation.id)
            if !retirements.contains(id) { retirements.append(id) }
        case .pathStatus: if let index = index(of: PathID(rawValue: obligation.id)) { paths[index].isStatusDue = true }
        case .ack: break  // the next one says more
        }
    }

    private mutating func onStreamObligationLost(_ obligation: Obligation) {
        let slot = obligation.slot
        switch obligation.kind {
        case .streamData:
            streams[slot].send.onLost(
                offset: obligation.offset, count: Int(obligation.count), isFin: obligation.isFin)
            schedule(slot)
        case .open: if streams[slot].opening == .sent { streams[slot].opening = .pending }
        case .reset: streams[slot].send.onResetLost()
        case .stop: streams[slot].receive.onStopLost()
        case .maxStreamData: streams[slot].receive.onAnnouncementLost()
        case .maxData, .maxStreams, .control, .retirePath, .pathStatus, .ack: break
        }
        requestService(slot)
    }
}
