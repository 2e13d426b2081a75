import CDXOpenSSL

/// Random numbers for keys, nonces and ids: OpenSSL's generator, seeded by the kernel.
public enum SecureRandom {
    /// Fills `buffer`. A machine whose kernel gives no randomness cannot keep any promise: it stops here.
    static func fill(_ buffer: UnsafeMutableRawBufferPointer) {
        precondition(buffer.count <= 65_536, "random bytes are asked for in small pieces")
        guard unsafe RAND_bytes(buffer.baseAddress?.assumingMemoryBound(to: UInt8.self), Int32(buffer.count)) == 1
        else { preconditionFailure("the random generator of OpenSSL works") }
    }

    /// 64 random bits.
    public static func next() -> UInt64 {
        var value: UInt64 = 0
        unsafe withUnsafeMutableBytes(of: &value) { unsafe fill($0) }
        return value
    }
}
