/// Text in columns.
enum TextTable {
    /// Columns as wide as their widest cell, two spaces apart.
    static func text(_ head: [String], _ rows: [[String]]) -> [String] {
        let widths = head.indices.map { column in ([head] + rows).map { $0[column].count }.max() ?? 0 }
        return ([head] + rows).map { row in
            var line = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
                .joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return line
        }
    }

    /// What belongs to a word at the left, over several lines where it is long.
    static func paragraph(_ word: String, _ texts: [String], width: Int = 18) -> [String] {
        texts.enumerated().map { number, text in
            let left = number == 0 ? word : ""
            return left + String(repeating: " ", count: max(1, width - left.count)) + text
        }
    }
}
