/// Text in columns.
enum TextTable {
    /// A column of a table that has to fit into a width.
    struct Column {
        /// What stands above it.
        var title: String
        /// 0: it stays whatever happens; of the others the highest one goes first.
        var rank = 0
        /// Numbers end below one another.
        var isNumber = false
        /// Whether its cells may be cut to `leastWidth`.
        var shrinks = false

        /// Cells are not cut below so many columns: a name is still told from another one.
        static let leastWidth = 10
    }

    /// Columns as wide as their widest cell, two spaces apart.
    static func text(_ head: [String], _ rows: [[String]]) -> [String] {
        fitted(head.map { Column(title: $0) }, rows, width: nil)
    }

    /// The same in lines of at most `width` columns: first columns are left out, those of the highest rank before others, then the widest
    /// cells are cut. Nothing is done to them when `width` is nil. The first line is the head.
    static func fitted(_ columns: [Column], _ rows: [[String]], width: Int?) -> [String] {
        let cells = ([columns.map(\.title)] + rows).map { $0.map(TextFit.clean) }
        var widths = columns.indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
        var kept = Array(columns.indices)
        if let width {
            func excess() -> Int { kept.reduce(-2) { $0 + widths[$1] + 2 } - width }
            while excess() > 0, let rank = kept.map({ columns[$0].rank }).max(), rank > 0,
                let last = kept.lastIndex(where: { columns[$0].rank == rank })
            {
                kept.remove(at: last)
            }
            while excess() > 0,
                let widest = kept.filter({ columns[$0].shrinks && widths[$0] > Column.leastWidth })
                    .max(by: { widths[$0] < widths[$1] })
            {
                widths[widest] = max(Column.leastWidth, widths[widest] - excess())
            }
        }
        return cells.map { row in
            var line = kept.map { column in
                TextFit.padded(
                    TextFit.cut(row[column], widths[column]), widths[column], isNumber: columns[column].isNumber)
            }.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return TextFit.cut(line, width)
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
