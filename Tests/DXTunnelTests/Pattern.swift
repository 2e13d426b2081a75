import DXWire

/// Bytes that differ by seed and nowhere repeat, so that anything lost, doubled or out of place shows.
enum Pattern {
    static func bytes(_ count: Int, seed: UInt64) -> [UInt8] {
        var random = RandomSource(seed: seed)
        return unsafe [UInt8](unsafeUninitializedCapacity: count + 8) { buffer, initialized in
            let memory = UnsafeMutableRawBufferPointer(buffer)
            for offset in stride(from: 0, to: count, by: 8) {
                unsafe memory.storeBytes(of: random.next(), toByteOffset: offset, as: UInt64.self)
            }
            initialized = count
        }
    }
}
