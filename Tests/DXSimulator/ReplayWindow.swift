/// OpenSSL's DTLS replay window, measured: a record number that was seen is refused, and so is one that is 64 or more
/// below the newest. (RFC 6347 §4.1.2.6; newest minus 63 opens, minus 64 does not.)
public struct ReplayWindow: Sendable {
    private var newest: UInt64 = 0
    /// Bit i: newest - i was seen. Nothing was seen yet when it is zero.
    private var seen: UInt64 = 0

    /// How many record numbers back from the newest one are still told apart.
    public static let width: UInt64 = 64

    /// A window that has seen nothing.
    public init() {}

    /// Whether a record of this number is newer than all that were seen.
    public func isNewest(_ number: UInt64) -> Bool { seen == 0 || number > newest }

    /// Whether a record of this number lies below the window.
    public func isTooOld(_ number: UInt64) -> Bool { seen != 0 && number < newest && newest - number >= Self.width }

    /// Whether a record of this number would be let through.
    public func accepts(_ number: UInt64) -> Bool {
        if isNewest(number) { return true }
        let age = newest - number
        return age < Self.width && seen & (1 << age) == 0
    }

    /// Notes a record whose tag was right.
    public mutating func insert(_ number: UInt64) {
        if isNewest(number) {
            let shift = seen == 0 ? Self.width : number - newest
            seen = (shift < Self.width ? seen << shift : 0) | 1
            newest = number
        } else if newest - number < Self.width {
            seen |= 1 << (newest - number)
        }
    }
}
