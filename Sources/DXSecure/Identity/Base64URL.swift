import DXWire

/// Unpadded base64url (RFC 4648 §5), written without tables so that neither time nor cache tells the secret's bytes.
public enum Base64URL {
    /// The text of `bytes`.
    public static func text(_ bytes: [UInt8]) -> String {
        let characters = unsafe [UInt8](unsafeUninitializedCapacity: encodedByteCount(bytes.count)) { memory, count in
            var output = unsafe OutputRawSpan(buffer: UnsafeMutableRawBufferPointer(memory), initializedCount: 0)
            unsafe encode(bytes.span.bytes, into: &output)
            count = output.byteCount
        }
        return String(decoding: characters, as: UTF8.self)
    }

    /// The bytes of `text`; nil when it is not the text of any.
    public static func bytes(_ text: some StringProtocol) -> [UInt8]? {
        let characters = Array(text.utf8)
        var isGood = false
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: characters.count) { memory, count in
            var output = unsafe OutputRawSpan(buffer: UnsafeMutableRawBufferPointer(memory), initializedCount: 0)
            isGood = unsafe decode(characters.span.bytes, into: &output)
            count = output.byteCount
        }
        return isGood ? bytes : nil
    }

    /// The characters that `byteCount` bytes take.
    static func encodedByteCount(_ byteCount: Int) -> Int { (byteCount * 8 + 5) / 6 }

    /// Appends the text of `bytes`; the output must have room for it.
    @_lifetime(output: copy output)
    static func encode(_ bytes: RawSpan, into output: inout OutputRawSpan) {
        var bits: UInt32 = 0
        var bitCount = 0
        var reader = ByteReader(bytes)
        while let byte = try? reader.readUInt8() {
            bits = bits &<< 8 | UInt32(byte)
            bitCount += 8
            while bitCount >= 6 {
                bitCount -= 6
                output.write(character(Int32(bits &>> UInt32(bitCount) & 63)))
            }
        }
        if bitCount > 0 { output.write(character(Int32(bits &<< UInt32(6 - bitCount) & 63))) }
    }

    /// Appends the bytes of `text`, for which the output must have room. False when a character does not belong, the
    /// length is impossible, or bits are left over that are not zero.
    @_lifetime(output: copy output)
    static func decode(_ text: RawSpan, into output: inout OutputRawSpan) -> Bool {
        var bits: UInt32 = 0
        var bitCount = 0
        var isGood = text.byteCount % 4 != 1
        var reader = ByteReader(text)
        while let byte = try? reader.readUInt8() {
            let value = value(Int32(byte))
            isGood = isGood && value >= 0
            bits = bits &<< 6 | UInt32(truncatingIfNeeded: value & 63)
            bitCount += 6
            if bitCount >= 8 {
                bitCount -= 8
                guard output.freeCapacity > 0 else { return false }
                output.write(UInt8(truncatingIfNeeded: bits &>> UInt32(bitCount)))
            }
        }
        return isGood && bits & ((1 &<< UInt32(bitCount)) &- 1) == 0
    }

    /// All ones when `low <= value <= high`, else zero. The arguments are small, so the differences do not overflow.
    private static func mask(_ value: Int32, _ low: Int32, _ high: Int32) -> Int32 {
        ~((value &- low) &>> 31) & ~((high &- value) &>> 31)
    }

    private static func character(_ value: Int32) -> UInt8 {
        var result = mask(value, 0, 25) & (value &+ 65)
        result |= mask(value, 26, 51) & (value &- 26 &+ 97)
        result |= mask(value, 52, 61) & (value &- 52 &+ 48)
        result |= mask(value, 62, 62) & 45
        result |= mask(value, 63, 63) & 95
        return UInt8(truncatingIfNeeded: result)
    }

    /// 0 to 63, or -1.
    private static func value(_ character: Int32) -> Int32 {
        var result = mask(character, 65, 90) & (character &- 65 &+ 1)
        result |= mask(character, 97, 122) & (character &- 97 &+ 27)
        result |= mask(character, 48, 57) & (character &- 48 &+ 53)
        result |= mask(character, 45, 45) & 63
        result |= mask(character, 95, 95) & 64
        return result &- 1
    }
}
