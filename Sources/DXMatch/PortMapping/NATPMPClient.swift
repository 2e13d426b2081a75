import DXWire

/// Asks a NAT-PMP server for one mapping at a time: first for its address outside, then for the port (RFC 6886 §3). Watches its
/// epoch and its address.
///
/// The protocol has no nonce: an answer is one if it is from the server, to a request that is on its way, about that port.
struct NATPMPClient: Sendable {
    private var job: MappingJob?
    /// What the server said while this job was on: nil before.
    private var address: UInt32?
    private var schedule = RequestSchedule.request(now: .zero)
    private var outcome: MappingOutcome?
    private var epoch = RouterEpoch()
    private var hasRestarted = false
    private var knownAddress: UInt32?

    /// When something is to be done.
    var nextTimeout: Instant? { job == nil ? nil : schedule.nextTimeout }

    /// Takes a job, instead of any other.
    mutating func begin(_ job: MappingJob, now: Instant) {
        self.job = job
        outcome = nil
        address = job.isDeletion ? 0 : nil
        schedule = job.isDeletion ? .deletion(now: now) : .request(now: now)
    }

    /// Forgets the job.
    mutating func cancel() {
        job = nil
        outcome = nil
    }

    /// A datagram from the server.
    mutating func receive(_ datagram: RawSpan, now: Instant) throws(DecodeError) {
        let response = try NATPMPResponse(reading: datagram)
        switch response.content {
        case .externalAddress(let address):
            guard response.result == 0 else {
                guard job != nil, self.address == nil else { throw .notAPacket }
                return finish(.failed(NATPMPResponse.failure(response.result)))
            }
            noteEpoch(response, now: now)
            // Announced to all when it changes (RFC 6886 §3.2.1).
            if let knownAddress, knownAddress != address { hasRestarted = true }
            knownAddress = address
            guard job != nil, self.address == nil else { return }
            self.address = address
            schedule = .request(now: now)
        case .map(let mapping):
            guard let job, let address, mapping.map({ $0.internalPort == job.port }) ?? true else { throw .notAPacket }
            guard response.result == 0, let mapping else {
                return finish(.failed(NATPMPResponse.failure(response.result)))
            }
            noteEpoch(response, now: now)
            if job.isDeletion { return finish(.deleted) }
            // An answer without a lifetime is that to a deletion of before.
            guard mapping.lifetime > 0, mapping.externalPort > 0 else { return }
            finish(
                .granted(external: Endpoint(v4: address, port: mapping.externalPort), lifetime: mapping.lifetime))
        }
    }

    /// The time that `nextTimeout` named has come.
    mutating func timeoutFired(now: Instant) {
        if job != nil, schedule.isOver(now: now) { finish(.failed(.silent)) }
    }

    /// The request, when it is to be sent.
    mutating func pollTransmit(now: Instant) -> [UInt8]? {
        guard let job, schedule.takeSend(now: now) else { return nil }
        guard address != nil else { return NATPMPRequest.externalAddress.bytes }
        // A deletion names no outside (RFC 6886 §3.4).
        return NATPMPRequest.map(
            internalPort: job.port, externalPort: job.isDeletion ? 0 : job.wanted.port, lifetime: job.lifetime
        ).bytes
    }

    /// How the job ended, once.
    mutating func pollOutcome() -> MappingOutcome? {
        defer { outcome = nil }
        return outcome
    }

    /// Whether the server was restarted, or has another address, since the last time.
    mutating func takeRestart() -> Bool {
        defer { hasRestarted = false }
        return hasRestarted
    }

    private mutating func noteEpoch(_ response: NATPMPResponse, now: Instant) {
        if let seconds = response.epoch, !epoch.continuesNATPMP(seconds, now: now) { hasRestarted = true }
    }

    private mutating func finish(_ outcome: MappingOutcome) {
        job = nil
        address = nil
        self.outcome = outcome
    }
}
