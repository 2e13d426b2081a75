import DXMatch
import DXSecure
import DXWire

/// Makes and knows the cookies of first contacts (`docs/matchmaking.md` §2), and keeps nothing for them: a cookie is a function of a
/// secret, the address, the attempt and the time.
struct CookieMaker {
    /// A cookie is good in its slot of time and the next one: a client has it after one round trip, and repeats flights for seconds.
    static var slot: Interval { .seconds(10) }

    /// Of this matchmaker, or of all instances that have its secrets.
    let secret: Bytes32

    /// The cookie for this address and attempt now.
    func cookie(for source: Endpoint, _ attempt: MatchAttempt, now: Instant) -> Block32 {
        cookie(for: source, attempt, slot: Self.number(now))
    }

    /// Whether it was given to this address for this attempt lately.
    func isGood(_ cookie: Block32, for source: Endpoint, _ attempt: MatchAttempt, now: Instant) -> Bool {
        let slot = Self.number(now)
        return cookie.isEqualInConstantTime(to: self.cookie(for: source, attempt, slot: slot))
            || cookie.isEqualInConstantTime(to: self.cookie(for: source, attempt, slot: slot &- 1))
    }

    private func cookie(for source: Endpoint, _ attempt: MatchAttempt, slot: UInt64) -> Block32 {
        let text = [UInt8](capacity: Endpoint.v6MatchByteCount + MatchAttempt.byteCount + 8) {
            source.write(to: &$0, mask: .none)
            attempt.write(to: &$0)
            $0.write(slot)
        }
        return Block32(Bytes32(hmacSHA256: text.raw, key: secret))
    }

    private static func number(_ now: Instant) -> UInt64 {
        UInt64(truncatingIfNeeded: now.nanoseconds / slot.nanoseconds)
    }
}
