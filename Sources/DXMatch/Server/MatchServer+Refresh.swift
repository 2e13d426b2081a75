import DXWire

/// REFRESH (`docs/matchmaking.md` §4.1).
extension MatchServer {
    /// Answers one REFRESH; nil when no answer is wanted and there is nothing to tell.
    mutating func answer(
        _ refresh: RefreshMessage, from source: Endpoint, socket: UInt8, now: Instant
    ) throws(MatchServerDrop) -> RefreshedMessage? {
        guard let slot = liveSlot(of: refresh.handle, now: now) else { throw .unknownHandle }
        let registration = registry.registrations[slot]
        guard cryptography.code(of: refresh, registration.handleKey) ^ refresh.code == 0 else { throw .wrongCode }
        guard refresh.count > registration.lastCount else { throw .replayed }
        registry.update(slot) { $0.lastCount = refresh.count }
        var flags: RefreshedMessage.Flags = isLeaving ? .leaving : []
        if registration.instance == 0, source == registration.address, socket == registration.socket {
            renew(slot, notice: refresh.notice, now: now)
            if registration.seenChanges != registry.groups[registration.group].changes { flags.insert(.rosterChanged) }
        } else {
            // An address that is not proved renews nothing: whoever sees one REFRESH can send it from anywhere.
            statistics.movedRefreshes &+= 1
            flags.insert(.registerAgain)
        }
        guard refresh.isAnswered || !flags.isEmpty else { return nil }
        var answer = RefreshedMessage(handle: refresh.handle, count: refresh.count, flags: flags)
        answer.code = cryptography.code(of: answer, registration.handleKey)
        return answer
    }

    private mutating func renew(_ slot: UInt32, notice: UInt32, now: Instant) {
        statistics.refreshes &+= 1
        let isTold = isMirrored && isInAnotherQuarter(registry.registrations[slot], now: now)
        let end = endAfterRefresh(slot, now: now)
        registry.update(slot) { $0.expiresAt = end }
        if notice != 0, notices.acknowledge(registry.registrations[slot].handle, number: notice) {
            statistics.acknowledged &+= 1
        }
        if isTold { tell(.refreshed(registry.key(of: slot), lifetime: registry.registrations[slot].lifetime)) }
    }

    /// Whether a quarter of the lifetime has begun since it was last renewed: other instances are told once in each, so that they
    /// hear of a tenth of all REFRESHes and never lose one that lives. The quarters of registrations begin at different times.
    private func isInAnotherQuarter(_ registration: Registration, now: Instant) -> Bool {
        let lifetime = Interval.seconds(Int64(registration.lifetime))
        let quarter = max(1, lifetime.nanoseconds / 4)
        let phase = Int64(registration.handle.rawValue % UInt64(quarter))
        func number(_ time: Instant) -> Int64 { (time.nanoseconds &+ phase) / quarter }
        return number(registration.expiresAt - lifetime) != number(now)
    }
}
