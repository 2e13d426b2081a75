public import DXWire

/// One run of guessing the outside port of a hard NAT (`docs/matchmaking.md` §8): which sockets send to which ports, in what
/// order and when. Both sides run one, the hard side and the easy side, from the same introduction on.
///
/// Nothing here waits for answers. A datagram of either side that gets through is a check from an address that nobody named;
/// `CheckList` answers it, checks that way, and so finds the pair. Then the run is stopped.
///
/// **Sequential**: the hard side sends from four new sockets, whose ports follow the one that a matchmaker saw just before.
/// The easy side guesses the next eight; as others may have taken ports meanwhile it goes on with the following ones, 32 in all.
/// Any of 4 ports in any window of 8 is enough.
///
/// **Birthday**: the hard side sends from 256 new sockets to the easy side's one endpoint, and so has 256 ports open towards it.
/// The easy side sends to 1,024 random ports, none twice. With N = 64,512 ports to choose from no guess meets an open port with
/// probability C(N - 256, 1024) / C(N, 1024), near exp(-256 * 1024 / N) = 0.017.
public struct PortPrediction: Sendable {
    /// A datagram to send: a check.
    public struct Probe: Sendable, Equatable {
        /// From which socket.
        public let base: Endpoint
        /// To where.
        public let destination: Endpoint
    }

    /// Sockets of the hard side, by the birthday method: each costs a file descriptor and a mapping of the NAT's. 128 would
    /// need twice the guesses; 512 are more than some home routers take from one host.
    public static let birthdaySocketCount = 256
    /// Guesses of the easy side: more than five seconds of them would not fit into a list's life.
    public static let guessLimit = 1_024
    /// 200 a second: 30 KB/s. Slower, and the list's life is too short; faster, and routers take it for an attack.
    public static let pace = Interval.milliseconds(5)
    /// How long the birthday method waits for ordinary checks to find a way.
    public static let patience = Interval.milliseconds(500)
    /// Sockets of the hard side when ports follow one another.
    public static let sequentialSocketCount = 4
    /// Ports guessed at once, and how many such windows, one behind the other.
    static let windowLength = 8
    static let windowCount = 4
    /// The pace of few guesses is that of checks.
    static let sequentialPace = CheckList.pacing
    /// The sweeps over the ports of the hard side: once more for what was lost, as the mapping must be made.
    static let sweepCount = 2
    /// The hard side needs this long to open all its ports; guesses before would be wasted.
    static let headStart = pace * Int64(birthdaySocketCount)

    /// How the port is guessed, and whose.
    public let prediction: NATVerdict.Prediction
    /// The other side's endpoint as a matchmaker saw it.
    public let target: Endpoint
    /// Datagrams sent.
    public private(set) var sentCount = 0
    /// Whether all was sent, or it was stopped.
    public private(set) var isOver = false

    private var sockets: [Endpoint] = []
    private var sampler: PortSampler
    private var nextAt: Instant
    private let startedAt: Instant

    /// A run that begins now.
    ///
    /// - Parameters:
    ///   - target: the other side's endpoint as a matchmaker saw it, never one that the peer named.
    ///   - base: the socket that guesses go out from, when we are the easy side.
    ///   - random: the order of guesses and sockets.
    public init(
        prediction: NATVerdict.Prediction, target: Endpoint, base: Endpoint, random: RandomSource, now: Instant
    ) {
        self.prediction = prediction
        self.target = target
        startedAt = now
        nextAt = now
        sampler = PortSampler(random: random)
        switch (prediction.isOurs, prediction.method) {
        case (false, .birthday): nextAt = now + Self.patience + Self.headStart
        case (true, .birthday): nextAt = now + Self.patience
        case (_, .sequential): break
        }
        if !prediction.isOurs { sockets = [base] }
    }

    /// How many sockets have to be opened, bound to any port, before it sends anything; 0 for the easy side.
    public var wantedSocketCount: Int {
        guard prediction.isOurs, sockets.isEmpty, !isOver else { return 0 }
        switch prediction.method {
        case .birthday: return Self.birthdaySocketCount
        case .sequential: return Self.sequentialSocketCount
        }
    }

    /// When the next datagram is due; nil when none is.
    public var nextTimeout: Instant? { isOver || sockets.isEmpty ? nil : nextAt }

    /// The sockets are open; fewer than wanted are taken, more are left alone.
    public mutating func opened(sockets: [Endpoint]) {
        guard wantedSocketCount > 0 else { return }
        self.sockets = Array(sockets.prefix(wantedSocketCount))
        if self.sockets.isEmpty { isOver = true }
    }

    /// A way was found, or the list is over.
    public mutating func stop() { isOver = true }

    /// The next datagram to send now; nil when none is due.
    public mutating func pollProbe(now: Instant) -> Probe? {
        guard !isOver, !sockets.isEmpty, now >= nextAt else { return nil }
        let probe = prediction.isOurs ? nextOpening : nextGuess()
        guard let probe, sentCount < Self.guessLimit else {
            isOver = true
            return nil
        }
        sentCount += 1
        nextAt = now + pause
        return probe
    }

    private var pause: Interval {
        switch prediction.method {
        case .birthday: return Self.pace
        case .sequential:
            // The hard side's four sockets send again while the other side guesses: a mapping that was lost is made then.
            guard prediction.isOurs, sentCount % sockets.count == 0 else { return Self.sequentialPace }
            return Self.sequentialPace * Int64(Self.windowLength)
        }
    }

    /// The hard side: from each socket in turn to the one endpoint.
    private var nextOpening: Probe? {
        let sweeps = prediction.method == .birthday ? Self.sweepCount : Self.windowCount * 2 + 1
        guard sentCount < sockets.count * sweeps else { return nil }
        return Probe(base: sockets[sentCount % sockets.count], destination: target)
    }

    /// The easy side: the next port to try.
    private mutating func nextGuess() -> Probe? {
        guard let base = sockets.first else { return nil }
        switch prediction.method {
        case .birthday:
            guard let port = sampler.next() else { return nil }
            return Probe(base: base, destination: target.withPort(port))
        case .sequential(let step):
            // Each window twice, one after the other; the first three times.
            let turn = sentCount / Self.windowLength
            let window = max(0, (turn - 1) / 2)
            guard window < Self.windowCount else { return nil }
            let place = window * Self.windowLength + sentCount % Self.windowLength + 1
            return Probe(
                base: base,
                destination: target.withPort(Self.port(target.port, plus: Int(step) * place)))
        }
    }

    /// A port some way on; behind the end of the range it begins anew.
    static func port(_ port: UInt16, plus distance: Int) -> UInt16 {
        let range = PortSampler.usualRange
        let offset = (Int(port) - Int(range.lowerBound) + distance) % range.count
        return range.lowerBound + UInt16(offset < 0 ? offset + range.count : offset)
    }
}
