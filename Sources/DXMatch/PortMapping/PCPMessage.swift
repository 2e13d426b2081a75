import DXWire

/// What names a mapping of ours to a PCP server (RFC 6887 §11.1): 96 bits that nobody else guesses. Only who knows it can renew
/// or end the mapping, **also after a restart of this program**: so it is best made of something that is kept.
public struct PCPNonce: Hashable, Sendable, BitwiseCopyable {
    let high: UInt64
    let low: UInt32

    /// The nonce with these bits.
    public init(high: UInt64, low: UInt32) {
        self.high = high
        self.low = low
    }
}

/// What is sent to a PCP server (RFC 6887 §7.1, §11.1):
///
///     version (1) = 2 | opcode (1) = 1 | 0 (2) | lifetime (4) | client's address (16)
///     nonce (12) | protocol (1) = 17 | 0 (3) | internal port (2) | external port (2) | external address (16)
struct PCPRequest: Equatable, Sendable {
    /// UDP.
    static let transport: UInt8 = 17

    /// The address that the request is sent from; NATs in between are found by it.
    let client: Endpoint
    /// The mapping's.
    let nonce: PCPNonce
    /// What is wanted.
    let job: MappingJob

    /// The datagram, 60 bytes.
    var bytes: [UInt8] {
        var bytes: [UInt8] = [2, 1, 0, 0]
        bytes.append(bigEndian: job.lifetime)
        bytes.append(pcpAddress: client)
        bytes.append(bigEndian: nonce.high)
        bytes.append(bigEndian: nonce.low)
        bytes += [Self.transport, 0, 0, 0]
        bytes.append(bigEndian: job.port)
        bytes.append(bigEndian: job.wanted.port)
        // "Any" is the unspecified address of the client's family (RFC 6887 §11.1).
        bytes.append(
            pcpAddress: job.wanted.family == client.family ? job.wanted : Endpoint.unspecified(client.family))
        return bytes
    }
}

/// What comes from a PCP server (RFC 6887 §7.2, §11.1, §14.1).
struct PCPResponse: Equatable, Sendable {
    /// What it is about.
    enum Content: Equatable, Sendable {
        /// The server tells that it is there, since when.
        case announce
        /// A mapping.
        case map(nonce: PCPNonce, transport: UInt8, internalPort: UInt16, external: Endpoint)
        /// Nothing more could be read, because the server speaks another version, or did not understand the request.
        case none
    }

    /// The version that the server speaks; 0 is NAT-PMP.
    let version: UInt8
    /// 0 is success (`PCPResult`).
    let result: UInt8
    /// Seconds: of a mapping, or how long an error holds.
    let lifetime: UInt32
    /// Seconds since the server began.
    let epoch: UInt32
    /// The rest.
    let content: Content

    /// Reads a datagram. Total. Of other versions than 2 only the refusal of ours is read.
    init(reading datagram: RawSpan) throws(DecodeError) {
        var reader = ByteReader(datagram)
        guard datagram.byteCount <= PortMappingConstants.maximumPCPMessage else { throw .invalidValue }
        version = try reader.readUInt8()
        let opcode = try reader.readUInt8()
        guard opcode & 0x80 != 0 else { throw .notAPacket }
        guard version == 2 else {
            // A NAT-PMP server: version 0, opcode + 128, result (2), epoch (4) (RFC 6887 §9). Others are as PCP itself.
            result = UInt8(clamping: try reader.readUInt16() & (version == 0 ? 0xffff : 0xff))
            guard result == PCPResult.unsupportedVersion else { throw .invalidValue }
            (lifetime, epoch, content) = (0, 0, .none)
            return
        }
        // RFC 6887 §8.3: at least 24 bytes, a multiple of four.
        guard datagram.byteCount >= 24, datagram.byteCount % 4 == 0 else { throw .truncated }
        try reader.skip(1)
        result = try reader.readUInt8()
        lifetime = try reader.readUInt32()
        epoch = try reader.readUInt32()
        try reader.skip(12)
        switch opcode & 0x7f {
        case 0: content = .announce
        case 1 where reader.remaining >= 36:
            let nonce = PCPNonce(high: try reader.readUInt64(), low: try reader.readUInt32())
            let transport = try reader.readUInt8()
            try reader.skip(3)
            let (inside, outside) = (try reader.readUInt16(), try reader.readUInt16())
            let external = Endpoint(v6High: try reader.readUInt64(), low: try reader.readUInt64(), port: outside)
            content = .map(nonce: nonce, transport: transport, internalPort: inside, external: external)
        case 1 where result != PCPResult.success: content = .none
        default: throw .invalidValue
        }
    }
}

/// Results of PCP (RFC 6887 §7.4).
enum PCPResult {
    static let success: UInt8 = 0
    static let unsupportedVersion: UInt8 = 1
    static let notAuthorized: UInt8 = 2
    static let networkFailure: UInt8 = 7
    static let noResources: UInt8 = 8
    static let exceedsQuota: UInt8 = 10
    static let cannotProvideExternal: UInt8 = 11

    /// What a result other than success means.
    static func failure(_ result: UInt8) -> PortMappingFailure {
        switch result {
        case unsupportedVersion: .unsupportedVersion
        case notAuthorized: .notAuthorized
        case networkFailure: .noExternalAddress
        case noResources, exceedsQuota, cannotProvideExternal: .noResources
        default: .refused(UInt16(result))
        }
    }
}

extension [UInt8] {
    /// Appends an address as PCP has it: IPv4 as ::ffff:a.b.c.d (RFC 6887 §5).
    mutating func append(pcpAddress endpoint: Endpoint) {
        append(bigEndian: endpoint.high)
        append(bigEndian: endpoint.family == .v4 ? 0xffff_0000_0000 | endpoint.low : endpoint.low)
    }
}

extension Endpoint {
    /// 0.0.0.0 or ::, port 0.
    static func unspecified(_ family: Family) -> Endpoint {
        family == .v4 ? Endpoint(v4: 0, port: 0) : Endpoint(v6High: 0, low: 0, port: 0)
    }
}
