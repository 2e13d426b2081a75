/// A QR code of a text (ISO/IEC 18004:2015), to be shown on a terminal.
///
/// The text is one segment in bytes mode, as UTF-8. Nothing in the code says so: ASCII is the same everywhere, but
/// other characters some readers take for those of another encoding.
struct QRCode: Sendable {
    /// Light modules that readers need on all sides.
    static let quietZone = 4

    /// The smallest that holds the text.
    let version: QRVersion
    /// The best that fits into the version: more error correction that costs no space.
    let level: QRLevel
    /// 0...7: which of the standard's patterns the free modules were inverted with.
    let mask: Int
    private let modules: QRMatrix

    /// The code of a text; nil when the text is longer than the 2,953 bytes that the largest version holds.
    init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard let version = QRVersion(holding: bytes.count) else { return nil }
        let level: QRLevel = bytes.count <= version.capacity(.medium) ? .medium : .low
        var matrix = QRMatrix(version)
        matrix.addCodewords(QRCodewords(bytes, version: version, level: level))
        // Of masks that are equally good the first one is taken.
        let candidates = (0..<8).map { (mask: $0, penalty: QRPenalty(matrix.masked($0).rows).points) }
        let mask = candidates.min { $0.penalty < $1.penalty }?.mask ?? 0
        matrix = matrix.masked(mask)
        matrix.addFormatInformation((level, mask))
        if version.hasVersionInformation { matrix.addVersionInformation(version) }
        (self.version, self.level, self.mask, modules) = (version, level, mask, matrix)
    }

    /// Modules a side, without the quiet zone: 21...177.
    var size: Int { version.size }

    /// Whether a module is dark; x goes right and y goes down from 0, and all around is light.
    subscript(x: Int, y: Int) -> Bool {
        let range = 0..<size
        return range.contains(x) && range.contains(y) && modules[x, y]
    }

    /// The code with its quiet zone, as lines of half blocks; no line break at the end.
    ///
    /// A character is one module wide and two high, as terminals have characters about twice as high as wide. The
    /// colours are set to black on white, because many readers want dark modules on a light ground.
    var terminalText: String {
        let range = -Self.quietZone..<size + Self.quietZone
        let lines = stride(from: range.lowerBound, to: range.upperBound, by: 2).map { y in
            let blocks = range.map { x in Self.block(upper: self[x, y], lower: self[x, y + 1]) }
            // Reset in each line: else some terminals go on with the colours to their right edge.
            return "\u{1B}[30;47m" + String(blocks) + "\u{1B}[0m"
        }
        return lines.joined(separator: "\n")
    }

    /// The character that shows two modules, one above the other.
    private static func block(upper: Bool, lower: Bool) -> Character {
        switch (upper, lower) {
        case (true, true): "\u{2588}"
        case (true, false): "\u{2580}"
        case (false, true): "\u{2584}"
        case (false, false): " "
        }
    }
}
