/// Which format a collector gets (RFC 9110 §12.5.1).
extension OpenMetricsText.Format {
    /// The format that an `Accept` field asks for: the one with the higher weight; OpenMetrics for no field, for equal weights, and for
    /// one that wants neither, as a page that was not asked for says more than an error.
    init(accept: String?) {
        guard let accept else {
            self = .openMetrics
            return
        }
        let ranges = accept.split(separator: ",").compactMap(MediaRange.init)
        let (new, old) = (
            MediaRange.weight(of: "application", "openmetrics-text", in: ranges),
            MediaRange.weight(of: "text", "plain", in: ranges)
        )
        self = old > new ? .prometheus : .openMetrics
    }
}

/// One range of an `Accept` field: `text/plain;version=0.0.4;q=0.5`.
private struct MediaRange {
    let type: String
    let subtype: String
    let weight: Double

    init?(_ text: Substring) {
        let parts = text.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
        let name = parts.first?.split(separator: "/") ?? []
        guard name.count == 2 else { return nil }
        (type, subtype) = (String(name[0]), String(name[1]))
        let weight = parts.dropFirst().first { $0.hasPrefix("q=") }.map { Double($0.dropFirst(2)) ?? 0 }
        self.weight = weight ?? 1
    }

    /// Of the ranges that a type falls into, the narrowest ones count; of these the highest weight, as one range may come in two versions.
    static func weight(of type: String, _ subtype: String, in ranges: [MediaRange]) -> Double {
        for (type, subtype) in [(type, subtype), (type, "*"), ("*", "*")] {
            let fitting = ranges.filter { $0.type == type && $0.subtype == subtype }
            if let best = fitting.map(\.weight).max() { return best }
        }
        return 0
    }
}
