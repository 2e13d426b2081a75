public import DXWire

/// How long a NAT remembers a binding that nothing goes through, found by leaving a second socket alone (`docs/matchmaking.md`
/// §8); and from it how often the channel's own must be kept alive.
///
/// A **round** opens a binding, waits, and asks whether it is still there, in one of two ways:
/// - **by its port**, where the NAT does not keep ports: a request after the wait is seen at another endpoint than before;
/// - **by its permission**, where it does (a new binding would look like the old): at the beginning a request goes to two
///   endpoints of a server, the second only to be let in; after the wait the first is asked to answer from the second
///   (CHANGE-REQUEST). The answer comes only if the old permission is there. This needs a filter that looks at ports, or at
///   addresses and a server with two.
///
/// Where neither works the lifetime cannot be found, and the usual one is kept to.
///
/// The search halves the ratio of what a binding was seen to survive and what it was not, from 15 s to 600 s, until the gap is
/// a tenth; seven rounds at most, and two more when a remembered value turns out to be wrong. By the ratio, because the usual
/// lifetimes are 30 to 180 s: the first round waits for 95 s, not for 307. An alive answer may be lost: then the value is too
/// short, which costs keepalives and nothing else.
public struct BindingLifetime: Sendable {
    /// How a round asks.
    public enum Method: Sendable, Equatable {
        /// Is the outside endpoint the same?
        case port
        /// Does an answer from the server's other port come in?
        case permissionOfPort
        /// Does an answer from the server's other address come in?
        case permissionOfAddress
    }

    /// What is to be done.
    public enum Action: Sendable, Equatable {
        /// Open the binding from a new second socket (for a permission, with a request to both endpoints), then call `opened`.
        case open
        /// Ask for it from that socket; then call `asked`.
        case ask
    }

    /// The shortest that is looked for: below it every keepalive rule fails.
    public static let shortest = Interval.seconds(15)
    /// The longest: more would save nothing worth having.
    public static let longest = Interval.seconds(600)
    /// What is used until something is known: below the 30 s of the shortest usual NAT.
    public static let usualKeepalive = Interval.seconds(25)

    /// How a round asks.
    public let method: Method
    /// The longest wait that a binding survived; nil when none yet.
    public private(set) var survived: Interval?
    /// The shortest that it did not; nil when none yet.
    public private(set) var expired: Interval?
    /// Whether the search is over.
    public private(set) var isDone = false
    /// Rounds begun.
    public private(set) var roundCount = 0

    private enum Phase: Sendable { case opening, waiting, asking }

    private var phase = Phase.opening
    private var wait: Interval
    private var openedAt: Instant?
    private var remembered: Interval?
    private var hasDoubt = false

    /// Begins a search; nil when behind such a NAT there is no way to tell, or no binding at all.
    ///
    /// - Parameters:
    ///   - behaviour: what `NATProbe` found.
    ///   - hasAlternateAddress: whether the server asked has two addresses.
    ///   - remembered: what was found in this network before: it is tried first, and a little above.
    public init?(behaviour: NATBehaviour, hasAlternateAddress: Bool, remembered: Interval? = nil) {
        guard behaviour.transport == .works else { return nil }
        if behaviour.mapping != .none, behaviour.ports != .preserved {
            method = .port
        } else {
            switch behaviour.filtering {
            case .addressAndPortDependent: method = .permissionOfPort
            case .addressDependent:
                guard hasAlternateAddress else { return nil }
                method = .permissionOfAddress
            case .endpointIndependent, .unknown: return nil
            }
        }
        self.remembered = remembered.map { min(max($0, Self.shortest), Self.longest) }
        wait = self.remembered ?? Self.middle(Self.shortest, Self.longest)
    }

    /// The lifetime to count on: the longest that a binding survived, or the shortest looked for while none did.
    public var lifetime: Interval { survived ?? Self.shortest }

    /// How often to send at the least: 0.8 of the lifetime, so that one late datagram does no harm. While nothing is known, or
    /// was found, the usual pause.
    public var keepalive: Interval {
        guard isDone else { return min(Self.usualKeepalive, survived == nil ? Self.usualKeepalive : lifetime * 4 / 5) }
        return lifetime * 4 / 5
    }

    // MARK: B. Input

    /// The binding is open: its first request was answered.
    public mutating func opened(now: Instant) {
        guard phase == .opening, !isDone else { return }
        phase = .waiting
        openedAt = now
        roundCount += 1
    }

    /// The outcome of asking. For a permission: whether the answer came within three requests in two seconds.
    public mutating func asked(isAlive: Bool, now: Instant) {
        guard phase == .asking, !isDone else { return }
        if isAlive { survived = max(survived ?? wait, wait) } else { expired = min(expired ?? wait, wait) }
        phase = .opening
        chooseNext()
    }

    /// The server did not answer: nothing was learned, and the round begins anew.
    public mutating func abandonRound() {
        guard !isDone else { return }
        phase = .opening
    }

    // MARK: D. Output

    /// What is to be done now; the same until it is reported.
    public func action(now: Instant) -> Action? {
        guard !isDone else { return nil }
        switch phase {
        case .opening: return .open
        case .waiting: return now >= (openedAt ?? now) + wait ? .ask : nil
        case .asking: return .ask
        }
    }

    /// Takes the action up, so that it is not given again; a round that asks is then waited for.
    public mutating func begin(_ action: Action) {
        if action == .ask, phase == .waiting { phase = .asking }
    }

    /// When `action` has something new; nil while something is to be reported, or the search is over.
    public var nextTimeout: Instant? {
        guard !isDone, phase == .waiting, let openedAt else { return nil }
        return openedAt + wait
    }

    // MARK: The search

    private mutating func chooseNext() {
        if let remembered {
            self.remembered = nil
            // The remembered value is a lower end: the upper one is a tenth above.
            if survived != nil, expired == nil, remembered < Self.longest {
                wait = min(remembered + remembered / 10, Self.longest)
                hasDoubt = true
                return
            }
        }
        if hasDoubt {
            hasDoubt = false
            if expired != nil, survived != nil { return isDone = true }
        }
        // Something may have changed between two rounds: the newer and shorter counts.
        if let expired, let low = survived, low >= expired { survived = nil }
        let low = survived ?? Self.shortest
        let high = expired ?? Self.longest
        if high - low <= high / 10 {
            // The shortest itself was never asked for if all else failed.
            if survived == nil, expired != Self.shortest, high > Self.shortest {
                wait = Self.shortest
                return
            }
            isDone = true
            return
        }
        wait = Self.middle(low, high)
    }

    /// The geometric mean. Square roots are exact to the last bit on every platform (IEEE 754).
    private static func middle(_ low: Interval, _ high: Interval) -> Interval {
        .nanoseconds(Int64((Double(low.nanoseconds) * Double(high.nanoseconds)).squareRoot()))
    }
}
