import DXWire

/// Requests: OBSERVE, REGISTER, LEAVE (`docs/matchmaking.md` §4, §4.1).
extension MatchServer {
    /// Answers one request.
    @_lifetime(output: copy output)
    mutating func answer(
        _ body: RawSpan, _ facts: RequestFacts, into output: inout OutputRawSpan, now: Instant
    ) throws(MatchServerDrop) -> MatchStatus {
        let room = AnswerMessage.maximumBody(requestBody: body.byteCount)
        precondition(output.freeCapacity >= room, "there is room for any answer to a request")
        var reader = ByteReader(body)
        guard let kind = try? reader.readUInt8() else { throw .malformed }
        guard let request = try? MatchRequest(reading: body) else {
            try takeUnproved(facts, now: now)
            return refuse(kind, .malformed, &output)
        }
        let mask = cryptography.addressMask(sequence: facts.sequence)
        switch request {
        case .observe:
            try takeUnproved(facts, now: now)
            MatchAnswer.writeHead(kind, .done, to: &output)
            facts.source.write(to: &output, mask: mask)
            return .done
        case .register(let register):
            let blob = body.extracting(register.blob.offset..<(register.blob.offset &+ register.blob.count))
            return try answer(register, blob: blob, facts, mask, into: &output, now: now)
        case .leave(let handle):
            guard let slot = try askersSlot(handle, facts, now: now) else {
                return refuse(kind, .notRegistered, &output)
            }
            remove(slot)
            return refuse(kind, .done, &output)
        case .roster(let roster):
            guard let slot = try askersSlot(roster.handle, facts, now: now) else {
                return refuse(kind, .notRegistered, &output)
            }
            return answer(roster, of: slot, room: room, mask, into: &output, now: now)
        case .introduce(let introduce):
            guard let slot = try askersSlot(introduce.handle, facts, now: now) else {
                return refuse(kind, .notRegistered, &output)
            }
            let blob = body.extracting(introduce.blob.offset..<(introduce.blob.offset &+ introduce.blob.count))
            return answer(introduce, blob: blob, of: slot, room: room, mask, into: &output, now: now)
        case .admit(let admit):
            guard let slot = try askersSlot(admit.handle, facts, now: now) else {
                return refuse(kind, .notRegistered, &output)
            }
            return answer(admit, of: slot, facts, into: &output, now: now)
        }
    }

    /// Takes one request from the rate of the source's prefix. Only of requests whose source is not proved: anybody can write any
    /// source on a datagram, and must not use up by that what is somebody else's.
    private mutating func takeUnproved(_ facts: RequestFacts, now: Instant) throws(MatchServerDrop) {
        guard requestBudget.take(facts.source, now: now) else { throw .rateLimited }
    }

    /// Appends an answer that is a status and nothing else.
    @_lifetime(output: copy output)
    func refuse(_ kind: UInt8, _ status: MatchStatus, _ output: inout OutputRawSpan) -> MatchStatus {
        MatchAnswer.writeHead(kind, status, to: &output)
        return status
    }

    /// The asker's own registration, whose sequence is then this request's; nil when it has none under this ticket. The key of a
    /// registration comes from the ticket's, so another ticket is another asker, be it of the same group.
    private mutating func askersSlot(
        _ handle: Handle, _ facts: RequestFacts, now: Instant
    ) throws(MatchServerDrop) -> UInt32? {
        guard let slot = liveSlot(of: handle, now: now), registry.registrations[slot].instance == 0,
            cryptography.handleKey(handle, answerKey: facts.answerKey)
                .isEqualInConstantTime(to: registry.registrations[slot].handleKey)
        else {
            try takeUnproved(facts, now: now)
            return nil
        }
        let registration = registry.registrations[slot]
        if facts.source != registration.address { try takeUnproved(facts, now: now) }
        guard facts.sequence > registration.lastSequence else { throw .replayed }
        registry.update(slot) { $0.lastSequence = facts.sequence }
        return slot
    }

    // MARK: REGISTER

    /// What is checked in this order, the cheapest first: the ticket, the proof, the sequence, the signature, the revision, the
    /// limits. Until the proof is right nothing is kept and nothing but hashes is computed.
    @_lifetime(output: copy output)
    private mutating func answer(
        _ register: RegisterRequest, blob: RawSpan, _ facts: RequestFacts, _ mask: AddressMask,
        into output: inout OutputRawSpan, now: Instant
    ) throws(MatchServerDrop) -> MatchStatus {
        let kind = MatchRequest.Kind.register.rawValue
        guard facts.matchKey != .zero else {
            try takeUnproved(facts, now: now)
            return refuse(kind, .notServed, &output)
        }
        let tag = cryptography.memberTag(of: register.memberKey)
        guard isProved(register.proof, facts.source, tag, now: now) else {
            try takeUnproved(facts, now: now)
            MatchAnswer.writeHead(kind, .proveAddress, to: &output)
            proof(facts.source, tag, now: now).write(to: &output)
            facts.source.write(to: &output, mask: mask)
            return .proveAddress
        }
        let group = registry.group(register.groupTag, of: facts.matchKey)
        var held = group.flatMap { registry.slot(of: tag, in: $0) }
        if let slot = held, !registry.registrations[slot].isLive(now: now) {
            remove(slot)
            held = nil
        }
        var handle: Handle?
        if let slot = held {
            let registration = registry.registrations[slot]
            let key = cryptography.handleKey(registration.handle, answerKey: facts.answerKey)
            if registration.instance == 0, key.isEqualInConstantTime(to: registration.handleKey) {
                handle = registration.handle
                guard facts.sequence >= registration.lastSequence else { throw .replayed }
            }
        }
        guard signatureBudget.take(facts.source, now: now) else { return refuse(kind, .tooOften, &output) }
        guard cryptography.isSigned(register, blob: blob, pin: pin) else {
            return refuse(kind, .wrongSignature, &output)
        }
        if let slot = held, registry.registrations[slot].revision > register.revision {
            return refuse(kind, .stale, &output)
        }
        let key = RegistrationKey(matchKey: facts.matchKey, groupTag: register.groupTag, memberTag: tag)
        if let status = obstacle(to: key, isNew: held == nil, isGuest: facts.isGuest, now: now) { return refuse(kind, status, &output) }
        let slot = list(key, register, blob: blob, facts, in: held, handle, now: now)
        registered(slot, mask).write(mask: mask, to: &output)
        return .done
    }

    /// Puts a registration in, or in place of the held one.
    private mutating func list(
        _ key: RegistrationKey, _ register: RegisterRequest, blob: RawSpan, _ facts: RequestFacts, in held: UInt32?,
        _ handle: Handle?, now: Instant
    ) -> UInt32 {
        let handle = handle ?? newHandle()
        let registration = RegistrationFacts(
            handle: handle, handleKey: cryptography.handleKey(handle, answerKey: facts.answerKey),
            address: facts.source, socket: facts.socket, revision: register.revision, sequence: facts.sequence,
            lifetime: lifetime(register.lifetime, facts, now: now))
        let slot: UInt32
        if let held {
            registry.replace(held, registration, blob: blob, now: now)
            slot = held
        } else {
            slot = registry.insert(key, registration, blob: blob, now: now)
        }
        registry.note(isGuest: facts.isGuest, slot)
        if isMirrored { tell(.registered(mirrored(slot))) }
        return slot
    }

    private func registered(_ slot: UInt32, _ mask: AddressMask) -> RegisteredAnswer {
        let registration = registry.registrations[slot]
        let group = registry.groups[registration.group]
        return RegisteredAnswer(
            observed: registration.address, handle: registration.handle, lifetime: registration.lifetime,
            memberCount: UInt16(clamping: group.members.count), rosterDigest: group.digest)
    }

    /// Why a signed registration is not taken; nil when it is.
    private mutating func obstacle(
        to key: RegistrationKey, isNew: Bool, isGuest: Bool, now: Instant
    ) -> MatchStatus? {
        let group = registry.group(key.groupTag, of: key.matchKey)
        if let group, !registry.take(groupRate, of: group, now: now) { return .tooOften }
        guard isNew else { return nil }
        if isLeaving { return .leaving }
        if registry.count >= limits.registrations { return .full }
        if let group, registry.groups[group].members.count >= limits.membersPerGroup { return .full }
        if let slot = registry.matchKey(key.matchKey) {
            let matchKey = registry.matchKeys[slot]
            let most = isGuest ? limits.membersPerGuestKey : limits.membersPerMatchKey
            if matchKey.memberCount >= most { return .full }
            if group == nil && matchKey.groupCount >= limits.groupsPerMatchKey { return .full }
        }
        return nil
    }

    private mutating func newHandle() -> Handle {
        while true {
            let handle = Handle(rawValue: random.next())
            if registry.slot(of: handle) == nil { return handle }
        }
    }

    private func proof(_ source: Endpoint, _ tag: MemberTag, now: Instant) -> AddressProof {
        cryptography.addressProof(secret: proofSecret, source, tag, slot: Self.slot(now))
    }

    private func isProved(_ proof: AddressProof, _ source: Endpoint, _ tag: MemberTag, now: Instant) -> Bool {
        // A first REGISTER has none: that costs one hash less.
        guard proof != .zero else { return false }
        if proof.isEqualInConstantTime(to: self.proof(source, tag, now: now)) { return true }
        let before = cryptography.addressProof(secret: proofSecret, source, tag, slot: Self.slot(now) &- 1)
        return proof.isEqualInConstantTime(to: before)
    }

    private static func slot(_ now: Instant) -> UInt64 {
        UInt64(truncatingIfNeeded: now.nanoseconds / proofSlot.nanoseconds)
    }
}
