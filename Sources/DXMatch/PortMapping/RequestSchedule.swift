import DXWire

/// When a request is sent again, and when its answer is given up.
struct RequestSchedule: Equatable, Sendable {
    /// The times from the first, and the end.
    private let sends: [Interval]
    private let startedAt: Instant
    private let endsAt: Instant
    private var sentCount = 0

    /// A request by UDP to a router: a link away, so that a second of silence is much. RFC 6886 §3.1 would go on for 64 s and
    /// RFC 6887 §8.1.1 for ever: nothing is known then, and the next protocol waits.
    static func request(now: Instant) -> RequestSchedule {
        RequestSchedule(sends: [0, 250, 750, 1_750], length: 3_000, now: now)
    }

    /// A deletion at the end: whoever waits is about to exit, and the router forgets by itself.
    static func deletion(now: Instant) -> RequestSchedule {
        RequestSchedule(sends: [0, 150], length: 400, now: now)
    }

    /// A search by multicast; devices answer within the second that MX gives them.
    static func search(now: Instant) -> RequestSchedule {
        RequestSchedule(sends: [0, 500, 1_250], length: 3_000, now: now)
    }

    private init(sends: [Int64], length: Int64, now: Instant) {
        self.sends = sends.map { .milliseconds($0) }
        startedAt = now
        endsAt = now + .milliseconds(length)
    }

    /// When something is next to be done.
    var nextTimeout: Instant { sentCount < sends.count ? startedAt + sends[sentCount] : endsAt }

    /// Whether the answer is given up.
    func isOver(now: Instant) -> Bool { now >= endsAt }

    /// Whether the request is to be sent now; it counts as sent then.
    mutating func takeSend(now: Instant) -> Bool {
        guard sentCount < sends.count, now >= startedAt + sends[sentCount], now < endsAt else { return false }
        sentCount += 1
        return true
    }
}
