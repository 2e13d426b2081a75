import DXWire

/// What is sent to a NAT-PMP server (RFC 6886 §3.2, §3.3).
enum NATPMPRequest: Equatable, Sendable {
    /// `version (1) = 0 | opcode (1) = 0`
    case externalAddress
    /// `version (1) = 0 | opcode (1) = 1 | 0 (2) | internal port (2) | external port (2) | lifetime (4)`
    case map(internalPort: UInt16, externalPort: UInt16, lifetime: UInt32)

    /// The datagram, 2 or 12 bytes.
    var bytes: [UInt8] {
        switch self {
        case .externalAddress: return [0, 0]
        case .map(let internalPort, let externalPort, let lifetime):
            var bytes: [UInt8] = [0, 1, 0, 0]
            bytes.append(bigEndian: internalPort)
            bytes.append(bigEndian: externalPort)
            bytes.append(bigEndian: lifetime)
            return bytes
        }
    }
}

/// What comes from a NAT-PMP server: `version (1) = 0 | opcode + 128 (1) | result (2) | epoch (4) | …` (RFC 6886 §3.2, §3.3).
struct NATPMPResponse: Equatable, Sendable {
    /// What follows the epoch.
    enum Content: Equatable, Sendable {
        /// `address (4)`; 0 where the server did not say.
        case externalAddress(UInt32)
        /// `internal port (2) | external port (2) | lifetime (4)`; nil where a refusal was shorter.
        case map(Mapping?)
    }

    /// What the server mapped.
    struct Mapping: Equatable, Sendable {
        let internalPort: UInt16
        let externalPort: UInt16
        let lifetime: UInt32
    }

    /// 0 is success.
    let result: UInt16
    /// Seconds since the server began; nil where a refusal was shorter.
    let epoch: UInt32?
    /// The rest.
    let content: Content

    /// Reads a datagram. Total. A refusal may be short; bytes after what is known are ignored.
    init(reading datagram: RawSpan) throws(DecodeError) {
        var reader = ByteReader(datagram)
        guard try reader.readUInt8() == 0 else { throw .notAPacket }
        let opcode = try reader.readUInt8()
        result = try reader.readUInt16()
        let isRefusal = result != 0
        epoch = isRefusal && reader.remaining < 4 ? nil : try reader.readUInt32()
        switch opcode {
        case 0x80: content = .externalAddress(isRefusal && reader.remaining < 4 ? 0 : try reader.readUInt32())
        case 0x81:
            guard !isRefusal || reader.remaining >= 8 else {
                content = .map(nil)
                return
            }
            content = .map(
                Mapping(
                    internalPort: try reader.readUInt16(), externalPort: try reader.readUInt16(),
                    lifetime: try reader.readUInt32()))
        default: throw .notAPacket
        }
    }

    /// What a result other than success means (RFC 6886 §3.5).
    static func failure(_ result: UInt16) -> PortMappingFailure {
        switch result {
        case 1: .unsupportedVersion
        case 2: .notAuthorized
        case 3: .noExternalAddress
        case 4: .noResources
        default: .refused(result)
        }
    }
}
