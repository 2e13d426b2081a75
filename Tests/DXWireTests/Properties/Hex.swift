/// The bytes that `text` writes as pairs of hexadecimal digits; spaces and line ends stand between bytes at will.
/// Traps on anything else: a vector is part of the test.
func hex(_ text: String) -> [UInt8] {
    var bytes: [UInt8] = []
    var high: UInt8?
    for character in text where !character.isWhitespace {
        guard let digit = character.hexDigitValue.map(UInt8.init) else { preconditionFailure("not a digit in \(text)") }
        if let first = high {
            bytes.append(first << 4 | digit)
            high = nil
        } else {
            high = digit
        }
    }
    precondition(high == nil, "half a byte in \(text)")
    return bytes
}

/// The bytes as hexadecimal digits, without spaces.
func hexText(_ bytes: [UInt8]) -> String {
    bytes.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
}
