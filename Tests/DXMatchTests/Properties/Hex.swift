/// Bytes as text and back, for vectors.
enum Hex {
    /// The bytes that `text` writes as pairs of hexadecimal digits; spaces and line ends stand between bytes at will.
    /// Traps on anything else: a vector is part of the test.
    static func bytes(_ text: String) -> [UInt8] {
        let digits = text.filter { !$0.isWhitespace }.map { character -> UInt8 in
            guard let digit = character.hexDigitValue else { preconditionFailure("not a digit in \(text)") }
            return UInt8(digit)
        }
        precondition(digits.count.isMultiple(of: 2), "half a byte in \(text)")
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    /// The bytes as hexadecimal digits, without spaces.
    static func text(_ bytes: [UInt8]) -> String {
        bytes.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }
}
