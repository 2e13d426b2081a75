/// How much of a QR code may be lost before it cannot be read.
enum QRLevel: Sendable {
    /// Level L: about 7 % of the codewords.
    case low
    /// Level M: about 15 %.
    case medium

    /// The two bits of the format information (ISO/IEC 18004:2015 table 12).
    var indicator: Int {
        switch self {
        case .low: 0b01
        case .medium: 0b00
        }
    }
}

/// The size of a QR code, and all that follows from it (table numbers are those of ISO/IEC 18004:2015).
struct QRVersion: Hashable, Sendable {
    /// 1...40.
    let number: Int

    /// The smallest version that holds so many bytes at level L, if one does.
    init?(holding bytes: Int) {
        let versions = (1...40).lazy.map { QRVersion(number: $0) }
        guard let version = versions.first(where: { bytes <= $0.capacity(.low) }) else { return nil }
        self = version
    }

    private init(number: Int) { self.number = number }

    /// Modules a side, without the quiet zone: 21...177 (table 1).
    var size: Int { 4 * number + 17 }

    /// The bytes of the character count, in bytes mode (table 3: 8 or 16 bits).
    var countBytes: Int { number < 10 ? 1 : 2 }

    /// How many bytes of text fit (table 7); the mode and the terminator take half a byte each.
    func capacity(_ level: QRLevel) -> Int { dataCodewords(level) - countBytes - 1 }

    /// The codewords that are not for error correction (table 7).
    func dataCodewords(_ level: QRLevel) -> Int { codewords - blocks(level) * correctionCodewords(level) }

    /// All codewords (table 1): the modules that no pattern takes, eight to a codeword; up to 7 modules remain.
    var codewords: Int {
        // Three finder patterns with their separators, and two timing patterns between them.
        var modules = size * size - 3 * 8 * 8 - 2 * (size - 16)
        // Two copies of the format information and the dark module; two of the version information.
        modules -= 2 * 15 + 1 + (hasVersionInformation ? 2 * 18 : 0)
        let count = alignmentPositions.count
        if count > 0 {
            // Three corners have a finder pattern instead; those on a timing pattern share 5 modules with it.
            modules -= (count * count - 3) * 25 - 2 * (count - 2) * 5
        }
        return modules / 8
    }

    /// Whether the code says its version: small ones are known by their size.
    var hasVersionInformation: Bool { number >= 7 }

    /// The rows, and the columns, of the centres of the alignment patterns (table E.1).
    var alignmentPositions: [Int] {
        guard number > 1 else { return [] }
        let gaps = number / 7 + 1
        // The last and the first one are given; those between have even distances, counted from the last one, as
        // equal as can be. The table's only exception is version 32.
        let distance = number == 32 ? 26 : 2 * ((size - 13 + 2 * gaps - 1) / (2 * gaps))
        return [6] + (0..<gaps).reversed().map { size - 7 - $0 * distance }
    }

    /// Into how many blocks the data is divided (table 9).
    func blocks(_ level: QRLevel) -> Int {
        switch level {
        case .low: Self.lowBlocks[number - 1]
        case .medium: Self.mediumBlocks[number - 1]
        }
    }

    /// The error correction codewords of one block (table 9).
    func correctionCodewords(_ level: QRLevel) -> Int {
        switch level {
        case .low: Self.lowCorrection[number - 1]
        case .medium: Self.mediumCorrection[number - 1]
        }
    }

    /// Table 9, level L: number of error correction blocks, of versions 1 to 40.
    private static let lowBlocks = [
        1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6, 6, 6, 7, 8,
        8, 9, 9, 10, 12, 12, 12, 13, 14, 15, 16, 17, 18, 19, 19, 20, 21, 22, 24, 25,
    ]
    /// Table 9, level L: error correction codewords per block.
    private static let lowCorrection = [
        7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22, 24, 28, 30, 28, 28,
        28, 28, 30, 30, 26, 28, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30,
    ]
    /// Table 9, level M: number of error correction blocks.
    private static let mediumBlocks = [
        1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16,
        17, 17, 18, 20, 21, 23, 25, 26, 28, 29, 31, 33, 35, 37, 38, 40, 43, 45, 47, 49,
    ]
    /// Table 9, level M: error correction codewords per block.
    private static let mediumCorrection = [
        10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26,
        26, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    ]
}
