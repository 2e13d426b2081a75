public import DXWire

extension STUNMessage {
    /// Reads a whole datagram. Total: any bytes give a message or a `DecodeError`; `notAPacket` is for what is not STUN, another
    /// method, or a wrong FINGERPRINT. Of an attribute that comes twice the first counts (RFC 8489 §14).
    public init(reading datagram: RawSpan) throws(DecodeError) {
        guard Self.isPossible(datagram) else { throw .notAPacket }
        var reader = ByteReader(datagram)
        guard let kind = Kind(rawValue: try reader.readUInt16()) else { throw .notAPacket }
        try reader.skip(6)
        self.init(kind: kind, transaction: try TransactionID(reading: &reader))
        while reader.remaining > 0 {
            // FINGERPRINT is the last; what follows it was added on the way.
            guard !hasFingerprint else { throw .invalidValue }
            let start = reader.position
            let type = try reader.readUInt16()
            let length = Int(try reader.readUInt16())
            let value = PacketSlice(offset: reader.position, count: length)
            var valueReader = ByteReader(try reader.readBytes(length))
            try reader.skip((4 - length & 3) & 3)
            if type == STUNAttribute.fingerprint {
                guard try valueReader.readUInt32() == STUNFingerprint.of(datagram.extracting(..<start)) else {
                    throw .notAPacket
                }
                hasFingerprint = true
            } else {
                try read(type, &valueReader, value)
            }
        }
    }

    private mutating func read(_ type: UInt16, _ reader: inout ByteReader, _ place: PacketSlice) throws(DecodeError) {
        switch type {
        case STUNAttribute.xorMappedAddress:
            let endpoint = try Self.readAddress(&reader, mask: transaction)
            xorMappedAddress = xorMappedAddress ?? endpoint
        case STUNAttribute.mappedAddress:
            let endpoint = try Self.readAddress(&reader, mask: nil)
            mappedAddress = mappedAddress ?? endpoint
        case STUNAttribute.responseOrigin:
            let endpoint = try Self.readAddress(&reader, mask: nil)
            responseOrigin = responseOrigin ?? endpoint
        case STUNAttribute.otherAddress, STUNAttribute.changedAddress:
            let endpoint = try Self.readAddress(&reader, mask: nil)
            otherAddress = otherAddress ?? endpoint
        case STUNAttribute.changeRequest:
            let change = STUNChange(rawValue: try reader.readUInt32()).intersection([.port, .address])
            changeRequest = changeRequest ?? change
        case STUNAttribute.errorCode:
            let bits = try reader.readUInt32()
            let (hundreds, rest) = (UInt16(bits &>> 8 & 7), UInt16(bits & 0xff))
            guard (3...6).contains(hundreds), rest < 100 else { throw .invalidValue }
            errorCode = errorCode ?? hundreds * 100 + rest
        case STUNAttribute.unknownAttributes:
            // In a request it means nothing.
            guard kind == .failure else { return }
            while reader.remaining >= 2 { unknownAttributes.append(try reader.readUInt16()) }
        case STUNAttribute.software: software = software ?? place
        default:
            // A response with one of these is discarded by the client, which sees them here too (RFC 8489 §6.3.3).
            guard type < STUNAttribute.firstOptional, !STUNAttribute.ignored.contains(type), kind != .failure else {
                return
            }
            unknownAttributes.append(type)
        }
    }

    /// An address attribute, with or without the mask of XOR-MAPPED-ADDRESS: cookie, then transaction.
    private static func readAddress(_ reader: inout ByteReader, mask: TransactionID?) throws(DecodeError) -> Endpoint {
        try reader.skip(1)
        let family = try reader.readUInt8()
        let portMask = mask == nil ? 0 : UInt16(magicCookie &>> 16)
        let port = try reader.readUInt16() ^ portMask
        switch family {
        case 1: return Endpoint(v4: try reader.readUInt32() ^ (mask == nil ? 0 : magicCookie), port: port)
        case 2:
            let (high, low) = mask.map(addressMask) ?? (0, 0)
            let first = try reader.readUInt64() ^ high
            return Endpoint(v6High: first, low: try reader.readUInt64() ^ low, port: port)
        default: throw .invalidValue
        }
    }

    /// What an IPv6 address is XORed with: 16 bytes.
    static func addressMask(_ transaction: TransactionID) -> (UInt64, UInt64) {
        (
            UInt64(magicCookie) &<< 32 | transaction.high &>> 32,
            transaction.high &<< 32 | UInt64(transaction.low)
        )
    }
}

/// FINGERPRINT (RFC 8489 §14.7): CRC-32 of all before it, as Ethernet has it, XORed so that it is not taken for another
/// protocol's.
enum STUNFingerprint {
    private static let mask: UInt32 = 0x5354_554e

    /// The value for these bytes, in whose head the length counts the FINGERPRINT.
    static func of(_ bytes: RawSpan) -> UInt32 { crc32(bytes) ^ mask }

    /// CRC-32 by half bytes: a message is short, and a table of 16 is small.
    static func crc32(_ bytes: RawSpan) -> UInt32 {
        var value: UInt32 = 0xffff_ffff
        var reader = ByteReader(bytes)
        while let byte = try? reader.readUInt8() {
            value ^= UInt32(byte)
            value = value &>> 4 ^ table[Int(value & 15)]
            value = value &>> 4 ^ table[Int(value & 15)]
        }
        return ~value
    }

    private static let table: [16 of UInt32] = [
        0x0000_0000, 0x1db7_1064, 0x3b6e_20c8, 0x26d9_30ac, 0x76dc_4190, 0x6b6b_51f4, 0x4db2_6158, 0x5005_713c,
        0xedb8_8320, 0xf00f_9344, 0xd6d6_a3e8, 0xcb61_b38c, 0x9b64_c2b0, 0x86d3_d2d4, 0xa00a_e278, 0xbdbd_f21c,
    ]
}
