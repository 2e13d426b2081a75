import DXWire

extension [UInt8] {
    /// Appends an integer, big-endian.
    mutating func append(bigEndian value: some FixedWidthInteger & UnsignedInteger) {
        var shift = value.bitWidth
        while shift > 0 {
            shift -= 8
            append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    /// A copy of at most `limit` bytes of a datagram.
    init(copying datagram: RawSpan, limit: Int) {
        self.init()
        var reader = ByteReader(datagram)
        reserveCapacity(Swift.min(limit, datagram.byteCount))
        while count < limit, let byte = try? reader.readUInt8() { append(byte) }
    }
}
