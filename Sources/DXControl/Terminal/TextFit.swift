/// Makes text fit into columns.
enum TextFit {
    /// The text without what would steer a terminal: names and errors come from other machines.
    static func clean(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isControl) else { return text }
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars { result.append(isControl(scalar) ? "?" : scalar) }
        return String(result)
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }

    /// The text cut to at most `width` columns, with dots at the end where something is missing; all of it when `width` is nil.
    static func cut(_ text: String, _ width: Int?) -> String {
        guard let width, text.count > width else { return text }
        let dots = min(3, max(0, width - 1))
        return String(text.prefix(max(0, width - dots))) + String(repeating: ".", count: dots)
    }

    /// The text with spaces behind it, or before it, to be `width` columns wide.
    static func padded(_ text: String, _ width: Int, isNumber: Bool = false) -> String {
        let spaces = String(repeating: " ", count: max(0, width - text.count))
        return isNumber ? spaces + text : text + spaces
    }

    /// The text in lines of at most `width` columns, broken at spaces where there are some; at most `lines` of them, the last one
    /// with dots where something is missing. One line when `width` is nil.
    static func wrapped(_ text: String, _ width: Int?, lines limit: Int) -> [String] {
        guard let width, text.count > width, width > 0 else { return [text] }
        var lines: [String] = []
        var rest = text[...]
        while rest.count > width, lines.count < limit - 1 {
            let head = rest.prefix(width + 1)
            // A word longer than half a line is broken rather than left to the next one.
            let space = head.lastIndex(of: " ").flatMap { head[..<$0].count > width / 2 ? $0 : nil }
            let end = space ?? head.index(head.startIndex, offsetBy: width)
            lines.append(String(rest[..<end]))
            rest = rest[end...].drop { $0 == " " }
        }
        lines.append(cut(String(rest), width))
        return lines
    }
}
