import DXWire

/// Asks a PCP server for one mapping at a time (RFC 6887 §8.1, §8.3, §11), and watches its epoch.
///
/// After `begin` poll `pollTransmit` and `pollOutcome`. What is malformed or nobody's answer throws, and is forgotten.
struct PCPClient: Sendable {
    private let local: Endpoint
    private let nonce: PCPNonce
    private var job: MappingJob?
    private var schedule = RequestSchedule.request(now: .zero)
    private var outcome: MappingOutcome?
    private var epoch = RouterEpoch()
    /// The server was restarted, or lost its mappings: set by an answer or announcement, cleared by `takeRestart`.
    private var hasRestarted = false
    /// Until when the server wants no such request again (RFC 6887 §7.4).
    private(set) var refusedUntil = Instant.zero

    /// A client at an address of this host, on the port that its socket has.
    init(local: Endpoint, nonce: PCPNonce) {
        self.local = local
        self.nonce = nonce
    }

    /// When something is to be done.
    var nextTimeout: Instant? { job == nil ? nil : schedule.nextTimeout }

    /// Takes a job, instead of any other.
    mutating func begin(_ job: MappingJob, now: Instant) {
        outcome = nil
        self.job = job
        schedule = job.isDeletion ? .deletion(now: now) : .request(now: now)
    }

    /// Forgets the job.
    mutating func cancel() {
        job = nil
        outcome = nil
    }

    /// A datagram from the server.
    mutating func receive(_ datagram: RawSpan, now: Instant) throws(DecodeError) {
        let response = try PCPResponse(reading: datagram)
        guard response.version == 2 else {
            guard job != nil else { throw .notAPacket }
            return finish(.failed(.unsupportedVersion))
        }
        switch response.content {
        case .announce:
            guard response.result == PCPResult.success else { throw .invalidValue }
            noteEpoch(response.epoch, now: now)
        case .map(let nonce, let transport, let internalPort, let external):
            guard let job, nonce == self.nonce, transport == PCPRequest.transport, internalPort == job.port else {
                throw .notAPacket
            }
            noteEpoch(response.epoch, now: now)
            conclude(response, external, of: job, now: now)
        case .none:
            guard job != nil else { throw .notAPacket }
            refuse(response, now: now)
        }
    }

    /// The time that `nextTimeout` named has come.
    mutating func timeoutFired(now: Instant) {
        if job != nil, schedule.isOver(now: now) { finish(.failed(.silent)) }
    }

    /// The request, when it is to be sent.
    mutating func pollTransmit(now: Instant) -> [UInt8]? {
        guard let job, schedule.takeSend(now: now) else { return nil }
        return PCPRequest(client: local, nonce: nonce, job: job).bytes
    }

    /// How the job ended, once.
    mutating func pollOutcome() -> MappingOutcome? {
        defer { outcome = nil }
        return outcome
    }

    /// Whether the server was restarted since the last time.
    mutating func takeRestart() -> Bool {
        defer { hasRestarted = false }
        return hasRestarted
    }

    private mutating func noteEpoch(_ value: UInt32, now: Instant) {
        if !epoch.continuesPCP(value, now: now) {
            hasRestarted = true
            refusedUntil = now
        }
    }

    private mutating func conclude(_ response: PCPResponse, _ external: Endpoint, of job: MappingJob, now: Instant) {
        guard response.result == PCPResult.success else { return refuse(response, now: now) }
        if job.isDeletion { return finish(.deleted) }
        // An answer without a lifetime is that to a deletion of before.
        guard response.lifetime > 0 else { return }
        finish(.granted(external: external, lifetime: response.lifetime))
    }

    private mutating func refuse(_ response: PCPResponse, now: Instant) {
        let seconds = min(response.lifetime, PortMappingConstants.maximumLifetimeSeconds)
        if job?.isDeletion == false {
            refusedUntil = now + min(.seconds(Int64(seconds)), PortMappingConstants.longestRest)
        }
        finish(.failed(PCPResult.failure(response.result)))
    }

    private mutating func finish(_ outcome: MappingOutcome) {
        job = nil
        self.outcome = outcome
    }
}
