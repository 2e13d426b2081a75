import DXMatch
import DXWire

/// One address prefix that asks more than it may, and proves nothing: what the matchmaker grants it is limited, and the others
/// must not feel it.
struct Strangers {
    private let rate: Double
    private var credit = 0.0
    private var last: Instant
    /// Requests asked.
    private(set) var asked = 0
    /// Requests answered.
    private(set) var answered = 0

    init(rate: Double, now: Instant) {
        self.rate = rate
        last = now
    }

    /// Asks what is due.
    mutating func step(_ load: Load, now: Instant) {
        credit += Double((now - last).nanoseconds) * 1e-9 * rate
        last = now
        while credit >= 1 {
            credit -= 1
            // OBSERVE is as short as its answer but for the address: padded.
            var body = [UInt8](repeating: 0, count: 32)
            body[0] = MatchRequest.Kind.observe.rawValue
            guard let (datagram, _) = load.wire.request(body, load.groups[0]) else { return }
            load.socket.send(datagram, from: AddressPlan.stranger(asked))
            asked += 1
        }
    }

    /// Takes whatever came to one.
    mutating func receive() { answered += 1 }
}
