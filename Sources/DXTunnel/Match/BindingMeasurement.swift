import DXMatch
import DXSocket
import DXWire
import NIOCore

/// Measures how long the NAT remembers a binding: runs `BindingLifetime` on second sockets that send nothing else
/// (`docs/matchmaking.md` §8). In the background, for up to an hour, with a few datagrams in each round of minutes. Bound to an event
/// loop.
final class BindingMeasurement {
    private let eventLoop: any EventLoop
    private let family: Endpoint.Family
    private let server: NATProbe.Server
    private let onChange: (BindingLifetime) -> Void
    private var random: RandomSource
    private var timer: Scheduled<Void>?
    private var socket: STUNSocket?
    private var attempts = 0
    /// What was answered in this step, by the number of the request.
    private var answers: [Int: Endpoint] = [:]
    /// Where the socket was seen when the binding was opened.
    private var outside: Endpoint?
    private var isStopped = false
    /// How far it is.
    private(set) var machine: BindingLifetime

    /// The numbers of requests.
    private enum Request {
        static let primary = 0
        static let other = 1
        static let afterwards = 2
        static let changed = 3
    }

    /// Three requests in two seconds, as the machine wants it.
    private static let mostAttempts = 3
    private static let attemptPause = Interval.milliseconds(700)
    /// A server that does not answer is asked again so much later.
    private static let rest = Interval.seconds(300)

    /// A measurement that has sent nothing; nil when behind such a NAT there is no way to tell.
    ///
    /// - Parameters:
    ///   - server: of the family, with an alternate port at least where ports are preserved.
    ///   - remembered: what was found in this network before.
    ///   - onChange: called on the event loop after each round.
    init?(
        behaviour: NATBehaviour, server: NATProbe.Server, remembered: Interval?, on eventLoop: any EventLoop,
        random: RandomSource, onChange: @escaping (BindingLifetime) -> Void
    ) {
        let hasAddress = server.alternateAddress != nil && server.alternatePort != nil
        guard
            let machine = BindingLifetime(
                behaviour: behaviour, hasAlternateAddress: hasAddress, remembered: remembered),
            machine.method == .port || server.alternatePort != nil
        else { return nil }
        self.machine = machine
        self.server = server
        self.eventLoop = eventLoop
        self.random = random
        self.onChange = onChange
        family = server.primary.family
    }

    /// Begins.
    func start() { step() }

    /// Ends it; nothing is told any more.
    func stop() {
        isStopped = true
        timer?.cancel()
        socket?.close()
        socket = nil
    }

    // MARK: Steps

    private func step() {
        let now = MonotonicClock.now()
        guard !isStopped, !machine.isDone else { return stop() }
        switch machine.action(now: now) {
        case .open: open()
        case .ask:
            machine.begin(.ask)
            (attempts, answers) = (0, [:])
            ask()
        case nil: if let next = machine.nextTimeout { schedule(next - now) { $0.step() } }
        }
    }

    private func open() {
        socket?.close()
        (attempts, answers) = (0, [:])
        socket = STUNSocket(family, on: eventLoop, random: RandomSource(seed: random.next())) { [weak self] in
            self?.receive($0)
        }
        askToOpen()
    }

    private func askToOpen() {
        guard let socket, attempts < Self.mostAttempts else { return restLater() }
        attempts += 1
        if answers[Request.primary] == nil { socket.ask(Request.primary, at: server.primary, of: server.pin) }
        if let other, answers[Request.other] == nil { socket.ask(Request.other, at: other, of: server.pin) }
        schedule(Self.attemptPause) { $0.askToOpen() }
    }

    /// Where a permission is opened besides; nil when it is the port that tells.
    private var other: Endpoint? {
        switch machine.method {
        case .port: nil
        case .permissionOfPort: server.alternatePort.map { server.primary.withPort($0) }
        case .permissionOfAddress: server.alternateAddress.map { $0.withPort(server.alternatePort ?? $0.port) }
        }
    }

    private var change: STUNChange? {
        switch machine.method {
        case .port: nil
        case .permissionOfPort: .port
        case .permissionOfAddress: [.port, .address]
        }
    }

    private func ask() {
        guard let socket, attempts < Self.mostAttempts else { return noAnswer() }
        attempts += 1
        if let change { socket.ask(Request.changed, at: server.primary, of: server.pin, change: change) }
        // Beside a permission it tells whether the server is there at all.
        socket.ask(Request.afterwards, at: server.primary, of: server.pin)
        schedule(Self.attemptPause) { $0.ask() }
    }

    /// What was asked for after the wait did not come.
    private func noAnswer() {
        // A silent server says nothing of the binding.
        guard machine.method != .port, answers[Request.afterwards] != nil else { return restLater() }
        conclude(isAlive: false)
    }

    private func receive(_ answer: STUNSocket.Answer) {
        guard !isStopped else { return }
        answers[answer.number] = answer.observed
        switch answer.number {
        case Request.primary, Request.other:
            guard let seen = answers[Request.primary], other == nil || answers[Request.other] != nil,
                machine.action(now: MonotonicClock.now()) == .open
            else { return }
            outside = seen
            machine.opened(now: MonotonicClock.now())
            step()
        case Request.changed: conclude(isAlive: true)
        case Request.afterwards where machine.method == .port: conclude(isAlive: answer.observed == outside)
        default: break
        }
    }

    private func conclude(isAlive: Bool) {
        timer?.cancel()
        socket?.close()
        socket = nil
        machine.asked(isAlive: isAlive, now: MonotonicClock.now())
        onChange(machine)
        step()
    }

    /// The round is lost; the next one begins from the start of the search's present step.
    private func restLater() {
        socket?.close()
        socket = nil
        machine.abandonRound()
        schedule(Self.rest) { $0.step() }
    }

    private func schedule(_ interval: Interval, _ body: @escaping (BindingMeasurement) -> Void) {
        timer?.cancel()
        let bound = NIOLoopBound((self, body), eventLoop: eventLoop)
        timer = eventLoop.scheduleTask(in: .nanoseconds(max(0, interval.nanoseconds))) {
            bound.value.1(bound.value.0)
        }
    }
}

@available(*, unavailable)
extension BindingMeasurement: Sendable {}
