/// Writes metrics as text for Prometheus and its kind: OpenMetrics (the specification of that name, version 1.0.0), or the older text
/// format of Prometheus (version 0.0.4) for collectors that know no other.
///
/// Families are written one after the other, each once, with units in their names; `finished` closes the text.
public struct OpenMetricsText {
    /// How the text is written.
    public enum Format: Sendable, CaseIterable {
        /// OpenMetrics 1.0.0.
        case openMetrics
        /// The text format of Prometheus, 0.0.4: counters are called by the names of their samples, there are no units and no end.
        case prometheus

        /// The type of the text, for HTTP.
        public var contentType: String {
            switch self {
            case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
            case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
            }
        }
    }

    /// What a number means.
    public enum Kind: String, Sendable {
        /// A state, which goes up and down.
        case gauge
        /// A count since the start. Its samples get the ending `_total`.
        case counter
        /// Words that stand in labels; the number is 1. Its samples get the ending `_info`.
        case info
    }

    /// One number of a family.
    public struct Sample {
        /// What tells it from the others of its family.
        public var labels: [(name: String, value: String)]
        /// The number.
        public var value: Double

        /// A number with labels.
        public init(_ value: some BinaryInteger, _ labels: (String, String)...) {
            self.init(Double(value), labels)
        }

        /// A number that is not whole, with labels.
        public init(seconds value: Double, _ labels: (String, String)...) { self.init(value, labels) }

        /// The same with labels in a list.
        init(_ value: Double, _ labels: [(String, String)]) {
            self.value = value
            self.labels = labels.map { (name: $0.0, value: $0.1) }
        }
    }

    /// A distribution with labels.
    struct Distribution {
        /// What tells it from the others of its family.
        var labels: [(String, String)]
        /// The upper ends of the classes but the last, in the family's unit, rising.
        var bounds: [Double]
        /// How many fell into each class, one more than there are bounds.
        var counts: [UInt64]
        /// All that fell into them, added up.
        var sum: Double
    }

    private let format: Format
    private var text = ""

    /// No metrics yet.
    public init(_ format: Format = .openMetrics) { self.format = format }

    /// The whole text.
    public var finished: String { format == .openMetrics ? text + "# EOF\n" : text }

    /// Writes a family; one without samples is left out.
    ///
    /// - Parameters:
    ///   - name: without `_total`; ends in the unit if there is one. Letters, digits and underscores.
    ///   - unit: the ending of the name that is a unit (`bytes`, `seconds`).
    ///   - help: one sentence.
    public mutating func family(
        _ name: String, _ kind: Kind, unit: String? = nil, _ help: String, _ samples: [Sample]
    ) {
        guard !samples.isEmpty else { return }
        let sampleName =
            switch kind {
            case .gauge: name
            case .counter: name + "_total"
            case .info: name + "_info"
            }
        let isOld = format == .prometheus
        head(isOld ? sampleName : name, isOld && kind == .info ? "gauge" : kind.rawValue, unit: unit, help)
        for sample in samples { line(sampleName, sample.labels.map { ($0.name, $0.value) }, sample.value) }
    }

    /// Writes a family of one number.
    public mutating func gauge(_ name: String, unit: String? = nil, _ help: String, _ value: some BinaryInteger) {
        family(name, .gauge, unit: unit, help, [Sample(value)])
    }

    /// Writes a family of one count.
    public mutating func counter(_ name: String, unit: String? = nil, _ help: String, _ value: some BinaryInteger) {
        family(name, .counter, unit: unit, help, [Sample(value)])
    }

    /// Writes a family of distributions; nothing when there are none.
    mutating func histogram(_ name: String, unit: String, _ help: String, _ distributions: [Distribution]) {
        guard !distributions.isEmpty else { return }
        head(name, "histogram", unit: unit, help)
        for each in distributions {
            var count: UInt64 = 0
            for (number, inClass) in each.counts.enumerated() {
                count &+= inClass
                let bound = number < each.bounds.count ? "\(each.bounds[number])" : "+Inf"
                line(name + "_bucket", each.labels + [("le", bound)], Double(count))
            }
            line(name + "_count", each.labels, Double(count))
            line(name + "_sum", each.labels, each.sum)
        }
    }

    private mutating func head(_ name: String, _ type: String, unit: String?, _ help: String) {
        text += "# TYPE \(name) \(type)\n"
        if let unit {
            precondition(name.hasSuffix("_" + unit) || name.hasSuffix("_\(unit)_total"), "a name ends in its unit")
            if format == .openMetrics { text += "# UNIT \(name) \(unit)\n" }
        }
        text += "# HELP \(name) \(escaped(help, isLabel: false))\n"
    }

    private mutating func line(_ name: String, _ labels: [(String, String)], _ value: Double) {
        text += name
        if !labels.isEmpty {
            text += "{" + labels.map { "\($0.0)=\"\(escaped($0.1, isLabel: true))\"" }.joined(separator: ",") + "}"
        }
        text += " \(Self.number(value))\n"
    }

    /// Whole numbers without a point, up to where a Double holds them all.
    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 0x1p53 ? String(Int64(value)) : String(value)
    }

    /// The older format escapes quotes in labels only.
    private func escaped(_ text: String, isLabel: Bool) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\"" where isLabel || format == .openMetrics: result += "\\\""
            case "\n": result += "\\n"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
