public import DXWire

/// Finds members of the group in the networks that this host is in, and is found (`docs/matchmaking.md` §10): says where it is now
/// and then, answers who looks for it, and tells of those it heard. No clock has to be right, and nothing here is believed: who
/// is found is a hint, which checks prove.
///
/// **Order**: after every input or command poll `pollTransmit` until dry, then `pollEvent`, then ask `nextTimeout` and call
/// `timeoutFired` when it is due. `now` must not go backwards.
///
/// **Limits.** `LANConstants`. What is heard is at most answered by one message of its size, to an address of a network that this
/// host is in; what was heard before is not, and of what others say again from earlier starts of a member one in two seconds.
public struct LANDiscovery: Sendable {
    /// This gateway.
    public let own: GatewayID
    private let boot: UInt64
    private let port: UInt16
    private var random: RandomSource
    private var counter: UInt64 = 0
    private var members: Set<GatewayID> = []
    private var wanted: Set<GatewayID> = []
    private var neighbours: [GatewayID: Neighbour] = [:]
    private var answers: [PendingAnswer] = []
    /// Counters of announcements, and when they went out.
    private var sent: [(counter: UInt64, at: Instant)] = []
    private var events = Line<LANEvent>()
    private var announcements: Announcements
    private var answerBucket: TokenBucket
    private var openBucket: TokenBucket
    private var isDue = false
    /// What was dropped, and what came.
    public private(set) var statistics = LANStatistics()

    private struct Neighbour: Sendable {
        /// The highest counter of each start, the newest last.
        var boots: [(boot: UInt64, counter: UInt64)] = []
        var endpoints: [Endpoint] = []
        var heardAt: Instant
        var answeredAt: Instant?
        /// The addresses that were told of since that time.
        var told: [Endpoint] = []
        var toldAt = Instant.zero
    }

    private struct PendingAnswer: Sendable {
        var at: Instant
        var destination: Endpoint
        var key: UInt64
        var boot: UInt64
        var counter: UInt64
    }

    /// A machine that announces itself within the first second.
    ///
    /// - Parameters:
    ///   - boot: a random number of this start.
    ///   - port: the UDP port of the gateway's channels.
    public init(own: GatewayID, boot: UInt64, port: UInt16, random: RandomSource, now: Instant) {
        self.own = own
        self.boot = boot
        self.port = port
        self.random = random
        answerBucket = TokenBucket(perSecond: LANConstants.answerRate.perSecond, burst: LANConstants.answerRate.burst)
        openBucket = TokenBucket(perSecond: LANConstants.openRate.perSecond, burst: LANConstants.openRate.burst)
        announcements = Announcements(now: now + Interval.milliseconds(Int64(self.random.below(1_000))))
    }

    // MARK: A. State

    /// When `timeoutFired` is due.
    public var nextTimeout: Instant { answers.reduce(announcements.nextAt) { min($0, $1.at) } }

    /// Where a member was heard within the last quarter of an hour, the newest first.
    public func endpoints(of member: GatewayID, now: Instant) -> [Endpoint] {
        guard let known = neighbours[member], known.heardAt + LANConstants.neighbourTime > now else { return [] }
        return known.endpoints
    }

    /// Members heard within the last quarter of an hour.
    public func neighbourCount(now: Instant) -> Int {
        neighbours.values.count { $0.heardAt + LANConstants.neighbourTime > now }
    }

    // MARK: B. Input

    /// Whether a datagram may be opened, which costs something: not when there are too many.
    public mutating func mayOpen(now: Instant) -> Bool {
        let mayOpen = openBucket.take(now: now)
        if !mayOpen { statistics.limited &+= 1 }
        return mayOpen
    }

    /// Takes what a datagram said under a key of the group's.
    ///
    /// - Parameters:
    ///   - source: where it came from.
    ///   - isNear: whether that is in a network of this host's; nothing is sent anywhere else.
    ///   - key: the owner's name of the key; the answer goes out under the same.
    public mutating func receive(_ content: RawSpan, from source: Endpoint, isNear: Bool, key: UInt64, now: Instant) {
        guard let message = try? LANMessage(reading: content), message.port != 0 else {
            statistics.malformed &+= 1
            return
        }
        guard message.sender != own else {
            // What was sent to all comes back.
            if message.boot != boot { statistics.twins &+= 1 }
            return
        }
        guard isNear else {
            statistics.far &+= 1
            return
        }
        guard members.contains(message.sender) else {
            statistics.strangers &+= 1
            return
        }
        var neighbour = neighbours[message.sender] ?? Neighbour(heardAt: now)
        guard Self.isNews(message, &neighbour) else {
            statistics.replayed &+= 1
            return
        }
        let endpoint = source.withPort(message.port)
        switch message.body {
        case .answer(let boot, let counter):
            guard boot == self.boot, isAwaited(counter, now: now) else {
                statistics.late &+= 1
                return
            }
            keep(endpoint, &neighbour, of: message.sender, now: now)
            tell(of: message.sender, at: endpoint, now: now)
        case .announcement(let names):
            keep(endpoint, &neighbour, of: message.sender, now: now)
            let isWanted = wanted.contains(message.sender)
            let wantsUs = names?.contains(LANMessage.tag(own)) ?? false
            if isWanted || wantsUs { tell(of: message.sender, at: endpoint, now: now) }
            guard isWanted || wantsUs || names == nil else { return }
            answer(message, to: source, key: key, isSpread: names == nil && !isWanted, now: now)
        }
        statistics.heard &+= 1
    }

    /// The time that `nextTimeout` named has come; harmless when called early.
    public mutating func timeoutFired(now: Instant) {
        guard announcements.nextAt <= now else { return }
        isDue = true
        announcements.sent(isSearching: !wanted.isEmpty, random: &random, now: now)
    }

    // MARK: C. Commands

    /// These are the other members of the group; what others said is forgotten.
    public mutating func setMembers(_ members: Set<GatewayID>) {
        guard members != self.members else { return }
        self.members = members
        neighbours = neighbours.filter { members.contains($0.key) }
        wanted.formIntersection(members)
    }

    /// These are wanted and not reached. One that is new is told of at once when it was heard lately, and else looked for.
    public mutating func setWanted(_ wanted: Set<GatewayID>, now: Instant) {
        let fresh = wanted.intersection(members).subtracting(self.wanted)
        self.wanted = wanted.intersection(members)
        guard !fresh.isEmpty else { return }
        for member in fresh {
            for endpoint in endpoints(of: member, now: now) { tell(of: member, at: endpoint, now: now) }
        }
        announcements.hurry(now: now)
    }

    /// The addresses of this host are others than before: it is said where it is now.
    public mutating func networkChanged(now: Instant) {
        for member in neighbours.keys { neighbours[member]?.endpoints = [] }
        announcements.hurry(now: now)
    }

    // MARK: D. Output

    /// The next message to send; nil when none is due.
    public mutating func pollTransmit(now: Instant) -> LANTransmit? {
        if isDue {
            isDue = false
            let names = wanted.count <= LANMessage.mostWanted ? wanted.map(LANMessage.tag).sorted() : nil
            let message = next(.announcement(wanted: names))
            sent.append((message.counter, now))
            if sent.count > LANConstants.mostSent { sent.removeFirst() }
            statistics.announced &+= 1
            return LANTransmit(message: message.bytes, destination: nil, key: nil)
        }
        guard let index = answers.firstIndex(where: { $0.at <= now }) else { return nil }
        let due = answers.remove(at: index)
        statistics.answered &+= 1
        return LANTransmit(
            message: next(.answer(boot: due.boot, counter: due.counter)).bytes, destination: due.destination,
            key: due.key)
    }

    /// The next event.
    public mutating func pollEvent() -> LANEvent? { events.popFirst() }

    // MARK: Parts

    private mutating func next(_ body: LANMessage.Body) -> LANMessage {
        counter &+= 1
        return LANMessage(sender: own, boot: boot, counter: counter, port: port, body: body)
    }

    /// Whether a message was not heard before; remembers it.
    private static func isNews(_ message: LANMessage, _ neighbour: inout Neighbour) -> Bool {
        if let index = neighbour.boots.firstIndex(where: { $0.boot == message.boot }) {
            guard message.counter > neighbour.boots[index].counter else { return false }
            neighbour.boots[index].counter = message.counter
            return true
        }
        neighbour.boots.append((message.boot, message.counter))
        if neighbour.boots.count > LANConstants.mostBoots { neighbour.boots.removeFirst() }
        return true
    }

    private func isAwaited(_ counter: UInt64, now: Instant) -> Bool {
        sent.contains { $0.counter == counter && $0.at + LANConstants.answerTime >= now }
    }

    private mutating func keep(
        _ endpoint: Endpoint, _ neighbour: inout Neighbour, of member: GatewayID, now: Instant
    ) {
        neighbour.heardAt = now
        neighbour.endpoints.removeAll { $0 == endpoint }
        neighbour.endpoints.insert(endpoint, at: 0)
        if neighbour.endpoints.count > LANConstants.mostEndpoints { neighbour.endpoints.removeLast() }
        if neighbours[member] == nil { makeRoom() }
        neighbours[member] = neighbour
    }

    private mutating func makeRoom() {
        guard neighbours.count >= LANConstants.mostNeighbours else { return }
        let oldest = neighbours.min { $0.value.heardAt < $1.value.heardAt }
        if let oldest { neighbours[oldest.key] = nil }
    }

    /// Tells of a member, of each address once in two seconds. With no room for the event it is told of next time.
    private mutating func tell(of member: GatewayID, at endpoint: Endpoint, now: Instant) {
        guard var neighbour = neighbours[member], events.count < LANConstants.mostNeighbours else { return }
        if neighbour.toldAt + LANConstants.neighbourPause <= now {
            neighbour.told = []
            neighbour.toldAt = now
        }
        guard !neighbour.told.contains(endpoint), neighbour.told.count < LANConstants.mostEndpoints else { return }
        neighbour.told.append(endpoint)
        neighbours[member] = neighbour
        events.append(.found(member, at: endpoint))
    }

    private mutating func answer(
        _ message: LANMessage, to source: Endpoint, key: UInt64, isSpread: Bool, now: Instant
    ) {
        let last = neighbours[message.sender]?.answeredAt
        guard last.map({ $0 + LANConstants.neighbourPause <= now }) ?? true, answers.count < LANConstants.mostAnswers,
            answerBucket.take(now: now)
        else {
            statistics.limited &+= 1
            return
        }
        neighbours[message.sender]?.answeredAt = now
        let wait = isSpread ? Int64(random.below(UInt64(LANConstants.answerSpread.milliseconds))) : 0
        answers.append(
            PendingAnswer(
                at: now + .milliseconds(wait), destination: source, key: key, boot: message.boot,
                counter: message.counter))
    }
}
