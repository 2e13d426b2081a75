public import DXWire

/// Registrations (`docs/matchmaking.md` §4.1): proved, made, made again, taken back.
extension MatchClient {
    // MARK: Commands

    /// Wants to be listed so, from now on and until `unregister`. Another group tag or member key takes the registration before
    /// it back, and cancels introductions; another blob replaces the listed one.
    public mutating func register(
        _ registration: MatchRegistration<Cryptography.SigningKey>, now: Instant
    ) throws(MatchClientError) {
        guard !isStopped else { throw .stopped }
        guard matchKey != nil else { throw .noMatchKey }
        guard registration.blob.count <= MatchConstants.maximumBlob else { throw .blobTooLarge }
        guard let fresh = wantedRegistration(registration) else { throw .cryptography }
        if let wanted {
            if wanted.isSame(as: fresh) { return }
            if !wanted.isSameMember(as: fresh) { endListing(now: now) }
        }
        // The answer to the one before would be taken for that to this one.
        exchanges.removeAll { $0.purpose == .register }
        wanted = fresh
        isLeaving = false
        // What was refused may now be right; silence does not end because we have something else to say.
        if case .registrationRefused = problem { registerRetry.reset() }
        advance(now: now)
    }

    /// Wants to be listed no more. `left` comes when the matchmaker has answered, or has not within some seconds.
    public mutating func unregister(now: Instant) {
        guard !isStopped else { return }
        endListing(now: now)
        wanted = nil
        admissions = []
        if case .registrationRefused = problem { problem = nil }
        isLeaving = true
        finishLeaving()
    }

    private func wantedRegistration(
        _ registration: MatchRegistration<Cryptography.SigningKey>
    ) -> WantedRegistration<Cryptography.SigningKey>? {
        let point = cryptography.publicPoint(of: registration.memberKey)
        let blobHash = unsafe cryptography.sha256(registration.blob.span.bytes)
        let request = RegisterRequest(
            groupTag: registration.groupTag, memberKey: point, revision: registration.revision,
            lifetime: registration.lifetime)
        let text = [UInt8](capacity: RegisterRequest.signedByteCount) { output in
            request.writeSigned(pin: configuration.pin, blobHash: blobHash, to: &output)
        }
        guard let signature = unsafe cryptography.sign(text.span.bytes, with: registration.memberKey) else {
            return nil
        }
        return WantedRegistration(
            registration: registration, memberKey: point, memberTag: cryptography.memberTag(of: point),
            signature: signature)
    }

    // MARK: Requests

    /// Whether the matchmaker is to be told something, and is not being told.
    var needsRegister: Bool {
        guard let wanted, !exchanges.contains(where: { $0.purpose == .register }) else { return false }
        guard let listing else { return true }
        return wanted.isNew || listing.isLapsed || !listing.isCurrent
    }

    /// Begins a REGISTER when one is needed and may be tried.
    mutating func beginRegister(now: Instant) {
        guard needsRegister, registerRetry.isReady(now: now) else { return }
        begin(
            .register, maximumAttempts: registerRetry.failureCount > 0 ? fewAttempts : MatchExchange.attempts, now: now)
    }

    /// Writes the body of a REGISTER, with the proof that was given if it is good still.
    @_lifetime(output: copy output)
    func writeRegister(
        _ wanted: WantedRegistration<Cryptography.SigningKey>, to output: inout OutputRawSpan, now: Instant
    ) {
        let isFresh = proof.map { now - $0.madeAt < Self.proofLifetime } ?? false
        let request = RegisterRequest(
            groupTag: wanted.registration.groupTag, memberKey: wanted.memberKey,
            revision: wanted.registration.revision, lifetime: wanted.registration.lifetime,
            signature: wanted.signature, proof: isFresh ? proof?.value ?? .zero : .zero)
        unsafe request.write(blob: wanted.registration.blob.span.bytes, to: &output)
    }

    /// A proof is good for half a minute at least (§4.1).
    private static var proofLifetime: Interval { .seconds(30) }

    // MARK: Answers

    /// Takes the answer to a REGISTER.
    mutating func onRegisterAnswer(_ answer: MatchAnswer, _ heard: Heard) {
        switch answer {
        case .proveAddress(let value, let observed):
            proofCount += 1
            guard proofCount <= MatchClientLimits.proofs else { return refuseRegistration(.proveAddress, heard) }
            proof = (value, heard.at)
            if observed.isSendable { note(observed) }
        case .registered(let registered): onRegistered(registered, heard)
        case .status(_, let status): refuseRegistration(status, heard)
        case .observed, .roster, .introduced, .admitted: break
        }
    }

    private mutating func onRegistered(_ answer: RegisteredAnswer, _ heard: Heard) {
        guard let keys = ticket?.keys, wanted != nil else { return }
        // Refreshes are counted on under the same name.
        let before = listing.flatMap { $0.handle == answer.handle ? $0 : nil }
        let lifetime = Interval.seconds(Int64(max(answer.lifetime, MatchConstants.minimumLifetime)))
        let fresh = MatchListing(
            observed: answer.observed, server: heard.source, base: heard.base, lifetime: lifetime,
            memberCount: answer.memberCount)
        let isTold = !(wanted?.isNew ?? true) && listing?.listing.isSamePlace(as: fresh) ?? false
        listing = HeldListing(
            handle: answer.handle, key: cryptography.handleKey(answer.handle, keys: keys), listing: fresh,
            endsAt: heard.at + lifetime, count: before?.count ?? 0, answered: before?.answered ?? 0,
            dueAt: heard.at + refreshInterval(fresh))
        listing?.isLeaving = before?.isLeaving ?? false
        listing?.acknowledgements = before?.acknowledgements ?? []
        wanted?.isNew = false
        if before == nil { repeatAdmissions() }
        proofCount = 0
        registerRetry.reset()
        problem = nil
        statistics.registrations &+= 1
        roster.onRegistered(digest: answer.rosterDigest)
        onObserved(answer.observed, heard)
        if !isTold { tell(.registered(fresh)) }
    }

    /// The matchmaker does not list us.
    private mutating func refuseRegistration(_ status: MatchStatus, _ heard: Heard) {
        proof = nil
        proofCount = 0
        registerRetry.fail(now: heard.at, random: &random)
        if status == .leaving { _ = addresses.onLeaving(heard.source) }
        onProblem(.registrationRefused(status))
    }

    private mutating func note(_ observed: Endpoint) {
        switch observed.family {
        case .v4: observedV4 = observed
        case .v6: observedV6 = observed
        }
    }

    // MARK: End

    /// Takes the registration back, and what hung on it.
    private mutating func endListing(now: Instant) {
        exchanges.removeAll { exchange in
            switch exchange.purpose {
            case .register, .roster, .introduce, .admit: true
            case .observe, .measure, .leave: false
            }
        }
        for introduction in introductions {
            tell(.introductionFailed(introduction.memberTag, nonce: introduction.nonce, .cancelled))
        }
        introductions = []
        let isNeeded = roster.isNeeded
        roster = RosterReading(isAutomatic: configuration.readsRoster)
        roster.isNeeded = isNeeded
        proofCount = 0
        // A proof is for one member tag.
        proof = nil
        guard let held = listing else { return }
        listing = nil
        // Under another ticket the matchmaker would not know whose it is; it ends by itself.
        guard ticket != nil, held.isCurrent, exchanges.count < MatchClientLimits.leaves else { return }
        begin(.leave(held.handle, server: held.listing.server), maximumAttempts: 3, now: now)
    }

    /// Tells that the registration has ended, once no LEAVE is under way.
    mutating func finishLeaving() {
        guard isLeaving else { return }
        let isUnderWay = exchanges.contains { exchange in
            if case .leave = exchange.purpose { return true }
            return false
        }
        guard !isUnderWay else { return }
        isLeaving = false
        tell(.left)
    }
}

extension MatchListing {
    /// Whether both say that we are listed at one place.
    func isSamePlace(as other: MatchListing) -> Bool { observed == other.observed && server == other.server }
}
