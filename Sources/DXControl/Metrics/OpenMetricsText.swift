/// Writes metrics as OpenMetrics text (the specification of that name, version 1.0.0): what Prometheus and its kind read.
///
/// Families are written one after the other, each once, with units in their names; `finished` closes the text.
public struct OpenMetricsText {
    /// What a number means.
    public enum Kind: String, Sendable {
        /// A state, which goes up and down.
        case gauge
        /// A count since the start. Its samples get the ending `_total`.
        case counter
    }

    /// One number of a family.
    public struct Sample {
        /// What tells it from the others of its family.
        public var labels: [(name: String, value: String)]
        /// The number.
        public var value: Double

        /// A number with labels.
        public init(_ value: some BinaryInteger, _ labels: (String, String)...) {
            self.value = Double(value)
            self.labels = labels.map { (name: $0.0, value: $0.1) }
        }

        /// A number that is not whole.
        public init(seconds value: Double) {
            self.value = value
            labels = []
        }
    }

    /// The type of the text, for HTTP.
    public static let contentType = "application/openmetrics-text; version=1.0.0; charset=utf-8"

    private var text = ""

    /// No metrics yet.
    public init() {}

    /// The whole text.
    public var finished: String { text + "# EOF\n" }

    /// Writes a family.
    ///
    /// - Parameters:
    ///   - name: without `_total`; ends in the unit if there is one. Letters, digits and underscores.
    ///   - unit: the ending of the name that is a unit (`bytes`, `seconds`).
    ///   - help: one sentence.
    public mutating func family(
        _ name: String, _ kind: Kind, unit: String? = nil, _ help: String, _ samples: [Sample]
    ) {
        precondition(unit.map { name.hasSuffix("_" + $0) } ?? true, "a metric's name ends in its unit")
        text += "# TYPE \(name) \(kind.rawValue)\n"
        if let unit { text += "# UNIT \(name) \(unit)\n" }
        text += "# HELP \(name) \(Self.escaped(help))\n"
        for sample in samples {
            text += kind == .counter ? name + "_total" : name
            if !sample.labels.isEmpty {
                let labels = sample.labels.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }
                text += "{" + labels.joined(separator: ",") + "}"
            }
            text += " \(Self.number(sample.value))\n"
        }
    }

    /// Writes a family of one number.
    public mutating func gauge(_ name: String, unit: String? = nil, _ help: String, _ value: some BinaryInteger) {
        family(name, .gauge, unit: unit, help, [Sample(value)])
    }

    /// Writes a family of one count.
    public mutating func counter(_ name: String, unit: String? = nil, _ help: String, _ value: some BinaryInteger) {
        family(name, .counter, unit: unit, help, [Sample(value)])
    }

    /// Whole numbers without a point, up to where a Double holds them all.
    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 0x1p53 ? String(Int64(value)) : String(value)
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.append(character)
            }
        }
        return result
    }
}
