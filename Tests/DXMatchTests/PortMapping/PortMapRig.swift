import DXWire

@testable import DXMatch

/// A mapper, its router, and a link between them on virtual time.
struct PortMapRig {
    var mapper: PortMapper
    var router: SimulatedRouter
    var now: Instant
    /// Of datagrams, each way.
    var loss = 0.0
    var events: [PortMapper.Event] = []
    var datagramCount = 0
    var requestCount = 0
    private var random: RandomSource
    private var coming: [(at: Instant, bytes: [UInt8], source: Endpoint)] = []
    private var answers: [(at: Instant, number: UInt64, answer: PortMapperAnswer)] = []

    static let nonce = PCPNonce(high: 7, low: 9)
    /// Half of a round trip, about.
    static let delay = Interval.milliseconds(2)

    init(
        _ protocols: Set<PortMappingProtocol>, ports: [UInt16] = [7_700], preferred: PortMappingProtocol? = nil,
        nonce: PCPNonce = PortMapRig.nonce, seed: UInt64 = 1, router: SimulatedRouter? = nil
    ) {
        let start = Instant.zero + .seconds(5_000)
        now = start
        self.router = router ?? SimulatedRouter(protocols, now: start)
        random = RandomSource(seed: seed)
        mapper = PortMapper(
            router: SimulatedRouter.inside, local: SimulatedRouter.host, internalPorts: ports, nonce: nonce,
            preferred: preferred, random: RandomSource(seed: seed &+ 1), now: start)
    }

    /// Another mapper at the same router, as after a restart of the program.
    init(replacing old: PortMapRig, nonce: PCPNonce) {
        self = old
        events = []
        coming = []
        answers = []
        mapper = PortMapper(
            router: SimulatedRouter.inside, local: SimulatedRouter.host, internalPorts: [7_700], nonce: nonce,
            random: RandomSource(seed: 77), now: now)
    }

    /// Does what is due now.
    mutating func pump() {
        while let datagram = mapper.pollTransmit(now: now) {
            datagramCount += 1
            guard !random.chance(loss) else { continue }
            for (bytes, source) in router.answers(to: datagram, now: now) where !random.chance(loss) {
                coming.append((now + Self.delay, bytes, source))
            }
        }
        while let request = mapper.pollRequest() {
            requestCount += 1
            // A router that is off refuses nothing: the machine's own patience ends it.
            if !router.isOff {
                answers.append((now + Self.delay, request.number, router.answer(to: request, now: now)))
            }
        }
        while let event = mapper.pollEvent() { events.append(event) }
    }

    /// Lets time pass; at most `steps` turns, so that a machine that spins fails instead of hanging.
    mutating func run(for span: Interval, steps: Int = 20_000) {
        let end = now + span
        for _ in 0..<steps {
            pump()
            let next = min(
                mapper.nextTimeout ?? .distantFuture, coming.map(\.at).min() ?? .distantFuture,
                answers.map(\.at).min() ?? .distantFuture)
            guard next <= end else {
                now = max(now, end)
                return
            }
            now = max(now, next)
            if let index = coming.firstIndex(where: { $0.at <= now }) {
                let one = coming.remove(at: index)
                mapper.receive(one.bytes.raw, from: one.source, now: now)
            } else if let index = answers.firstIndex(where: { $0.at <= now }) {
                let one = answers.remove(at: index)
                mapper.receive(one.answer, to: one.number, now: now)
            } else {
                mapper.timeoutFired(now: now)
            }
        }
        preconditionFailure("the mapper spins: \(mapper.phase), next \(String(describing: mapper.nextTimeout))")
    }

    mutating func announce(_ spoken: PortMappingProtocol) {
        let bytes = router.announcement(spoken, now: now)
        mapper.receiveAnnouncement(bytes.raw, from: SimulatedRouter.inside.withPort(5_351), now: now)
    }

    mutating func takeEvents() -> [PortMapper.Event] {
        defer { events = [] }
        return events
    }

    /// What the router has open for us.
    var open: [UInt16: UInt16] { router.entries.filter { $0.value.expiresAt > now }.mapValues(\.internalPort) }
}
