import DXWire
import Testing

@testable import DXMatch

/// Gateways and matchmakers in one network in memory, on virtual time and seeded: latency, loss, duplicates, reordering. A gateway
/// has an outside address that a test may change.
final class ClientLab {
    /// What the network does to datagrams.
    struct Weather {
        var latency = Interval.milliseconds(20)
        /// Added to each, at random up to this: reorders.
        var jitter = Interval.zero
        var loss = 0.0
        var duplication = 0.0
        /// Longer ones do not arrive.
        var longest = Int.max
    }

    private struct Flying {
        let at: Instant
        let order: Int
        let from: Endpoint
        let to: Endpoint
        let datagram: [UInt8]
    }

    var now = Instant.zero + .seconds(1_000)
    var weather: Weather
    private var random: RandomSource
    private var flying: [Flying] = []
    private var order = 0
    private(set) var gateways: [LabGateway] = []
    private var matchmakers: [(address: Endpoint, matchmaker: FakeMatchmaker)] = []
    /// Everything that was delivered to gateways, when a test wants it again.
    private(set) var delivered: [(from: Endpoint, to: Endpoint, datagram: [UInt8])] = []
    /// Whether it is kept.
    var isRecording = false

    static let pin = GatewayID([UInt8](repeating: 0x77, count: 32))!
    static let address = Endpoint(v4: 0xc000_0201, port: 3_478)
    static let groupTag = GroupTag(high: 0xbb, low: 1)
    static let matchKey = PublicPoint(parity: 3, x: Block32(5, 5, 5, 5))!

    init(seed: UInt64 = 1, _ weather: Weather = Weather()) {
        self.weather = weather
        random = RandomSource(seed: seed)
    }

    /// A matchmaker at these addresses.
    func addMatchmaker(
        at addresses: [Endpoint] = [ClientLab.address], pin: GatewayID = ClientLab.pin, seed: UInt64 = 7
    ) -> FakeMatchmaker {
        let matchmaker = FakeMatchmaker(pin: pin, seed: seed)
        for address in addresses { matchmakers.append((address, matchmaker)) }
        return matchmaker
    }

    /// A gateway that knows the matchmaker at these addresses.
    func addGateway(
        addresses: [Endpoint] = [ClientLab.address], matchKey: PublicPoint? = ClientLab.matchKey,
        kept: MatchTicket? = nil, configure: (inout MatchClientConfiguration) -> Void = { _ in }
    ) -> LabGateway {
        let number = gateways.count + 1
        var configuration = MatchClientConfiguration(pin: Self.pin, seed: random.next())
        configure(&configuration)
        let gateway = LabGateway(number, configuration, matchKey, kept: kept, now: now)
        gateways.append(gateway)
        gateway.client.setAddresses(addresses, now: now)
        drain(gateway)
        return gateway
    }

    /// A gateway of the test's own making.
    func add(_ gateway: LabGateway) {
        gateways.append(gateway)
        gateway.client.setAddresses([Self.address], now: now)
        drain(gateway)
    }

    /// A gateway that is not there any more.
    func remove(_ gateway: LabGateway) { gateways.removeAll { $0 === gateway } }

    /// Gives a command and sends what it makes.
    func tell<Failure: Error>(
        _ gateway: LabGateway, _ command: (inout MatchClient<FakeClientCryptography>) throws(Failure) -> Void
    ) throws(Failure) {
        try command(&gateway.client)
        drain(gateway)
    }

    /// Has a gateway register under the group's tag, and waits until it is.
    func register(_ gateway: LabGateway, within span: Interval = .seconds(5)) throws {
        try tell(gateway) { client throws(MatchClientError) in
            try client.register(gateway.registration(), now: now)
        }
        try run(within: span) { gateway.client.state == .registered }
    }

    // MARK: Time

    /// Lets this much time pass.
    func pass(_ span: Interval) {
        let end = now + span
        while step(until: end) {}
        now = end
    }

    /// Runs until something is so; an error when it is not within the time.
    func run(within span: Interval, until condition: () -> Bool) throws {
        let end = now + span
        while !condition() { guard step(until: end) else { break } }
        guard condition() else { throw LabError() }
    }

    /// Does what is due next, at `end` at the latest; false when nothing is.
    private func step(until end: Instant) -> Bool {
        var next = flying.map(\.at).min() ?? .distantFuture
        for gateway in gateways { next = min(next, gateway.client.nextTimeout ?? .distantFuture) }
        for one in matchmakers { next = min(next, one.matchmaker.nextTimeout ?? .distantFuture) }
        guard next <= end else { return false }
        if next <= now {
            sameTime += 1
            // A machine that wants to be called at once for ever would have its gateway do nothing else.
            guard sameTime < 10_000 else {
                Issue.record("the time stands still")
                return false
            }
        } else {
            sameTime = 0
        }
        now = max(now, next)
        deliver()
        for gateway in gateways where gateway.client.nextTimeout ?? .distantFuture <= now {
            gateway.client.timeoutFired(now: now)
            drain(gateway)
        }
        for (address, matchmaker) in matchmakers {
            guard matchmaker.nextTimeout ?? .distantFuture <= now else { continue }
            for notice in matchmaker.timeoutFired(now: now) {
                send(notice.datagram, from: address, to: notice.destination)
            }
        }
        return true
    }
    private var sameTime = 0

    private func deliver() {
        let due = flying.filter { $0.at <= now }.sorted { ($0.at, $0.order) < ($1.at, $1.order) }
        flying.removeAll { $0.at <= now }
        for one in due { deliver(one.datagram, from: one.from, to: one.to) }
    }

    /// Hands a datagram over.
    func deliver(_ datagram: [UInt8], from source: Endpoint, to destination: Endpoint) {
        if let one = matchmakers.first(where: { $0.address == destination }) {
            if let answer = one.matchmaker.receive(datagram, from: source, now: now) {
                send(answer, from: destination, to: source)
            }
            return
        }
        for gateway in gateways where gateway.outside == destination {
            if isRecording { delivered.append((source, destination, datagram)) }
            gateway.client.receive(datagram.raw, from: source, on: gateway.base, now: now)
            drain(gateway)
        }
    }

    private func send(_ datagram: [UInt8], from source: Endpoint, to destination: Endpoint) {
        for _ in 0..<(random.chance(weather.duplication) ? 2 : 1) {
            guard !random.chance(weather.loss), datagram.count <= weather.longest else { continue }
            let jitter = Interval(
                nanoseconds: Int64(random.below(UInt64(max(1, weather.jitter.nanoseconds)))))
            order += 1
            flying.append(
                Flying(
                    at: now + weather.latency + jitter, order: order, from: source, to: destination,
                    datagram: datagram))
        }
    }

    /// Sends and notes what a gateway has to say.
    func drain(_ gateway: LabGateway) {
        var count = 0
        while let transmit = gateway.client.pollTransmit(now: now) {
            #expect(transmit.datagram.count <= 1_200)
            gateway.sentCount += 1
            gateway.sentByteCount += transmit.datagram.count
            send(transmit.datagram, from: gateway.outside, to: transmit.destination)
            count += 1
            guard count < 1_000 else {
                Issue.record("a machine that never runs dry")
                return
            }
        }
        while let event = gateway.client.pollEvent() { gateway.events.append(event) }
    }
}

/// A gateway in the lab.
final class LabGateway {
    let number: Int
    var client: MatchClient<FakeClientCryptography>
    let base: Endpoint
    /// What the matchmaker sees.
    var outside: Endpoint
    var events: [MatchClientEvent] = []
    var sentCount = 0
    var sentByteCount = 0
    let memberKey: PublicPoint
    var blob: [UInt8]
    var revision: UInt64 = 1

    init(
        _ number: Int, _ configuration: MatchClientConfiguration, _ matchKey: PublicPoint?, kept: MatchTicket?,
        now: Instant
    ) {
        self.number = number
        memberKey = PublicPoint(parity: 2, x: Block32(UInt64(number), 1, 2, 3))!
        base = Endpoint(v4: 0xc0a8_0000 | UInt32(number), port: 7_700)
        outside = Endpoint(v4: 0x0a00_0001 | UInt32(number) << 8, port: 7_700)
        blob = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 150 + number % 100)
        client = MatchClient(
            configuration, matchKey: matchKey,
            cryptography: FakeClientCryptography(pin: configuration.pin, salt: UInt64(number)), kept: kept, now: now)
    }

    var tag: MemberTag { FakeCryptography().memberTag(of: memberKey) }

    func registration(_ groupTag: GroupTag = ClientLab.groupTag) -> MatchRegistration<PublicPoint> {
        MatchRegistration(groupTag: groupTag, memberKey: memberKey, blob: blob, revision: revision)
    }

    /// The others of the last whole roster, by tag.
    var roster: Set<MemberTag>? {
        var tags: Set<MemberTag> = []
        var whole: Set<MemberTag>?
        for case .roster(let peers, let isFirst, let isLast) in events {
            if isFirst { tags = [] }
            tags.formUnion(peers.map(\.memberTag))
            if isLast { whole = tags }
        }
        return whole
    }

    /// The notices that came, by nonce.
    var noticeNonces: [UInt64] {
        events.compactMap { event in
            if case .notice(_, let nonce) = event { return nonce }
            return nil
        }
    }

    /// The registrations that were told.
    var listings: [MatchListing] {
        events.compactMap { event in
            if case .registered(let listing) = event { return listing }
            return nil
        }
    }
}
