/// Numbers with units, as configuration files write them.
public enum Quantity {
    /// Bytes: digits alone, or followed by KiB, MiB or GiB; nil for anything else or beyond `Int`.
    static func bytes(_ text: String) -> Int? {
        number(text, units: ["": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30])
    }

    /// A span of time: digits followed by ms, s, m or h; nil for anything else or beyond `Int`.
    public static func duration(_ text: String) -> Duration? {
        number(text, units: ["ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000]).map { .milliseconds($0) }
    }

    /// Bits per second: digits alone, or followed by K, M or G, which are decimal; nil for anything else or beyond `Int`.
    public static func bitsPerSecond(_ text: String) -> UInt64? {
        number(text, units: ["": 1, "K": 1_000, "M": 1_000_000, "G": 1_000_000_000]).map(UInt64.init)
    }

    /// Digits alone; nil for anything else or beyond `Int`.
    static func integer(_ text: String) -> Int? { number(text, units: ["": 1]) }

    private static func number(_ text: String, units: [String: Int]) -> Int? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let value = Int(digits), let unit = units[String(text.dropFirst(digits.count))] else { return nil }
        let (product, overflow) = value.multipliedReportingOverflow(by: unit)
        return overflow ? nil : product
    }
}
