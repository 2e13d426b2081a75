import DXWire

/// What is asked for when, and what an outcome means.
extension PortMapper {
    /// Begins to look for a protocol that works; what was mapped is not counted on any more.
    mutating func search() {
        cancelJob()
        phase = .searching
        reasons = PortMappingReasons()
        let all = PortMappingProtocol.allCases
        candidates = all.filter { $0 == working } + all.filter { $0 != working }
        if local.family == .v6 {
            candidates = [.pcp]
            reasons = PortMappingReasons(natPMP: .wrongFamily, upnp: .wrongFamily)
        }
        for index in lines.indices {
            lines[index].mapping = nil
            lines[index].silences = 0
        }
    }

    /// Forgets the job that is on its way.
    mutating func cancelJob() {
        busyLine = nil
        pcp.cancel()
        natPMP.cancel()
        upnp.cancel()
    }

    /// Goes on until something has to be waited for. Ends: a turn that ends a job at once ends a protocol of the search, or a deletion.
    mutating func advance(now: Instant) {
        if phase == .stopping, now >= stopsAt { end() }
        expire(now: now)
        while busyLine != nil || beginNext(now: now) {
            guard let index = busyLine, let outcome = pollOutcome() else { return }
            busyLine = nil
            switch phase {
            case .searching: searched(outcome, index, now: now)
            case .holding: renewed(outcome, index, now: now)
            case .stopping: lines[index].isToDelete = false
            case .resting, .stopped: return
            }
        }
    }

    private mutating func pollOutcome() -> MappingOutcome? {
        switch active {
        case .pcp: pcp.pollOutcome()
        case .natPMP: natPMP.pollOutcome()
        case .upnp: upnp.pollOutcome()
        }
    }

    // MARK: Beginning

    /// Begins the next job.
    /// - Returns: false when there is none now.
    private mutating func beginNext(now: Instant) -> Bool {
        if phase == .resting, now >= restsUntil { search() }
        switch phase {
        case .searching: return beginSearch(now: now)
        case .holding:
            let due = lines.indices.filter { lines[$0].dueAt <= now }
            guard let index = due.min(by: { lines[$0].dueAt < lines[$1].dueAt }) else { return false }
            begin(index, now: now)
        case .stopping:
            guard let index = lines.firstIndex(where: \.isToDelete) else {
                end()
                return false
            }
            begin(index, now: now)
        case .resting, .stopped: return false
        }
        return true
    }

    /// Tries the first port by the next protocol: who maps one maps others.
    private mutating func beginSearch(now: Instant) -> Bool {
        // RFC 6887 §7.4: an error holds for the time that comes with it.
        if candidates.first == .pcp, now < pcp.refusedUntil {
            reasons[.pcp] = .refusedBefore
            candidates.removeFirst()
        }
        guard let next = candidates.first else {
            phase = .resting
            restsUntil = now + rest
            rest = min(rest * 2, PortMappingConstants.longestRest)
            tell(.unavailable(reasons))
            return false
        }
        active = next
        begin(0, now: now)
        return true
    }

    private mutating func begin(_ index: Int, now: Instant) {
        busyLine = index
        let lifetime = phase == .stopping ? 0 : PortMappingConstants.lifetimeSeconds
        let job = MappingJob(port: lines[index].port, wanted: lines[index].wanted, lifetime: lifetime)
        switch active {
        case .pcp: pcp.begin(job, now: now)
        case .natPMP: natPMP.begin(job, now: now)
        case .upnp: upnp.begin(job, now: now)
        }
    }

    // MARK: Outcomes

    private mutating func searched(_ outcome: MappingOutcome, _ index: Int, now: Instant) {
        switch judged(outcome) {
        case .success(let (external, lifetime)):
            phase = .holding
            working = active
            rest = PortMappingConstants.firstRest
            for other in lines.indices { lines[other].dueAt = now }
            hold(index, external, lifetime, now: now)
        case .failure(let failure):
            reasons[active] = failure
            candidates.removeFirst()
        }
    }

    private mutating func renewed(_ outcome: MappingOutcome, _ index: Int, now: Instant) {
        switch judged(outcome) {
        case .success(let (external, lifetime)): hold(index, external, lifetime, now: now)
        case .failure(let failure):
            lines[index].silences += 1
            let isHopeless = !failure.isSilence || lines[index].silences >= PortMappingConstants.mostSilences
            if isHopeless || lines[index].mapping == nil {
                lose(index, failure)
                let held = active == .pcp ? pcp.refusedUntil : now
                lines[index].dueAt = max(now + PortMappingConstants.firstRest, held)
            } else {
                let left = max(PortMappingConstants.minimumRenewal, (lines[index].expiresAt - now) / 2)
                lines[index].dueAt = now + min(PortMappingConstants.silenceRetry, left)
            }
            if mappings.isEmpty { search() }
        }
    }

    /// Whether an outcome is a mapping that can be used: an address of the right kind, and a port.
    private func judged(_ outcome: MappingOutcome) -> Result<(Endpoint, UInt32), PortMappingFailure> {
        switch outcome {
        case .deleted: return .failure(.malformed)
        case .failed(let failure): return .failure(failure)
        case .granted(let external, let lifetime):
            guard external.family == local.family, external.port != 0 else {
                return .failure(.noExternalAddress)
            }
            switch AddressScope(external) {
            case .global: break
            case .privateNetwork where external.family == .v4: break
            case .privateNetwork, .linkLocal, .loopback, .unusable:
                return .failure(.noExternalAddress)
            }
            return .success((external, lifetime))
        }
    }

    private mutating func hold(_ index: Int, _ external: Endpoint, _ seconds: UInt32, now: Instant) {
        let granted = min(seconds, PortMappingConstants.maximumLifetimeSeconds)
        let mapping = PortMapping(
            internalPort: lines[index].port, external: external, lifetime: .seconds(Int64(granted)), via: active)
        let renewal = min(mapping.lifetime / 2, PortMappingConstants.checkInterval)
        let isKnown = lines[index].mapping?.external == external
        lines[index].mapping = mapping
        lines[index].wanted = external
        lines[index].silences = 0
        lines[index].dueAt = now + max(PortMappingConstants.minimumRenewal, renewal)
        // A router that grants a second would otherwise be asked each second.
        lines[index].expiresAt = now + max(PortMappingConstants.minimumRenewal * 2, mapping.lifetime)
        if isKnown {
            tell(.renewed(mapping))
        } else {
            tell(mapping.isBehindAnotherNAT ? .mappedBehindNAT(mapping) : .mapped(mapping))
        }
    }

    // MARK: Ends

    private mutating func lose(_ index: Int, _ failure: PortMappingFailure) {
        guard lines[index].mapping != nil else { return }
        lines[index].mapping = nil
        tell(.lost(internalPort: lines[index].port, failure))
    }

    /// Counts on nothing that the router has forgotten by now.
    private mutating func expire(now: Instant) {
        guard phase == .holding else { return }
        for index in lines.indices where lines[index].expiresAt <= now { lose(index, .silent) }
        if mappings.isEmpty { search() }
    }

    private mutating func end() {
        cancelJob()
        phase = .stopped
        for index in lines.indices { lines[index].mapping = nil }
    }
}
