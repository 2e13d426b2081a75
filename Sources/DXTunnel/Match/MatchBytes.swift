import DXMatch
import DXSecure
import DXWire

/// The same bytes in the types of two modules that do not know each other: DXMatch has no cryptography, DXSecure no matchmaker.

extension Block32 {
    /// The same 32 bytes.
    init(_ bytes: Bytes32) { self = Self.reread(32, { bytes.write(to: &$0) }, as: Block32.init(reading:)) }

    /// What `write` writes, read again by `read`; both have `byteCount` bytes, and all bytes are good (a programming error
    /// otherwise: traps).
    fileprivate static func reread<Value>(
        _ byteCount: Int, _ write: (inout OutputRawSpan) -> Void,
        as read: (inout ByteReader) throws(DecodeError) -> Value
    ) -> Value {
        let bytes = [UInt8](capacity: byteCount, writing: write)
        var reader = unsafe ByteReader(bytes.span.bytes)
        guard let value = try? read(&reader) else { preconditionFailure("the same bytes are good in both modules") }
        return value
    }
}

extension Bytes32 {
    /// The same 32 bytes.
    init(_ block: Block32) { self = Block32.reread(32, { block.write(to: &$0) }, as: Bytes32.init(reading:)) }
}

extension PublicPoint {
    /// The same point.
    init(_ key: PublicKey) {
        self = Block32.reread(PublicKey.byteCount, { key.write(to: &$0) }, as: PublicPoint.init(reading:))
    }
}

extension PublicKey {
    /// The same point, on the curve or not.
    init(_ point: PublicPoint) {
        self = Block32.reread(PublicPoint.byteCount, { point.write(to: &$0) }, as: PublicKey.init(reading:))
    }
}

extension MatchSignature {
    /// The same signature.
    init(_ signature: Signature) {
        self = Block32.reread(Signature.byteCount, { signature.write(to: &$0) }, as: MatchSignature.init(reading:))
    }
}

extension Signature {
    /// The same signature.
    init(_ signature: MatchSignature) {
        self = Block32.reread(MatchSignature.byteCount, { signature.write(to: &$0) }, as: Signature.init(reading:))
    }
}

extension SixteenBytes {
    /// The value of 16 bytes, of which there must be as many (a programming error: traps).
    init(bytes: [UInt8]) {
        precondition(bytes.count == 16, "sixteen bytes are sixteen")
        self.init(
            high: bytes[..<8].reduce(0) { $0 &<< 8 | UInt64($1) }, low: bytes[8...].reduce(0) { $0 &<< 8 | UInt64($1) })
    }

    /// The 16 bytes.
    var bytes: [UInt8] {
        [high, low].flatMap { word in
            stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: word &>> UInt64($0)) }
        }
    }
}
