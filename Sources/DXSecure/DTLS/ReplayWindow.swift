/// The record numbers seen among the 64 newest: the same window that OpenSSL keeps (RFC 6347 §4.1.2.6), kept beside it so
/// that a duplicate is told from a forgery, and costs nothing. OpenSSL's own window stays the judge.
struct ReplayWindow: Equatable, BitwiseCopyable {
    /// The newest number seen. Record 0 of the epoch is the handshake's last message.
    private var newest: UInt64 = 0
    /// Bit n is set when the number `newest - n` was seen.
    private var seen: UInt64 = 1

    /// The numbers remembered.
    static let count: UInt64 = 64

    /// Whether a record of this number may still come.
    func isFresh(_ number: UInt64) -> Bool {
        if number > newest { return true }
        let age = newest &- number
        return age < Self.count && seen & (1 &<< age) == 0
    }

    /// Notes a record that opened.
    mutating func insert(_ number: UInt64) {
        if number > newest {
            let step = number &- newest
            seen = step < Self.count ? seen &<< step | 1 : 1
            newest = number
        } else if newest &- number < Self.count {
            seen |= 1 &<< (newest &- number)
        }
    }
}
