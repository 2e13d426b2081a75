public import DXWire

/// What an address is XORed with on the wire (`docs/matchmaking.md` §4): the first 18 bytes of a hash, handed in, since
/// DXMatch has none. Where an address stands plain, the mask is `none`.
public struct AddressMask: Hashable, Sendable, BitwiseCopyable {
    /// For the first eight bytes of an IPv6 address; for an IPv4 address and its port.
    let high: UInt64
    /// For the last eight bytes of an IPv6 address.
    let low: UInt64
    /// For the port of an IPv6 address.
    let port: UInt16

    /// No mask: the address stands plain.
    public static let none = AddressMask(headOf: .zero)

    /// The mask that a hash begins with.
    public init(headOf hash: Block32) {
        high = hash.word0
        low = hash.word1
        port = UInt16(truncatingIfNeeded: hash.word2 &>> 48)
    }
}

extension Endpoint {
    /// The size of a masked or plain IPv4 address with its family and port, in bytes.
    public static let v4MatchByteCount = 1 + 4 + 2
    /// The size of a masked or plain IPv6 address with its family and port, in bytes: the largest.
    public static let v6MatchByteCount = 1 + 16 + 2

    /// The size of this address on the wire (`docs/matchmaking.md` §4), in bytes.
    public var matchByteCount: Int { family == .v4 ? Self.v4MatchByteCount : Self.v6MatchByteCount }

    /// Reads an address; `invalidValue` for a family that is neither 4 nor 6. The scope is 0: it means nothing elsewhere.
    public init(reading reader: inout ByteReader, mask: AddressMask) throws(DecodeError) {
        let family = try reader.readUInt8()
        switch Family(rawValue: family) {
        case .v4:
            let address = try reader.readUInt32() ^ UInt32(truncatingIfNeeded: mask.high &>> 32)
            let port = try reader.readUInt16() ^ UInt16(truncatingIfNeeded: mask.high &>> 16)
            self.init(v4: address, port: port)
        case .v6:
            let high = try reader.readUInt64() ^ mask.high
            let low = try reader.readUInt64() ^ mask.low
            self.init(v6High: high, low: low, port: try reader.readUInt16() ^ mask.port)
        case nil: throw .invalidValue
        }
    }

    /// Appends `matchByteCount` bytes.
    @_lifetime(output: copy output)
    public func write(to output: inout OutputRawSpan, mask: AddressMask) {
        output.write(family.rawValue)
        switch family {
        case .v4:
            output.write(UInt32(truncatingIfNeeded: low) ^ UInt32(truncatingIfNeeded: mask.high &>> 32))
            output.write(port ^ UInt16(truncatingIfNeeded: mask.high &>> 16))
        case .v6:
            output.write(high ^ mask.high)
            output.write(low ^ mask.low)
            output.write(port ^ mask.port)
        }
    }
}
