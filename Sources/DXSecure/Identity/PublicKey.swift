import CDXOpenSSL
public import DXWire

/// A P-256 public key as a compressed point (SEC 1 §2.3.3): 33 bytes on the wire. Reading one does not check that it is
/// on the curve; `gatewayID` and `isValid` do.
public struct PublicKey: Hashable, Sendable, BitwiseCopyable {
    /// 2 when the y coordinate is even, 3 when it is odd.
    private let parity: UInt8
    private let x: Bytes32

    /// The length on the wire.
    public static let byteCount = 33

    /// Reads 33 bytes; throws `invalidValue` when the first is neither 2 nor 3.
    public init(reading reader: inout ByteReader) throws(DecodeError) {
        parity = try reader.readUInt8()
        guard parity == 2 || parity == 3 else { throw .invalidValue }
        x = try Bytes32(reading: &reader)
    }

    /// The key with this uncompressed point: 4, x, y.
    init(uncompressed point: RawSpan) {
        precondition(point.byteCount == 65, "an uncompressed point has 65 bytes")
        parity = 2 | (unsafe point.unsafeLoad(fromUncheckedByteOffset: 64, as: UInt8.self) & 1)
        x = Bytes32(point, at: 1)
    }

    /// The 33 bytes.
    public var bytes: [UInt8] { [parity] + x.bytes }

    /// The gateway id of this key, or nil when the bytes are no point of the curve. Costs about 40 microseconds.
    public var gatewayID: GatewayID? {
        var point = [UInt8](repeating: 0, count: 65)
        guard unsafe dx_point_uncompress(bytes, &point) == 1 else {
            ERR_clear_error()
            return nil
        }
        return Self.gatewayID(ofUncompressed: point)
    }

    /// Whether `signature` over `message` was made with this key. Costs about 0.15 ms.
    public func isValid(_ signature: Signature, for message: RawSpan) -> Bool {
        guard let key = unsafe makeKey() else { return false }
        defer { unsafe EVP_PKEY_free(key) }
        let bytes = signature.bytes
        let isValid = unsafe message.withUnsafeBytes { message in
            unsafe dx_verify(key, message.baseAddress, message.count, bytes) == 1
        }
        if !isValid { ERR_clear_error() }
        return isValid
    }

    /// Appends the 33 bytes.
    @_lifetime(output: copy output)
    public func write(to output: inout OutputRawSpan) {
        output.write(parity)
        x.write(to: &output)
    }

    /// The uncompressed point of an OpenSSL key, or nil when it is not a P-256 key.
    static func uncompressedPoint(of key: OpaquePointer) -> [UInt8]? {
        var point = [UInt8](repeating: 0, count: 65)
        guard unsafe dx_key_point(key, &point) == 1 else {
            ERR_clear_error()
            return nil
        }
        return point
    }

    /// SHA-256 of the DER SubjectPublicKeyInfo (`docs/wire-format.md` §3).
    static func gatewayID(ofUncompressed point: [UInt8]) -> GatewayID? {
        precondition(point.count == 65, "an uncompressed point has 65 bytes")
        var id = [UInt8](repeating: 0, count: GatewayID.byteCount)
        guard unsafe dx_gateway_id(point, &id) == 1 else { return nil }
        return GatewayID(id)
    }

    /// The OpenSSL form, to be freed by the caller; nil when the bytes are no point of the curve.
    private func makeKey() -> OpaquePointer? {
        let bytes = bytes
        let key = unsafe dx_key_from_point(bytes, bytes.count)
        if unsafe key == nil { ERR_clear_error() }
        return unsafe key
    }
}

/// An ECDSA P-256 signature over SHA-256: r and s, 32 bytes each (`docs/wire-format.md` §3).
public struct Signature: Equatable, Sendable, BitwiseCopyable {
    private let r: Bytes32
    private let s: Bytes32

    /// The length on the wire.
    public static let byteCount = 64

    /// Reads 64 bytes.
    public init(reading reader: inout ByteReader) throws(DecodeError) {
        r = try Bytes32(reading: &reader)
        s = try Bytes32(reading: &reader)
    }

    /// The signature with these 64 bytes.
    init(_ bytes: RawSpan) {
        r = Bytes32(bytes)
        s = Bytes32(bytes, at: 32)
    }

    /// The 64 bytes.
    public var bytes: [UInt8] { r.bytes + s.bytes }

    /// Appends the 64 bytes.
    @_lifetime(output: copy output)
    public func write(to output: inout OutputRawSpan) {
        r.write(to: &output)
        s.write(to: &output)
    }
}
