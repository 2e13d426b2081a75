import CDXOpenSSL
public import DXWire

/// 32 opaque bytes as one trivial value: a challenge, a hash, a coordinate, half a signature.
///
/// `==` stops at the first difference; use `isEqualInConstantTime(to:)` where the value is a secret's.
public struct Bytes32: Hashable, Sendable, BitwiseCopyable {
    private let word0: UInt64
    private let word1: UInt64
    private let word2: UInt64
    private let word3: UInt64

    /// The length on the wire.
    public static let byteCount = 32

    /// Reads 32 bytes.
    public init(reading reader: inout ByteReader) throws(DecodeError) {
        word0 = try reader.readUInt64()
        word1 = try reader.readUInt64()
        word2 = try reader.readUInt64()
        word3 = try reader.readUInt64()
    }

    /// The 32 bytes of `bytes` from `offset` on, which must be there (a programming error: traps).
    init(_ bytes: RawSpan, at offset: Int = 0) {
        var reader = ByteReader(bytes, at: offset)
        guard let value = try? Bytes32(reading: &reader) else { preconditionFailure("32 bytes are there to be read") }
        self = value
    }

    /// The SHA-256 (FIPS 180-4) of `bytes`.
    public init(sha256 bytes: RawSpan) {
        var digest = [UInt8](repeating: 0, count: Self.byteCount)
        let isDone = unsafe bytes.withUnsafeBytes { bytes in
            unsafe EVP_Digest(bytes.baseAddress, bytes.count, &digest, nil, EVP_sha256(), nil) == 1
        }
        precondition(isDone, "SHA-256 of bytes in memory does not fail")
        unsafe self.init(digest.span.bytes)
    }

    /// The HMAC-SHA256 (RFC 2104) of `bytes` under a key of 32 bytes; a shorter one has zeros behind it, which HMAC takes for the
    /// same.
    public init(hmacSHA256 bytes: RawSpan, key: Bytes32) {
        var mac = [UInt8](repeating: 0, count: Self.byteCount)
        var key = key.bytes
        defer { unsafe OPENSSL_cleanse(&key, key.count) }
        let isDone = unsafe bytes.withUnsafeBytes { bytes in
            unsafe dx_hmac_sha256(key, bytes.baseAddress, bytes.count, &mac) == 1
        }
        precondition(isDone, "OpenSSL computes HMAC-SHA256")
        unsafe self.init(mac.span.bytes)
    }

    /// The bytes of a gateway id.
    init(_ id: GatewayID) { (word0, word1, word2, word3) = id.words }

    /// Compares all bytes whatever the first difference.
    public func isEqualInConstantTime(to other: Bytes32) -> Bool {
        (word0 ^ other.word0) | (word1 ^ other.word1) | (word2 ^ other.word2) | (word3 ^ other.word3) == 0
    }

    /// Appends the 32 bytes.
    @_lifetime(output: copy output)
    public func write(to output: inout OutputRawSpan) {
        output.write(word0)
        output.write(word1)
        output.write(word2)
        output.write(word3)
    }

    /// The 32 bytes.
    public var bytes: [UInt8] {
        [word0, word1, word2, word3].flatMap { word in
            stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: word &>> UInt64($0)) }
        }
    }
}

extension Bytes32: Comparable {
    /// Orders by bytes. Not in constant time.
    public static func < (left: Bytes32, right: Bytes32) -> Bool {
        if left.word0 != right.word0 { return left.word0 < right.word0 }
        if left.word1 != right.word1 { return left.word1 < right.word1 }
        if left.word2 != right.word2 { return left.word2 < right.word2 }
        return left.word3 < right.word3
    }
}
