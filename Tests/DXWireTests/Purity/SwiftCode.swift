/// Swift source with comments and the text of string literals turned into spaces, so that only code is left to search.
/// Lines stay where they are; code inside an interpolation stays code.
struct SwiftCode {
    private let source: [UInt8]
    private var position = 0
    private var output: [UInt8] = []

    /// The code of `text`. Any text gives a result; regular-expression literals are taken as code.
    static func stripped(_ text: String) -> String {
        var code = SwiftCode(source: Array(text.utf8))
        code.copyCode(untilParenthesis: false)
        return String(decoding: code.output, as: UTF8.self)
    }

    private init(source: [UInt8]) { self.source = source }

    private func startsWith(_ text: String, after offset: Int = 0) -> Bool {
        source.dropFirst(position + offset).starts(with: text.utf8)
    }

    private mutating func keep() {
        output.append(source[position])
        position += 1
    }

    private mutating func blank(_ count: Int) {
        for _ in 0..<count where position < source.count {
            output.append(source[position] == UInt8(ascii: "\n") ? UInt8(ascii: "\n") : UInt8(ascii: " "))
            position += 1
        }
    }

    /// Copies code to the end, or to the parenthesis that closes the one before it.
    private mutating func copyCode(untilParenthesis: Bool) {
        var depth = 0
        while position < source.count {
            if startsWith("//") {
                while position < source.count, source[position] != UInt8(ascii: "\n") { blank(1) }
            } else if startsWith("/*") {
                blankBlockComment()
            } else if let hashes = literalStart() {
                blankLiteral(hashes: hashes)
            } else {
                if source[position] == UInt8(ascii: "(") { depth += 1 }
                if source[position] == UInt8(ascii: ")") {
                    if depth == 0 && untilParenthesis { return }
                    depth -= 1
                }
                keep()
            }
        }
    }

    private mutating func blankBlockComment() {
        var depth = 0
        repeat {
            if startsWith("/*") {
                depth += 1
                blank(2)
            } else if startsWith("*/") {
                depth -= 1
                blank(2)
            } else {
                blank(1)
            }
        } while depth > 0 && position < source.count
    }

    /// The number of `#` before a quotation mark here, if a literal starts here.
    private func literalStart() -> Int? {
        let hashes = source[position...].prefix { $0 == UInt8(ascii: "#") }.count
        return startsWith("\"", after: hashes) ? hashes : nil
    }

    private mutating func blankLiteral(hashes: Int) {
        let marks = String(repeating: "#", count: hashes)
        let quotation = startsWith("\"\"\"", after: hashes) ? "\"\"\"" : "\""
        let (end, escape) = (quotation + marks, "\\" + marks)
        blank(hashes + quotation.utf8.count)
        while position < source.count, !startsWith(end) {
            if startsWith(escape + "(") {
                blank(escape.utf8.count)
                keep()
                copyCode(untilParenthesis: true)
            } else if startsWith(escape) {
                blank(escape.utf8.count + 1)
            } else {
                blank(1)
            }
        }
        blank(end.utf8.count)
    }
}
