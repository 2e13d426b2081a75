public import DXWire

/// Finds out how the NAT before a socket behaves, from answers to Binding requests (RFC 5780 §4.3, §4.4; `docs/matchmaking.md`
/// §8). Requests and answers are values; who sends them makes them STUN.
///
/// Three stages. **Reaching**: all servers are asked at their primary endpoint; the first that answers, best one with an
/// alternate address, is the main one. **Filtering**: the main one is asked to answer from elsewhere, before anything was sent
/// there. **Mapping**: its other endpoints are asked what they see, and the socket sends to its own outside endpoint. Without
/// answers at all it ends after ten seconds; otherwise in about three seconds and three round trips.
///
/// **The socket** must be a new one, or at least have sent nothing to any of the servers' endpoints for longer than a NAT
/// remembers (ten minutes): whom it has sent to is let in, and a second probe would find the filter wider than it is.
///
/// **Order**: after every input poll `pollTransmit` until dry, then ask `result` and `nextTimeout`. At most 8 servers and 14
/// requests, each sent 6 times at most.
public struct NATProbe: Sendable {
    /// A matchmaker, or a STUN server.
    public struct Server: Hashable, Sendable {
        /// Its primary endpoint.
        public let primary: Endpoint
        /// Its other port, if it has one.
        public let alternatePort: UInt16?
        /// Its other address (port of no matter), if it has one.
        public let alternateAddress: Endpoint?
        /// That of a matchmaker, which is asked under its veil; nil for plain STUN.
        public let pin: GatewayID?

        /// A server with these endpoints.
        public init(
            primary: Endpoint, alternatePort: UInt16? = nil, alternateAddress: Endpoint? = nil, pin: GatewayID? = nil
        ) {
            self.pin = pin
            self.primary = primary
            self.alternatePort = alternatePort
            self.alternateAddress = alternateAddress
        }

        /// Whether one of its sockets is there.
        public func has(_ endpoint: Endpoint) -> Bool {
            let hasPort = endpoint.port == primary.port || endpoint.port == alternatePort
            return hasPort
                && (endpoint.hasSameAddress(as: primary)
                    || alternateAddress.map { endpoint.hasSameAddress(as: $0) } ?? false)
        }

        /// How much it can tell.
        var worth: Int { (alternateAddress == nil ? 0 : 2) + (alternatePort == nil ? 0 : 1) }
    }

    /// From where a server is asked to answer (CHANGE-REQUEST, RFC 5780 §7.2).
    public enum Change: Sendable, Equatable {
        /// From where it was asked.
        case none
        /// From its other port.
        case port
        /// From its other address and port.
        case addressAndPort
    }

    /// A request to send from the socket that is probed.
    public struct Request: Sendable, Equatable {
        /// Its number; the answer names it.
        public let number: Int
        /// Where it goes.
        public let destination: Endpoint
        /// From where it wants its answer.
        public let change: Change
        /// Whether it goes to the socket's own outside endpoint; its arrival is reported as its answer.
        public let isHairpin: Bool
    }

    /// How long nothing may answer before UDP is said to be blocked.
    ///
    /// It is to be named within ten seconds of a gateway's start, which looks up names and sends first.
    public static let patience = Interval.seconds(9)
    /// How long after the first answer others are waited for: a slower server is far away.
    static let gathering = Interval.milliseconds(500)
    /// The times of a request, from its first: the last ones for networks that lose much. Those of a test whose answer may be
    /// filtered end after `testLength`.
    static let schedule: [Interval] = [0, 250, 750, 1_750, 3_750, 7_750].map { .milliseconds($0) }
    /// Three sends and a second: a filter is believed when three datagrams were.
    static let testLength = Interval.milliseconds(1_750)
    /// Requests of a stage follow one another so closely, in order, that few others get ports in between, but do not overtake
    /// one another.
    static let spacing = Interval.milliseconds(5)

    private enum Stage: Sendable { case reaching, filtering, mapping, done }

    private struct Pending: Sendable {
        let request: Request
        let order: Int
        let startsAt: Instant
        var sentCount = 0
        var isAnswered = false
        /// When it counts as not answered.
        let endsAt: Instant

        var dueAt: Instant? {
            guard !isAnswered, sentCount < NATProbe.schedule.count else { return nil }
            let due = startsAt + NATProbe.schedule[sentCount]
            return due < endsAt ? due : nil
        }
    }

    /// What was seen so far.
    public private(set) var observations = NATObservations()
    /// The outcome, once there is one.
    public private(set) var result: NATBehaviour?

    private let own: [Endpoint]
    private let servers: [Server]
    private var main: Server?
    private var stage = Stage.reaching
    private var stageEndsAt: Instant
    private var pending: [Pending] = []
    private var filtering = NATBehaviour.Filtering.unknown
    private var hairpins: Bool?
    private var otherThingsWork: Bool?

    /// Begins.
    ///
    /// - Parameters:
    ///   - own: the endpoints of the socket: its port with each address of the host.
    ///   - servers: whom to ask, at most 8; of one family.
    ///   - patience: how long nothing may answer: less where somebody has waited before.
    public init(own: [Endpoint], servers: [Server], patience: Interval = patience, now: Instant) {
        self.own = own
        self.servers = Array(servers.prefix(8))
        stageEndsAt = now + patience
        for server in self.servers { ask(server.primary, .none, until: stageEndsAt, now: now) }
        if self.servers.isEmpty { end(.unknown) }
    }

    // MARK: A. State

    /// When `timeoutFired` is due; nil once there is a result.
    public var nextTimeout: Instant? {
        guard result == nil else { return nil }
        return pending.compactMap(\.dueAt).reduce(stageEndsAt) { min($0, $1) }
    }

    // MARK: B. Input

    /// Whether something else than UDP works: a name was found, a TCP connection made. It tells "no UDP" from "no network".
    public mutating func otherThings(work: Bool) { otherThingsWork = work }

    /// A request was answered; `observed` is the outside endpoint that the answer tells, of a hairpin request where it came from.
    public mutating func receive(answerTo number: Int, observed: Endpoint, now: Instant) {
        guard result == nil, pending.indices.contains(number), !pending[number].isAnswered else { return }
        pending[number].isAnswered = true
        let one = pending[number]
        if one.request.isHairpin {
            hairpins = true
        } else if one.request.change == .none {
            observations.add(.init(order: one.order, server: one.request.destination, observed: observed))
        }
        switch stage {
        case .reaching:
            if let server = servers.first(where: { $0.primary == one.request.destination }),
                server.worth > main?.worth ?? -1
            {
                main = server
            }
            stageEndsAt = min(stageEndsAt, now + Self.gathering)
            if pending.allSatisfy(\.isAnswered) { advance(now: now) }
        case .filtering:
            switch one.request.change {
            case .addressAndPort: filtering = .endpointIndependent
            case .port: if filtering != .endpointIndependent { filtering = .addressDependent }
            case .none: break
            }
            if filtering == .endpointIndependent || main?.alternateAddress == nil { advance(now: now) }
        case .mapping: if pending.allSatisfy({ $0.isAnswered || $0.endsAt <= now }) { advance(now: now) }
        case .done: break
        }
    }

    /// The time that `nextTimeout` named has come.
    public mutating func timeoutFired(now: Instant) {
        if result == nil, now >= stageEndsAt { advance(now: now) }
    }

    // MARK: D. Output

    /// The next request to send now; nil when none is due.
    public mutating func pollTransmit(now: Instant) -> Request? {
        guard result == nil,
            let index = pending.firstIndex(where: { $0.dueAt.map { $0 <= now } ?? false })
        else { return nil }
        pending[index].sentCount += 1
        return pending[index].request
    }

    // MARK: Stages

    private mutating func ask(
        _ destination: Endpoint, _ change: Change, isHairpin: Bool = false, until end: Instant, now: Instant
    ) {
        let live = pending.count { $0.endsAt > now }
        let request = Request(
            number: pending.count, destination: destination, change: change, isHairpin: isHairpin)
        pending.append(
            Pending(
                request: request, order: pending.count, startsAt: now + Self.spacing * Int64(live), endsAt: end))
    }

    private mutating func advance(now: Instant) {
        switch stage {
        case .reaching:
            guard let main else {
                return end(otherThingsWork == true ? .blocked : .unknown)
            }
            silencePending(now: now)
            stage = .filtering
            stageEndsAt = now + Self.testLength
            if main.alternateAddress != nil { ask(main.primary, .addressAndPort, until: stageEndsAt, now: now) }
            if main.alternatePort != nil { ask(main.primary, .port, until: stageEndsAt, now: now) }
            if pending.allSatisfy({ $0.endsAt <= now }) { beginMapping(main, now: now) }
        case .filtering:
            // What did not come was filtered, if it was asked for at all.
            if filtering == .unknown, let main, main.alternatePort != nil { filtering = .addressAndPortDependent }
            silencePending(now: now)
            if let main { beginMapping(main, now: now) }
        case .mapping: conclude()
        case .done: break
        }
    }

    private mutating func beginMapping(_ main: Server, now: Instant) {
        stage = .mapping
        stageEndsAt = now + Self.testLength
        var places: [Endpoint] = []
        if let port = main.alternatePort { places.append(main.primary.withPort(port)) }
        if let other = main.alternateAddress {
            places.append(other.withPort(main.primary.port))
            if let port = main.alternatePort { places.append(other.withPort(port)) }
        }
        for place in places { ask(place, .none, until: stageEndsAt, now: now) }
        if let outside = observations.list.first?.observed, !own.contains(outside) {
            hairpins = false
            ask(outside, .none, isHairpin: true, until: stageEndsAt, now: now)
        }
        if pending.allSatisfy({ $0.isAnswered || $0.endsAt <= now }) { conclude() }
    }

    /// What is still asked from an earlier stage is not asked again. Late answers count all the same.
    private mutating func silencePending(now: Instant) {
        pending = pending.map {
            var one = Pending(
                request: $0.request, order: $0.order, startsAt: $0.startsAt, endsAt: min($0.endsAt, now))
            one.sentCount = $0.sentCount
            one.isAnswered = $0.isAnswered
            return one
        }
    }

    private mutating func conclude() {
        let mapping = observations.mapping(own: own)
        var behaviour = NATBehaviour(mapping: mapping, filtering: filtering, ports: observations.ports(own: own))
        // A hard NAT gives what goes to its own outside another endpoint: nothing comes back, and nothing is said by that.
        if mapping == .endpointIndependent { behaviour.hairpins = hairpins }
        end(behaviour)
    }

    private mutating func end(_ behaviour: NATBehaviour) {
        stage = .done
        pending = []
        result = behaviour
    }
}
