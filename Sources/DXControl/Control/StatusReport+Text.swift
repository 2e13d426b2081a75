/// Quantities as people read them.
extension StatusReport {
    /// Bytes with a binary unit, three digits: `1.50 KiB`, `64.0 MiB`, `512 B`.
    static func bytes(_ count: some BinaryInteger) -> String {
        var value = Double(count)
        guard value >= 1_024 else { return "\(count) B" }
        var unit = -1
        let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        while value >= 1_024, unit < units.count - 1 {
            value /= 1_024
            unit += 1
        }
        return "\(decimals(value, value < 10 ? 2 : value < 100 ? 1 : 0)) \(units[unit])"
    }

    /// Bits per second as the configuration file writes them, with the largest decimal unit that is exact: `20M`, `1500K`.
    static func rate(_ bitsPerSecond: UInt64) -> String {
        let units: [(UInt64, String)] = [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "K")]
        guard let unit = units.first(where: { bitsPerSecond >= $0.0 && bitsPerSecond % $0.0 == 0 }) else {
            return "\(bitsPerSecond)"
        }
        return "\(bitsPerSecond / unit.0)\(unit.1)"
    }

    /// Microseconds as milliseconds: `12.345 ms`.
    static func milliseconds(_ microseconds: UInt64) -> String { "\(decimals(Double(microseconds) / 1_000, 3)) ms" }

    /// The two largest units of a span: `1 h 2 min`.
    static func span(_ seconds: Double) -> String {
        guard seconds >= 1 else { return "0 s" }
        // A clock that was set back, or a device that booted in 1970, gives absurd spans: they are cut at 10,000 days.
        let whole = Int(min(seconds, 864_000_000))
        let parts = [(whole / 86_400, "d"), (whole / 3_600 % 24, "h"), (whole / 60 % 60, "min"), (whole % 60, "s")]
        guard let first = parts.firstIndex(where: { $0.0 > 0 }) else { return "0 s" }
        return parts[first..<Swift.min(first + 2, parts.count)].filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
            .joined(separator: " ")
    }

    /// A number that is not negative, rounded to `places` decimal places.
    static func decimals(_ value: Double, _ places: Int) -> String {
        let scale = places == 0 ? 1 : places == 1 ? 10 : places == 2 ? 100 : 1_000
        let scaled = Int((value * Double(scale)).rounded())
        guard places > 0 else { return String(scaled) }
        let fraction = String(scaled % scale)
        return "\(scaled / scale).\(String(repeating: "0", count: places - fraction.count))\(fraction)"
    }
}

/// Counts as people read them.
extension StatusReport {
    /// Counts by reason, most frequent first, eight at most; those that are 0 are left out.
    static func counts(_ counts: [String: UInt64]) -> String {
        let sorted = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.filter { $0.value > 0 }
        return sorted.prefix(8).map { "\($0.value) \($0.key)" }.joined(separator: ", ")
            + (sorted.count > 8 ? ", ..." : "")
    }

    /// How often each word is there, most frequent first: `400 direct, 98 lan`.
    static func counted(_ words: [String]) -> String {
        counts(words.reduce(into: [:]) { $0[$1, default: 0] += 1 })
    }

    /// A part of a whole: `0.12 %`. What is more than nothing is no `0.00 %`.
    static func percent(_ part: UInt64, of whole: UInt64) -> String {
        guard whole > 0, part > 0 else { return "0 %" }
        let value = min(100, Double(part) / Double(whole) * 100)
        return value < 0.01 ? "< 0.01 %" : "\(decimals(value, value < 10 ? 2 : 1)) %"
    }
}
