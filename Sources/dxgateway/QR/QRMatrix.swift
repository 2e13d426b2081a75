/// The modules of a QR code that is being drawn, without the quiet zone; x goes right and y goes down from 0.
///
/// The order in which a code is drawn matters: patterns, codewords, mask, information. The masks are compared when the
/// modules of the information are still light (ISO/IEC 18004:2015 §7.1 steps 6 and 7).
struct QRMatrix: Sendable {
    /// Modules a side.
    let size: Int
    /// Whether a module is dark; row after row.
    private var dark: [Bool]
    /// Whether a module belongs to a pattern or to the information: no codeword goes there, and no mask.
    private var isReserved: [Bool]

    /// A matrix with its patterns, and nothing else.
    init(_ version: QRVersion) {
        size = version.size
        dark = [Bool](repeating: false, count: size * size)
        isReserved = dark
        addTimingPatterns()
        addFinderPatterns()
        addAlignmentPatterns(version.alignmentPositions)
        addFormatInformation(nil)
        if version.hasVersionInformation { addVersionInformation(nil) }
    }

    /// Whether a module is dark; both coordinates are 0..<size.
    subscript(x: Int, y: Int) -> Bool { dark[y * size + x] }

    /// All modules, from the top down.
    var rows: [[Bool]] { (0..<size).map { Array(dark[$0 * size..<($0 + 1) * size]) } }

    /// Sets a module that is not for codewords.
    private mutating func reserve(_ x: Int, _ y: Int, dark isDark: Bool) {
        dark[y * size + x] = isDark
        isReserved[y * size + x] = true
    }
}

// MARK: - Patterns

extension QRMatrix {
    /// Row 6 and column 6, dark and light in turn (§6.3.5).
    private mutating func addTimingPatterns() {
        for position in 0..<size {
            reserve(position, 6, dark: position.isMultiple(of: 2))
            reserve(6, position, dark: position.isMultiple(of: 2))
        }
    }

    /// A square of 7 modules in three corners, with a light border to the inside (§6.3.3 and §6.3.4).
    private mutating func addFinderPatterns() {
        for (x, y) in [(3, 3), (size - 4, 3), (3, size - 4)] { addSquares(x, y, reach: 4) }
    }

    /// A square of 5 modules where these rows and columns meet, except where there are finder patterns (§6.3.6).
    private mutating func addAlignmentPatterns(_ positions: [Int]) {
        guard let first = positions.first, let last = positions.last else { return }
        for y in positions {
            for x in positions where (x, y) != (first, first) && (x, y) != (first, last) && (x, y) != (last, first) {
                addSquares(x, y, reach: 2)
            }
        }
    }

    /// The squares around a centre of which each has its colour, up to so many modules away from it.
    private mutating func addSquares(_ centerX: Int, _ centerY: Int, reach: Int) {
        for y in max(centerY - reach, 0)...min(centerY + reach, size - 1) {
            for x in max(centerX - reach, 0)...min(centerX + reach, size - 1) {
                let distance = max(abs(x - centerX), abs(y - centerY))
                // A finder pattern has a dark square of 3 modules inside, an alignment pattern a single module.
                let isLight = reach == 4 ? distance == 2 || distance == 4 : distance == 1
                reserve(x, y, dark: !isLight)
            }
        }
    }
}

// MARK: - Information

extension QRMatrix {
    /// Says which level and mask the code has, in two copies (§7.9.1); nil only keeps the modules free.
    mutating func addFormatInformation(_ format: (level: QRLevel, mask: Int)?) {
        var bits = 0
        if let format {
            let value = format.level.indicator << 3 | format.mask
            // Annex C; inverting some of them keeps the bits from being all light.
            bits = Self.withCheckBits(value, count: 10, generator: 0x537) ^ 0x5412
        }
        for index in 0..<15 {
            let isDark = bits >> index & 1 == 1
            // Around the corner at the top left, past the timing patterns.
            switch index {
            case 0...5: reserve(8, index, dark: isDark)
            case 6...7: reserve(8, index + 1, dark: isDark)
            case 8: reserve(7, 8, dark: isDark)
            default: reserve(14 - index, 8, dark: isDark)
            }
            // The other copy: half at the top right, half at the bottom left.
            if index < 8 {
                reserve(size - 1 - index, 8, dark: isDark)
            } else {
                reserve(8, size - 15 + index, dark: isDark)
            }
        }
        // The module that is dark in every code.
        reserve(8, size - 8, dark: format != nil)
    }

    /// Says which version the code has, in two copies (§7.10), from version 7 on; nil only keeps the modules free.
    mutating func addVersionInformation(_ version: QRVersion?) {
        // Annex D.
        let bits = version.map { Self.withCheckBits($0.number, count: 12, generator: 0x1F25) } ?? 0
        for index in 0..<18 {
            let isDark = bits >> index & 1 == 1
            let (long, short) = (index / 3, size - 11 + index % 3)
            reserve(long, short, dark: isDark)
            reserve(short, long, dark: isDark)
        }
    }

    /// A value and behind it so many check bits: what is left when it is divided by the generator polynomial.
    private static func withCheckBits(_ value: Int, count: Int, generator: Int) -> Int {
        var rest = value
        for _ in 0..<count {
            rest <<= 1
            if rest >> count & 1 == 1 { rest ^= generator }
        }
        return value << count | rest
    }
}

// MARK: - Codewords and masks

extension QRMatrix {
    /// Draws the codewords into the free modules: in columns two modules wide, from the right, up and down in turn
    /// (§7.7.3).
    mutating func addCodewords(_ codewords: QRCodewords) {
        var bits = codewords.bytes.lazy.flatMap { byte in (0..<8).reversed().lazy.map { byte >> $0 & 1 == 1 } }
            .makeIterator()
        var isUpward = true
        for column in stride(from: size - 1, to: 0, by: -2) {
            // The timing pattern has column 6 for itself.
            let right = column > 6 ? column : column - 1
            for step in 0..<size {
                let y = isUpward ? size - 1 - step : step
                for x in [right, right - 1] where !isReserved[y * size + x] {
                    // The modules that remain are light.
                    dark[y * size + x] = bits.next() ?? false
                }
            }
            isUpward.toggle()
        }
    }

    /// The matrix with the free modules inverted where a mask (0...7) says so (table 10; i is y and j is x there).
    func masked(_ mask: Int) -> QRMatrix {
        var matrix = self
        for y in 0..<size {
            for x in 0..<size where !isReserved[y * size + x] && Self.isInverted(x, y, mask: mask) {
                matrix.dark[y * size + x].toggle()
            }
        }
        return matrix
    }

    private static func isInverted(_ x: Int, _ y: Int, mask: Int) -> Bool {
        switch mask {
        case 0: (x + y) % 2 == 0
        case 1: y % 2 == 0
        case 2: x % 3 == 0
        case 3: (x + y) % 3 == 0
        case 4: (y / 2 + x / 3) % 2 == 0
        case 5: x * y % 2 + x * y % 3 == 0
        case 6: (x * y % 2 + x * y % 3) % 2 == 0
        default: ((x + y) % 2 + x * y % 3) % 2 == 0
        }
    }
}
