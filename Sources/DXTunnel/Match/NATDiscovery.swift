import DXMatch
import DXSocket
import DXWire
import NIOCore
import NIOPosix

/// Finds out how the NAT before this host behaves in one family: runs `NATProbe` on sockets (`docs/matchmaking.md` §8). Takes
/// three seconds and some round trips, nine where nothing answers. Bound to an event loop.
final class NATDiscovery {
    /// What was found.
    struct Finding: Equatable {
        var behaviour: NATBehaviour
        /// Our outside addresses, as servers saw them.
        var observed: [Endpoint]
        /// The servers that answered, with their other addresses.
        var servers: [NATProbe.Server] = []
        /// The pins that matchmakers among them say they have.
        var pins: [Endpoint: GatewayID] = [:]
    }

    private let eventLoop: any EventLoop
    private let family: Endpoint.Family
    private var random: RandomSource
    private let complete: (Finding) -> Void
    private var servers: [NATProbe.Server]
    private var socket: STUNSocket?
    private var probe: NATProbe?
    private var timer: Scheduled<Void>?
    private var heard: Set<Int> = []
    private var pins: [Endpoint: GatewayID] = [:]
    private var refusals: [UDPRefusal] = []
    private var udpWorks = false
    private var lookUpRound = 0
    private var otherThingsWork: Bool?
    private var isOver = false

    /// When servers are asked for their other addresses: three datagrams in the second that this takes at most, where they answer
    /// at all.
    private static let lookUpTimes: [Interval] = [0, 300, 900].map { .milliseconds($0) }
    private static let lookUpEnd = Interval.milliseconds(1_500)
    /// Added to the number of a server that is asked without its pin.
    private static let plain = 1_000
    /// For a TCP connection that shows that there is a network.
    private static let tcpTimeout = TimeAmount.seconds(4)

    /// Begins. `complete` is called on the event loop, unless `stop` was before.
    ///
    /// - Parameter servers: matchmakers and STUN servers, of that family, at most 8; their other sockets are found out.
    init(
        _ family: Endpoint.Family, servers: [NATProbe.Server], on eventLoop: any EventLoop, random: RandomSource,
        complete: @escaping (Finding) -> Void
    ) {
        self.eventLoop = eventLoop
        self.family = family
        self.random = random
        self.complete = complete
        self.servers = Array(servers.filter { $0.primary.family == family }.prefix(8))
    }

    /// Begins to ask.
    func start() {
        guard !servers.isEmpty, let socket = makeSocket({ [weak self] in self?.receiveLookUp($0) }) else {
            return end(Finding(behaviour: .unknown, observed: []))
        }
        self.socket = socket
        tryTCP()
        watchRefusals()
        lookUp()
    }

    /// Ends it without an outcome.
    func stop() {
        isOver = true
        timer?.cancel()
        for refusal in refusals { refusal.close() }
        refusals = []
        socket?.close()
        socket = nil
    }

    private func makeSocket(_ onAnswer: @escaping (STUNSocket.Answer) -> Void) -> STUNSocket? {
        STUNSocket(family, on: eventLoop, random: RandomSource(seed: random.next()), onAnswer: onAnswer)
    }

    // MARK: The servers' other addresses

    private func lookUp() {
        guard let socket, !isOver else { return }
        for (number, server) in servers.enumerated() where !heard.contains(number) {
            socket.ask(number, at: server.primary, of: server.pin)
            // Under a wrong pin nothing is heard: what is no stranger's business anywhere else is asked for at last.
            if server.pin != nil, lookUpRound == Self.lookUpTimes.count - 1 {
                socket.ask(Self.plain + number, at: server.primary, of: nil, wantsPin: true)
            }
        }
        let sent = Self.lookUpTimes[lookUpRound]
        lookUpRound += 1
        let isLast = lookUpRound == Self.lookUpTimes.count
        schedule((isLast ? Self.lookUpEnd : Self.lookUpTimes[lookUpRound]) - sent) { discovery in
            isLast ? discovery.beginProbe() : discovery.lookUp()
        }
    }

    private func receiveLookUp(_ answer: STUNSocket.Answer) {
        if servers.indices.contains(answer.number - Self.plain) {
            pins[servers[answer.number - Self.plain].primary] = answer.pin
            return noteUDPWorks()
        }
        guard servers.indices.contains(answer.number), heard.insert(answer.number).inserted else { return }
        if let other = answer.otherAddress, other.isSendable {
            let server = servers[answer.number]
            servers[answer.number] = NATProbe.Server(
                primary: server.primary, alternatePort: other.port == server.primary.port ? nil : other.port,
                alternateAddress: other.hasSameAddress(as: server.primary) ? nil : other, pin: server.pin)
        }
        if heard.count == servers.count { beginProbe() }
    }

    // MARK: The probe

    private func beginProbe() {
        guard probe == nil, !isOver else { return }
        timer?.cancel()
        socket?.close()
        socket = makeSocket { [weak self] in self?.receive($0) }
        guard let socket else { return end(Finding(behaviour: .unknown, observed: [])) }
        var probe = NATProbe(
            own: socket.ownEndpoints, servers: servers, patience: NATProbe.patience - Self.lookUpEnd,
            now: MonotonicClock.now())
        if let otherThingsWork { probe.otherThings(work: otherThingsWork && !udpWorks) }
        self.probe = probe
        pump()
    }

    private func receive(_ answer: STUNSocket.Answer) {
        probe?.receive(answerTo: answer.number, observed: answer.observed, now: MonotonicClock.now())
        pump()
    }

    private func pump() {
        guard !isOver else { return }
        let now = MonotonicClock.now()
        probe?.timeoutFired(now: now)
        while let request = probe?.pollTransmit(now: now) {
            let change: STUNChange? =
                switch request.change {
                case .none: nil
                case .port: .port
                case .addressAndPort: [.port, .address]
                }
            // What goes to our own outside comes back to a socket that has no veil.
            let pin = servers.first { $0.has(request.destination) }?.pin
            socket?.ask(request.number, at: request.destination, of: pin, change: change)
        }
        if let probe, let result = probe.result {
            let answered = heard.sorted().map { servers[$0] }
            return end(
                Finding(
                    behaviour: result, observed: Self.distinct(probe.observations.list.map(\.observed)),
                    servers: answered, pins: pins))
        }
        if let next = probe?.nextTimeout { schedule(next - now) { $0.pump() } }
    }

    private static func distinct(_ endpoints: [Endpoint]) -> [Endpoint] {
        endpoints.reduce(into: []) { list, endpoint in if !list.contains(endpoint) { list.append(endpoint) } }
    }

    private func end(_ finding: Finding) {
        guard !isOver else { return }
        stop()
        complete(finding)
    }

    /// Whether TCP gets anywhere: an answer of any kind shows that there is a network, so that it is UDP which is missing.
    private func tryTCP() {
        guard let server = servers.first,
            let address = try? SocketAddress(ipAddress: server.primary.addressText, port: Int(server.primary.port))
        else { return }
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        ClientBootstrap(group: eventLoop).connectTimeout(Self.tcpTimeout).connect(to: address).whenComplete { result in
            let works: Bool
            switch result {
            case .success(let channel):
                works = true
                channel.close(promise: nil)
            case .failure(let error): works = (error as? IOError)?.errnoCode == ECONNREFUSED
            }
            bound.value.otherThingsWork = works
            bound.value.probe?.otherThings(work: works && !bound.value.udpWorks)
        }
    }

    /// Whether somebody says that nobody hears at a server's port: then UDP gets out.
    private func watchRefusals() {
        // Whoever hears it hears noise.
        let noise = (0..<32).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        refusals = servers.map { server in
            UDPRefusal(server.primary, sending: noise, on: eventLoop) { [weak self] in
                self?.noteUDPWorks()
            }
        }
    }

    /// Something came back: if all else is silent, it is not the network that lets no UDP out.
    private func noteUDPWorks() {
        udpWorks = true
        probe?.otherThings(work: false)
    }

    private func schedule(_ interval: Interval, _ body: @escaping (NATDiscovery) -> Void) {
        timer?.cancel()
        let bound = NIOLoopBound((self, body), eventLoop: eventLoop)
        timer = eventLoop.scheduleTask(in: .nanoseconds(max(0, interval.nanoseconds))) {
            bound.value.1(bound.value.0)
        }
    }
}

@available(*, unavailable)
extension NATDiscovery: Sendable {}
