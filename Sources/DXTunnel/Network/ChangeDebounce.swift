import DXWire

/// When to look at what has changed: notices come in handfuls (an address, its network's route, a router), and after the last one, not
/// after each. A machine; time is an argument.
struct ChangeDebounce: Sendable {
    private var first: Instant?
    private var last: Instant = .zero

    /// So long after the last notice. DHCP clients set the address and the route within some milliseconds.
    static let quiet = Interval.milliseconds(50)
    /// And no later than this after the first, however many come: half of the second within which transfers are to go on.
    static let longest = Interval.milliseconds(500)

    /// Nothing has changed.
    init() {}

    /// When `take` is due; nil while nothing has changed.
    var deadline: Instant? { first.map { min(last + Self.quiet, $0 + Self.longest) } }

    /// Something has changed.
    mutating func note(now: Instant) {
        if first == nil { first = now }
        last = max(last, now)
    }

    /// Whether it is time to look; then nothing has changed again.
    mutating func take(now: Instant) -> Bool {
        guard let deadline, deadline <= now else { return false }
        first = nil
        return true
    }
}
