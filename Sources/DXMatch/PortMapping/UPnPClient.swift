import DXWire

/// Asks a UPnP Internet Gateway Device for one mapping at a time: looks for it, reads its description, asks for its address outside
/// and then for the port. What was found is kept for the next job, and looked for again when it does not answer any more.
///
/// Everything is asked of the router's own address: answers from elsewhere are not looked at, and places elsewhere not followed.
struct UPnPClient: Sendable {
    private enum Step: Equatable, Sendable {
        case idle
        case searching
        case describing(HTTPLocation)
        case asking(IGDAction)
    }

    private let router: Endpoint
    private let local: Endpoint
    private var step = Step.idle
    private var job: MappingJob?
    private var outcome: MappingOutcome?
    /// Of a search.
    private var schedule = RequestSchedule.search(now: .zero)
    private var targetsToSend: ArraySlice<String> = []
    /// Worse than nothing was heard: told when the search ends.
    private var searchFailure = PortMappingFailure.silent
    /// Of an HTTP request.
    private var request: PortMapperRequest?
    private var requestCount: UInt64 = 0
    private var requestEndsAt = Instant.zero
    /// What was found.
    private var services: [IGDService] = []
    private var serviceIndex = 0
    /// The services were found in this job: another search would find the same.
    private var isFresh = false
    private var externalAddress: Endpoint?
    private var externalPort: UInt16 = 0
    private var lease: UInt32 = 0
    private var canAddAny = true
    private var triesLeft = 0
    private var random: RandomSource

    /// Other ports that are tried when somebody has the wanted one.
    static let otherPorts = 4

    /// A client at an IPv4 address of this host.
    init(router: Endpoint, local: Endpoint, random: RandomSource) {
        self.router = router
        self.local = local
        self.random = random
    }

    // MARK: A. State

    /// When something is to be done.
    var nextTimeout: Instant? {
        switch step {
        case .idle: nil
        case .searching: schedule.nextTimeout
        case .describing, .asking: requestEndsAt
        }
    }

    // MARK: B. Input

    /// A datagram from the router's address, in answer to a search.
    /// - Returns: whether it was of use.
    mutating func receive(_ datagram: RawSpan, now: Instant) -> Bool {
        guard step == .searching, datagram.byteCount <= SSDPMessage.maximumAnswer else { return false }
        let bytes = [UInt8](copying: datagram, limit: SSDPMessage.maximumAnswer)
        guard let text = SSDPMessage.location(in: bytes) else { return false }
        guard let location = HTTPLocation(text), location.endpoint.hasSameAddress(as: router) else {
            searchFailure = .untrustedLocation
            return false
        }
        step = .describing(location)
        ask(location, "GET", [], [], now: now)
        return true
    }

    /// What became of a request; another one's is ignored.
    mutating func receive(_ answer: PortMapperAnswer, to number: UInt64, now: Instant) {
        guard number == requestCount else { return }
        switch step {
        case .idle, .searching: break
        case .describing(let location): described(answer, at: location, now: now)
        case .asking(let action): answered(answer, to: action, now: now)
        }
    }

    /// The time that `nextTimeout` named has come.
    mutating func timeoutFired(now: Instant) {
        switch step {
        case .idle: break
        case .searching: if schedule.isOver(now: now) { finish(.failed(searchFailure)) }
        case .describing, .asking: if now >= requestEndsAt { receive(.failed, to: requestCount, now: now) }
        }
    }

    // MARK: C. Commands

    /// Takes a job, instead of any other.
    mutating func begin(_ job: MappingJob, now: Instant) {
        cancel()
        self.job = job
        lease = job.lifetime
        externalPort = job.wanted.port == 0 ? job.port : job.wanted.port
        triesLeft = Self.otherPorts
        if services.isEmpty {
            // Who looks for a router only to end a mapping would be too late anyway.
            if job.isDeletion { finish(.failed(.silent)) } else { search(now: now) }
        } else {
            isFresh = false
            useService(now: now)
        }
    }

    /// Forgets the job; an answer that is on its way is ignored.
    mutating func cancel() {
        job = nil
        outcome = nil
        step = .idle
        request = nil
        requestCount += 1
    }

    // MARK: D. Output

    /// A search, when one is to be sent.
    mutating func pollTransmit(now: Instant) -> [UInt8]? {
        guard step == .searching else { return nil }
        if targetsToSend.isEmpty, schedule.takeSend(now: now) { targetsToSend = SSDPMessage.targets[...] }
        return targetsToSend.popFirst().map(SSDPMessage.search)
    }

    /// A request, when one is to be made.
    mutating func pollRequest() -> PortMapperRequest? {
        defer { request = nil }
        return request
    }

    /// How the job ended, once.
    mutating func pollOutcome() -> MappingOutcome? {
        defer { outcome = nil }
        return outcome
    }

    // MARK: Steps

    private mutating func search(now: Instant) {
        services = []
        serviceIndex = 0
        isFresh = true
        canAddAny = true
        searchFailure = .silent
        schedule = .search(now: now)
        targetsToSend = []
        step = .searching
    }

    private mutating func described(_ answer: PortMapperAnswer, at location: HTTPLocation, now: Instant) {
        guard case .answered(200, let body) = answer else { return finish(.failed(.requestFailed)) }
        guard let description = try? IGDDescription(reading: body, from: location) else {
            return finish(.failed(.malformed))
        }
        services = description.services
        guard !services.isEmpty else {
            return finish(.failed(description.hasUntrusted ? .untrustedLocation : .noService))
        }
        useService(now: now)
    }

    private mutating func useService(now: Instant) {
        guard let job else { return }
        perform(job.isDeletion ? .delete(externalPort: externalPort) : .externalAddress, now: now)
    }

    private mutating func perform(_ action: IGDAction, now: Instant) {
        let service = services[serviceIndex]
        step = .asking(action)
        let headers = [
            PortMapperRequest.Header(name: "Content-Type", value: "text/xml; charset=\"utf-8\""),
            PortMapperRequest.Header(name: "SOAPAction", value: action.header(service.kind)),
        ]
        ask(service.control, "POST", headers, action.body(service.kind), now: now)
    }

    private mutating func ask(
        _ location: HTTPLocation, _ method: String, _ headers: [PortMapperRequest.Header], _ body: [UInt8], now: Instant
    ) {
        requestCount += 1
        request = PortMapperRequest(
            number: requestCount, server: location.endpoint, method: method, path: location.path, headers: headers,
            body: body)
        let patience =
            job?.isDeletion == true ? PortMappingConstants.deletionPatience : PortMappingConstants.requestPatience
        requestEndsAt = now + patience
    }

    private mutating func answered(_ answer: PortMapperAnswer, to action: IGDAction, now: Instant) {
        // A fault is an answer with status 500; some routers say 200.
        guard case .answered(let status, let body) = answer, status == 200 || status == 500 else {
            return lostService(.requestFailed, now: now)
        }
        guard let said = try? action.answer(reading: body) else { return lostService(.malformed, now: now) }
        switch said {
        case .externalAddress(let address):
            guard let address else { return nextService(.noExternalAddress, now: now) }
            externalAddress = address
            add(now: now)
        case .added(let port):
            guard let externalAddress, let job else { return }
            // One without an end is renewed all the same: the router may forget it when it restarts.
            finish(.granted(external: externalAddress.withPort(port), lifetime: job.lifetime))
        case .deleted: finish(.deleted)
        case .fault(let code): failed(code, of: action, now: now)
        }
    }

    private mutating func add(now: Instant) {
        guard let job else { return }
        let isAny = canAddAny && services[serviceIndex].kind == .ip2
        perform(
            isAny
                ? .addAny(externalPort: externalPort, internalPort: job.port, client: local, lease: lease)
                : .add(externalPort: externalPort, internalPort: job.port, client: local, lease: lease), now: now)
    }

    private mutating func failed(_ code: UInt16, of action: IGDAction, now: Instant) {
        guard let job else { return }
        switch action {
        case .externalAddress: return nextService(.noExternalAddress, now: now)
        case .delete: return finish(.failed(IGDFault.failure(code)))
        case .add, .addAny: break
        }
        switch code {
        case IGDFault.permanentOnly where lease != 0:
            lease = 0
            add(now: now)
        case IGDFault.invalidAction, IGDFault.notImplemented:
            guard case .addAny = action else { return finish(.failed(IGDFault.failure(code))) }
            canAddAny = false
            add(now: now)
        case IGDFault.samePortRequired where externalPort != job.port:
            externalPort = job.port
            triesLeft = 0
            add(now: now)
        case IGDFault.conflict where triesLeft > 0, IGDFault.conflictWithOther where triesLeft > 0:
            triesLeft -= 1
            externalPort = UInt16(1_024 + random.below(64_512))
            add(now: now)
        default: finish(.failed(IGDFault.failure(code)))
        }
    }

    /// This service has no address outside: a router with several may have another that has.
    private mutating func nextService(_ failure: PortMappingFailure, now: Instant) {
        guard serviceIndex + 1 < services.count else {
            services = []
            return finish(.failed(failure))
        }
        serviceIndex += 1
        useService(now: now)
    }

    /// What was found before does not answer any more: the router may have been restarted, and be at another port.
    private mutating func lostService(_ failure: PortMappingFailure, now: Instant) {
        services = []
        if isFresh || job?.isDeletion == true { finish(.failed(failure)) } else { search(now: now) }
    }

    private mutating func finish(_ outcome: MappingOutcome) {
        step = .idle
        job = nil
        request = nil
        self.outcome = outcome
    }
}
