/// What a QR code holds: a text and what corrects its errors, in the order in which the modules take it.
struct QRCodewords: Sendable {
    /// As many as the version has.
    let bytes: [UInt8]

    /// The codewords of a text, which must fit into the version at this level.
    init(_ text: [UInt8], version: QRVersion, level: QRLevel) {
        let data = Self.data(text, version: version, level: level)
        let blocks = Self.blocks(data, count: version.blocks(level))
        let code = ReedSolomon(count: version.correctionCodewords(level))
        bytes = Self.interleaved(blocks) + Self.interleaved(blocks.map { code.codewords(for: $0)[...] })
    }

    /// The data codewords in bytes mode (ISO/IEC 18004:2015 §7.4.5, §7.4.9 and §7.4.10).
    private static func data(_ text: [UInt8], version: QRVersion, level: QRLevel) -> [UInt8] {
        // Mode (table 2) and terminator are four bits each, so the text begins and ends in the middle of a codeword.
        let mode: UInt8 = 0b0100
        let terminator: UInt8 = 0
        let count = (0..<version.countBytes).reversed().map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) }
        let halves = [mode] + (count + text).flatMap { [$0 >> 4, $0 & 0xF] } + [terminator]
        var data = stride(from: 0, to: halves.count, by: 2).map { halves[$0] << 4 | halves[$0 + 1] }
        var pad: UInt8 = 0xEC
        while data.count < version.dataCodewords(level) {
            data.append(pad)
            pad ^= 0xEC ^ 0x11
        }
        return data
    }

    /// The data in so many blocks; the last ones are a codeword longer where it cannot be divided.
    private static func blocks(_ data: [UInt8], count: Int) -> [ArraySlice<UInt8>] {
        let (length, longer) = data.count.quotientAndRemainder(dividingBy: count)
        var rest = data[...]
        return (0..<count).map { index in
            let block = rest.prefix(index < count - longer ? length : length + 1)
            rest = rest.dropFirst(block.count)
            return block
        }
    }

    /// The first codeword of each block, then the second of each, and so on (§7.6).
    private static func interleaved(_ blocks: [ArraySlice<UInt8>]) -> [UInt8] {
        let longest = blocks.map(\.count).max() ?? 0
        return (0..<longest).flatMap { offset in
            blocks.compactMap { $0.dropFirst(offset).first }
        }
    }
}
