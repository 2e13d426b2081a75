import DXMatch
import DXSecure
import DXSocket
import DXWire
import NIOCore

/// Asks one matchmaker for a ticket and for our address, from a socket of its own and without any group's key: whether it is there,
/// under the pin that is configured, how far away, and whether it answers STUN, under its veil or without, and gets whole datagrams of 1,200 bytes. A
/// server without a pin is asked for STUN only. Takes some round trips, eight seconds where nothing answers. Bound to an event loop.
final class MatchProbe {
    private let eventLoop: any EventLoop
    private var random: RandomSource
    private let addresses: [Endpoint]
    private let pin: GatewayID?
    private var status: MatchmakerStatus
    private var client: MatchClient<OpenSSLMatchClientCryptography>?
    private var socket: UDPEndpoint<MatchProbe>?
    private var timer: WakeupTimer<MatchProbe>?
    private var stun: STUNSocket?
    private var stunAskedAt: [Instant] = []
    /// Whether it answers STUN to those who do not know its pin.
    private var answersStrangers = false
    private var complete: ((MatchmakerStatus) -> Void)?
    private var startedAt = Instant.zero
    private var isMeasured = false
    /// The pin that it says it has to whoever asks.
    private var saidPin: GatewayID?

    /// A matchmaker answers within two round trips; of five datagrams to a far one over a bad link one gets through by then.
    private static let patience = Interval.seconds(8)
    /// When STUN is asked for, and when that is over.
    private static let stunTimes: [Interval] = [0, 500, 1_500].map { .milliseconds($0) }
    private static let stunEnd = Interval.seconds(3)
    /// The number of the first request that is asked under the veil.
    private static let veiled = 100

    /// A probe that has sent nothing.
    ///
    /// - Parameters:
    ///   - server: as it is configured.
    ///   - addresses: of it, at least one, of families that this host has.
    init(
        _ server: String, pin: GatewayID?, addresses: [Endpoint], on eventLoop: any EventLoop, random: RandomSource
    ) {
        self.eventLoop = eventLoop
        self.pin = pin
        self.addresses = addresses
        self.random = random
        status = MatchmakerStatus(server: server, pin: pin?.text)
        status.address = addresses.first?.description
    }

    /// Begins. `complete` is called on the event loop, once, unless `stop` was before.
    func start(_ complete: @escaping (MatchmakerStatus) -> Void) {
        self.complete = complete
        startedAt = MonotonicClock.now()
        if let first = addresses.first {
            stun = STUNSocket(first.family, on: eventLoop, random: RandomSource(seed: random.next())) {
                [weak self] in self?.receive($0)
            }
        }
        if let pin { beginClient(pin) }
        timer = WakeupTimer(on: eventLoop, handler: self)
        pump(now: startedAt)
    }

    private func beginClient(_ pin: GatewayID) {
        socket = try? UDPEndpoint(
            listen: ListenAddress(anyAt: 0), configuration: .small, on: eventLoop, handler: self)
        guard socket != nil, let cryptography = try? OpenSSLMatchClientCryptography(pin: pin) else { return }
        var client = MatchClient(
            MatchClientConfiguration(pin: pin, seed: random.next()), matchKey: nil, cryptography: cryptography,
            now: startedAt)
        client.setAddresses(addresses, now: startedAt)
        client.observe(now: startedAt)
        self.client = client
    }

    /// Ends it without an outcome.
    func stop() {
        complete = nil
        timer?.cancel()
        stun?.close()
        stun = nil
        socket?.close()
        socket = nil
        client = nil
    }

    // MARK: Answers

    private func receive(_ answer: STUNSocket.Answer) {
        let now = MonotonicClock.now()
        let isVeiled = answer.number >= Self.veiled
        status.stun = true
        saidPin = saidPin ?? answer.pin
        answersStrangers = answersStrangers || !isVeiled
        if pin == nil, stunAskedAt.indices.contains(answer.number) {
            status.state = .answers
            status.rttMicroseconds = Self.microseconds(now - stunAskedAt[answer.number])
            note(observed: answer.observed)
        }
        pump(now: now)
    }

    private func handle(_ event: MatchClientEvent, now: Instant) {
        switch event {
        case .observed(let endpoint, let server, _):
            status.state = .answers
            status.problem = nil
            status.address = server.description
            note(observed: endpoint)
            client?.measure(now: now)
        case .measured(let isAnswered, _):
            status.largeDatagrams = isAnswered
            isMeasured = true
        case .wrongPin(_, let seen): status.seenPin = seen.text
        case .isLeaving: status.problem = "it is shutting down"
        case .ticketChanged, .ticketRefused, .unreachable, .registered, .registrationRefused, .left, .roster,
            .introduced, .introductionFailed, .notice, .admitted, .admissionRefused:
            break
        }
    }

    private func note(observed endpoint: Endpoint) {
        if !status.observed.contains(endpoint.description) { status.observed.append(endpoint.description) }
    }

    // MARK: Time

    private func pump(now: Instant) {
        guard complete != nil else { return }
        while let transmit = client?.pollTransmit(now: now) {
            socket?.sender.append(
                to: transmit.destination, from: nil, ecn: .notECT, maximumByteCount: transmit.datagram.count
            ) { unsafe $0.write(transmit.datagram.span.bytes) }
        }
        socket?.sender.flush()
        var hadEvents = false
        while let event = client?.pollEvent() {
            hadEvents = true
            handle(event, now: now)
        }
        // An event may have begun something.
        if hadEvents { return pump(now: now) }
        askSTUN(now: now)
        if isComplete(now: now) { return end() }
        var next = startedAt + Self.patience
        if let due = client?.nextTimeout { next = min(next, due) }
        if stunAskedAt.count < Self.stunTimes.count { next = min(next, startedAt + Self.stunTimes[stunAskedAt.count]) }
        if now < startedAt + Self.stunEnd { next = min(next, startedAt + Self.stunEnd) }
        timer?.arm(at: next)
    }

    private func askSTUN(now: Instant) {
        guard status.stun != true, stunAskedAt.count < Self.stunTimes.count,
            now >= startedAt + Self.stunTimes[stunAskedAt.count], let server = addresses.first
        else { return }
        stunAskedAt.append(now)
        stun?.ask(stunAskedAt.count - 1, at: server, of: nil, wantsPin: pin != nil)
        if let pin { stun?.ask(Self.veiled + stunAskedAt.count - 1, at: server, of: pin) }
    }

    private func isComplete(now: Instant) -> Bool {
        if now >= startedAt + Self.patience { return true }
        let isSTUNOver = status.stun == true || now >= startedAt + Self.stunEnd
        return isSTUNOver && (pin == nil || isMeasured || status.seenPin != nil)
    }

    private func end() {
        if status.stun == nil, !stunAskedAt.isEmpty { status.stun = false }
        if let roundTrip = client?.status.roundTrip { status.rttMicroseconds = Self.microseconds(roundTrip) }
        if status.state != .answers {
            status.state = .failing
            if let saidPin, saidPin != pin { status.seenPin = status.seenPin ?? saidPin.text }
            status.problem = problem
        }
        let complete = complete
        stop()
        complete?(status)
    }

    /// Why it is of no use.
    private var problem: String {
        if let seen = status.seenPin, let pin {
            return MatchmakerStatus.wrongPin(seen, configured: pin.text)
        }
        guard let pin else { return "it does not answer STUN: it is down, or UDP to it is blocked" }
        if case .failing(let problem) = client?.state, problem != .noAnswer { return "\(problem)" }
        guard answersStrangers else {
            return "no answer: it is down, UDP to it is blocked, or its pin is another"
        }
        return "something answers there, but not under the pin \(pin.text): compare with what dxmatchd pin prints there"
    }

    private static func microseconds(_ interval: Interval) -> UInt64 { UInt64(max(0, interval.microseconds)) }
}

extension MatchProbe: DatagramHandler {
    func received(
        _ datagram: inout MutableRawSpan, from source: Endpoint, local: Endpoint?, ecn: ECNMark, now: Instant
    ) {
        client?.receive(datagram.bytes, from: source, on: local ?? source, now: now)
    }

    func batchEnded(now: Instant) { pump(now: now) }
    func becameWritable(now: Instant) {}
}

extension MatchProbe: WakeupHandler {
    func wakeupFired(now: Instant) {
        client?.timeoutFired(now: now)
        pump(now: now)
    }
}

@available(*, unavailable)
extension MatchProbe: Sendable {}
