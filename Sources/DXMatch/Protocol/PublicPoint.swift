public import DXWire

/// A P-256 public key as a compressed point: 33 bytes. Whether it lies on the curve is for cryptography to say.
public struct PublicPoint: Hashable, Sendable, BitwiseCopyable {
    /// The first byte: 2 or 3, the parity of y.
    public let parity: UInt8
    /// The coordinate x.
    public let x: Block32

    /// The length on the wire.
    public static let byteCount = 33

    /// The point with this x, and a y that is even (2) or odd (3); nil for another first byte.
    public init?(parity: UInt8, x: Block32) {
        guard parity == 2 || parity == 3 else { return nil }
        self.parity = parity
        self.x = x
    }

    /// Reads 33 bytes; `invalidValue` unless the first of them is 2 or 3.
    public init(reading reader: inout ByteReader) throws(DecodeError) {
        let parity = try reader.readUInt8()
        guard let point = PublicPoint(parity: parity, x: try Block32(reading: &reader)) else { throw .invalidValue }
        self = point
    }

    /// Appends the 33 bytes.
    @_lifetime(output: copy output)
    public func write(to output: inout OutputRawSpan) {
        output.write(parity)
        x.write(to: &output)
    }
}

/// An ECDSA signature over P-256: `r | s`, 64 bytes.
public struct MatchSignature: Hashable, Sendable, BitwiseCopyable {
    /// The first half.
    public let r: Block32
    /// The second half.
    public let s: Block32

    /// The length on the wire.
    public static let byteCount = 64

    /// 64 zero bytes: no signature.
    public static let zero = MatchSignature(r: .zero, s: .zero)

    /// The signature of these halves.
    public init(r: Block32, s: Block32) {
        self.r = r
        self.s = s
    }

    /// Reads 64 bytes.
    public init(reading reader: inout ByteReader) throws(DecodeError) {
        r = try Block32(reading: &reader)
        s = try Block32(reading: &reader)
    }

    /// Appends the 64 bytes.
    @_lifetime(output: copy output)
    public func write(to output: inout OutputRawSpan) {
        r.write(to: &output)
        s.write(to: &output)
    }
}
