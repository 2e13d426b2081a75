public import DXWire

/// Time: one deadline outside, a handful of timers inside, each derived from state rather than kept beside it.
extension MessageChannel {
    /// When `timeoutFired` must be called next; nil is never. Valid after `pollTransmit` returned nil.
    public var nextTimeout: Instant? {
        switch phase {
        case .closed: return nil
        case .closing: return closing.deadline
        case .open: break
        }
        var next = Instant.distantFuture
        if let idle = idleDeadline { next = min(next, idle) }
        if let keepalive = pingDeadline { next = min(next, keepalive) }
        if let deadline = chunks.deadline { next = min(next, deadline) }
        for index in paths.indices {
            if let deadline = pathDeadline(index) { next = min(next, deadline) }
        }
        return next == .distantFuture ? nil : next
    }

    private func pathDeadline(_ index: Int) -> Instant? {
        var next = Instant.distantFuture
        if let time = paths[index].loss.lossTime {
            next = min(next, time)
        } else if let time = probeDeadline(index) {
            next = min(next, time)
        }
        if let time = paths[index].received.ackDeadline { next = min(next, time) }
        if let time = paths[index].validation.deadline { next = min(next, time) }
        if let time = paths[index].forgetAt { next = min(next, time) }
        if let time = paths[index].pacingDeadline { next = min(next, time) }
        if let time = standbyDeadline(index) { next = min(next, time) }
        if index == activeIndex || sharesBulk(index), let time = paths[index].mtu.nextTimeout { next = min(next, time) }
        return next == .distantFuture ? nil : next
    }

    private func probeDeadline(_ index: Int) -> Instant? {
        paths[index].probeDeadline(maximumAckDelay: peerMaximumAckDelay, hasOther: standsBy(for: index))
    }

    private var idleDeadline: Instant? {
        guard let idleTimeout else { return nil }
        // Never below three probe timeouts, or one lost exchange on a slow path would end the channel (RFC 9000 §10.1).
        let least = (activeIndex.map { paths[$0].rtt.probeTimeout(maximumAckDelay: peerMaximumAckDelay) } ?? .zero) * 3
        return silentSince + max(idleTimeout, least, hold ?? .zero)
    }

    /// When a PING goes out though there is nothing to say: to keep the path open, or to ask what became of a transfer.
    private var pingDeadline: Instant? {
        guard let activeIndex, paths[activeIndex].probesPending == 0, paths[activeIndex].sent.outstandingCount == 0
        else { return nil }
        let silence = silenceDeadline(of: activeIndex)
        guard let keepalive = configuration.keepalive else { return silence }
        // The upper end waits a little longer: the lower end's PING, and the acknowledgement of it, serve both. In step,
        // both would ask each time, at twice the cost.
        let grace = role == .upper ? keepalive / 8 : .zero
        let due = paths[activeIndex].lastSentAt + keepalive + grace
        return silence.map { min($0, due) } ?? due
    }

    /// A transfer towards here has fallen silent. It may be over, or wait; but if a NAT has given this end another port,
    /// the peer sends to the old one, and will learn of the new one by the next packet from here. So one PING asks.
    private func silenceDeadline(of index: Int) -> Instant? {
        guard counters.streamBytesReceived &- bytesReceivedAtPing >= Self.bytesOfTransfer else { return nil }
        let silence = paths[index].rtt.probeTimeout(maximumAckDelay: peerMaximumAckDelay) * 3
        return lastReceivedAt + max(silence, Self.shortestSilence)
    }

    /// So many stream bytes since the last PING make a transfer: keystrokes cost none.
    private static var bytesOfTransfer: UInt64 { 16_384 }

    /// Pauses of an application below this are everyday.
    private static var shortestSilence: Interval { .milliseconds(500) }

    /// Does what is due. Calling it early or late is harmless.
    public mutating func timeoutFired(now: Instant) {
        advance(to: now)
        switch phase {
        case .closed: return
        case .closing:
            if let deadline = closing.deadline, deadline <= now { phase = .closed }
            return
        case .open: break
        }
        if let idle = idleDeadline, idle <= now {
            end(
                ChannelEnd(code: .none, reason: "nothing arrived for the idle timeout", cause: .idleTimeout),
                sendsClose: false, now: now)
            return
        }
        if let ping = pingDeadline, ping <= now, let activeIndex {
            paths[activeIndex].probesPending = 1
            bytesReceivedAtPing = counters.streamBytesReceived
        }
        if let deadline = chunks.deadline, deadline <= now { chunks.removeAll() }
        for index in paths.indices.reversed() { firePathTimers(index, now: now) }
        if !writers.queue.isEmpty { wakeWriters() }
    }

    private mutating func firePathTimers(_ index: Int, now: Instant) {
        if let deadline = paths[index].forgetAt, deadline <= now {
            forgetPath(at: index, now: now)
            return
        }
        fireStandbyTimers(index, now: now)
        if let deadline = paths[index].validation.deadline, deadline <= now { paths[index].validation.onDeadline() }
        if let time = paths[index].loss.lossTime {
            if time <= now {
                detectLosses(on: index, now: now)
                paths[index].refreshPacing(now: now)
                if trace != nil { traceMetrics(index) }
            }
        } else if let time = probeDeadline(index), time <= now {
            onProbeTimeout(index, now: now)
        }
    }

    /// RFC 9002 §6.2.4: one or two packets go out at once, whatever the window says; first with what the oldest packets
    /// carried. On a path that is no longer used there is nothing to probe for: the content moves at once.
    private mutating func onProbeTimeout(_ index: Int, now: Instant) {
        if paths[index].state == .retiring || paths[index].state == .standby && !keepsPaths, activeIndex != nil {
            declareAllLost(on: index, now: now)
            return
        }
        paths[index].statistics.probeTimeouts &+= 1
        paths[index].loss.unansweredSince = now
        if trace != nil { trace(.probeTimeout, on: index) }
        if keepsPaths { onMissedAnswer(index, now: now) } else { askOnTheOnlyPath(index) }
        if trace != nil { traceMetrics(index) }
    }

    /// Nothing else can carry what is on the way.
    mutating func askOnTheOnlyPath(_ index: Int) {
        paths[index].loss.probeCount &+= 1
        paths[index].probesPending = 2
        requeueOldest(2, on: index)
        // Told once for each silence, also where probes began anew because the peer was heard.
        guard !paths[index].loss.wasHeardAgain else { return }
        switch paths[index].loss.probeCount {
        case 1: events.append(.pathDoubted(paths[index].id))
        case 2: events.append(.pathSuspect(paths[index].id))
        default: break
        }
    }
}
