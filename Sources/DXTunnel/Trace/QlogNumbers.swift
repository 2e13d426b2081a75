import DXWire
import NIOCore

/// JSON as a trace needs it. Hand-made: a busy channel has a hundred thousand events a second, and a general encoder takes longer for
/// one than a packet does.
extension ByteBuffer {
    /// A whole number.
    mutating func writeJSON(number: some BinaryInteger) { writeString(String(number)) }

    /// A span in milliseconds, with three digits after the point; 0 when negative.
    mutating func writeJSON(milliseconds span: Interval) {
        let microseconds = UInt64(max(span.nanoseconds, 0)) / 1_000
        writeString(String(microseconds / 1_000))
        let rest = microseconds % 1_000
        guard rest > 0 else { return }
        writeStaticString(rest < 10 ? ".00" : rest < 100 ? ".0" : ".")
        writeString(String(rest))
    }

    /// A string.
    mutating func writeJSON(string: String) {
        writeStaticString("\"")
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": writeStaticString("\\\"")
            case "\\": writeStaticString("\\\\")
            case "\u{0}"..<"\u{20}":
                let digits = String(scalar.value, radix: 16)
                writeString("\\u" + String(repeating: "0", count: 4 - digits.count) + digits)
            default: writeString(String(scalar))
            }
        }
        writeStaticString("\"")
    }
}

/// The members of an object that changed.
struct QlogMembers {
    private(set) var text = ByteBuffer()

    /// Whether none did.
    var isEmpty: Bool { text.readableBytes == 0 }

    /// Adds a number if it is another than before.
    mutating func add(_ name: StaticString, _ value: Int?, _ before: Int?) {
        guard let value, value != before else { return }
        begin(name)
        text.writeJSON(number: value)
    }

    /// Adds a span, in milliseconds, if it is another than before.
    mutating func add(_ name: StaticString, _ value: Interval?, _ before: Interval?) {
        guard let value, value != before else { return }
        begin(name)
        text.writeJSON(milliseconds: value)
    }

    private mutating func begin(_ name: StaticString) {
        if !isEmpty { text.writeStaticString(",") }
        text.writeStaticString("\"")
        text.writeStaticString(name)
        text.writeStaticString("\":")
    }
}
