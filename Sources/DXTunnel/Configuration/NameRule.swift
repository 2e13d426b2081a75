/// Which names gateways, members, tunnels and labels may have: they stand in file names, metrics and log lines.
enum NameRule {
    /// Whether it has 1 to 63 letters, digits, `.`, `-` and `_`, the first one a letter or a digit.
    static func isValid(_ name: String) -> Bool {
        (1...63).contains(name.utf8.count) && name.utf8.first.map(isAlphanumeric) == true
            && name.utf8.allSatisfy { isAlphanumeric($0) || $0 == 0x2d || $0 == 0x2e || $0 == 0x5f }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }
}
