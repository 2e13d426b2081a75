import DXSecure
import DXWire

/// What an invitation is printed as, and all that a gateway needs to join (`docs/group.md` §8): whom to ask and where, under
/// which veil, and the secret to prove. One line of at most `longestText` characters; whoever has it can join once.
struct InviteToken: Sendable {
    /// The key that the inviting gateway must prove to have.
    var inviter: PublicKey
    /// What the join veil comes from (`VeilSecret.init(joinSeed:)`): the same for all tokens of an inviter.
    var joinSeed: [UInt8]
    /// What this token alone has.
    var secret: TokenSecret
    /// Where the inviter can be reached.
    var addresses: [HostAddress]
    /// Where it can be found behind a NAT, while its invitations are open.
    var matchmakers: [MatchmakerAddress]

    /// What the text begins with: the kind and version of what follows.
    static let prefix = "dxjoin1:"
    /// A QR code of it is still easily scanned, and a terminal shows it in four lines.
    static let longestText = 300
    /// Bytes for addresses, each with two more: nine of IPv4, or three of IPv6.
    static let mostAddressBytes = 72
    /// One that is away does not keep a gateway from joining; a pin takes 43 characters.
    static let mostMatchmakers = 2

    private static let checksumByteCount = 4
    /// Bytes that the text has room for.
    private static let mostBytes = (longestText - prefix.utf8.count) * 6 / 8 - checksumByteCount

    private enum Field {
        static let inviter: UInt64 = 1
        static let joinSeed: UInt64 = 2
        static let secret: UInt64 = 3
        static let address: UInt64 = 4
        static let namedAddress: UInt64 = 5
        static let matchmaker: UInt64 = 6
        static let namedMatchmaker: UInt64 = 7
    }

    /// Why a text is refused.
    enum Refusal: Error, Hashable {
        /// It does not begin as a token does.
        case notAToken
        /// It begins as one of another version.
        case otherVersion
        /// A part is missing or was changed.
        case damaged
    }

    /// A token from its parts. It tells of the addresses and matchmakers what there is room for: the first address at which anybody
    /// can reach the inviter, then matchmakers, then the other addresses.
    init(
        inviter: PublicKey, joinSeed: [UInt8], secret: TokenSecret, addresses: [HostAddress],
        matchmakers: [MatchmakerAddress] = []
    ) {
        precondition(joinSeed.count == TokenSecret.byteCount, "a join seed has 16 bytes")
        self.inviter = inviter
        self.joinSeed = joinSeed
        self.secret = secret
        self.addresses = []
        self.matchmakers = []
        let reachable = addresses.firstIndex { $0.endpoint.map { !$0.isPrivate && !$0.isLoopback } ?? true }
        var told: Set<Int> = []
        var addressRoom = Self.mostAddressBytes
        func tell(_ index: Int) -> Bool {
            let count = Self.field(addresses[index]).value.count + 2
            guard count <= addressRoom, Self.fits(fields.encoded.count + count) else { return false }
            addressRoom -= count
            told.insert(index)
            self.addresses = told.sorted().map { addresses[$0] }
            return true
        }
        if let reachable { _ = tell(reachable) }
        for matchmaker in matchmakers where self.matchmakers.count < Self.mostMatchmakers {
            self.matchmakers.append(matchmaker)
            if !Self.fits(fields.encoded.count) { self.matchmakers.removeLast() }
        }
        for index in addresses.indices where !told.contains(index) { guard tell(index) else { break } }
    }

    private static func fits(_ byteCount: Int) -> Bool { byteCount <= mostBytes }

    /// Reads a token; white space around and within is ignored, as mail and terminals break long lines.
    init(_ text: String) throws(Refusal) {
        let text = String(text.filter { !$0.isWhitespace })
        guard text.hasPrefix(Self.prefix) else {
            throw text.hasPrefix("dxjoin") ? .otherVersion : .notAToken
        }
        guard text.utf8.count <= 2 * Self.longestText, let bytes = Base64URL.bytes(text.dropFirst(Self.prefix.count)),
            bytes.count > Self.checksumByteCount
        else { throw .damaged }
        let content = Array(bytes.dropLast(Self.checksumByteCount))
        guard Self.checksum(content) == Array(bytes.suffix(Self.checksumByteCount)) else { throw .damaged }
        do {
            let fields = try RecordFields(content)
            inviter = try PublicKey(field: try fields.only(Field.inviter) ?? [])
            joinSeed = try fields.only(Field.joinSeed) ?? []
            guard joinSeed.count == TokenSecret.byteCount,
                let secret = TokenSecret(try fields.only(Field.secret) ?? [])
            else { throw Refusal.damaged }
            self.secret = secret
            (addresses, matchmakers) = ([], [])
            for field in fields.fields {
                if let address = try Self.address(field) { addresses.append(address) }
                if let matchmaker = try Self.matchmaker(field) { matchmakers.append(matchmaker) }
            }
        } catch { throw .damaged }
    }

    /// The text. It is a secret until it was used.
    var text: String {
        let content = fields.encoded
        return Self.prefix + Base64URL.text(content + Self.checksum(content))
    }

    private var fields: RecordFields {
        var fields = RecordFields()
        fields.add(Field.inviter, inviter.bytes)
        fields.add(Field.joinSeed, joinSeed)
        fields.add(Field.secret, secret.bytes)
        for address in addresses {
            let field = Self.field(address)
            fields.add(field.number, field.value)
        }
        for matchmaker in matchmakers {
            let field = Self.field(matchmaker)
            fields.add(field.number, field.value)
        }
        return fields
    }

    /// Finds what was not copied whole; nothing depends on it otherwise.
    private static func checksum(_ content: [UInt8]) -> [UInt8] {
        Array(unsafe Bytes32(sha256: content.span.bytes).bytes.prefix(checksumByteCount))
    }

    /// An IP address as its bytes and the port, a name as text.
    private static func field(_ address: HostAddress) -> RecordFields.Field {
        guard let endpoint = address.endpoint, endpoint.scope == 0 else {
            return RecordFields.Field(number: Field.namedAddress, value: Array(address.description.utf8))
        }
        return RecordFields.Field(number: Field.address, value: bytes(endpoint))
    }

    /// The pin, then an IP address as above, or the port and a name; port 0 for a service of that name.
    private static func field(_ matchmaker: MatchmakerAddress) -> RecordFields.Field {
        let (address, pin) = (matchmaker.address, matchmaker.pin.bytes)
        if let endpoint = address.endpoint, endpoint.scope == 0 {
            return RecordFields.Field(number: Field.matchmaker, value: pin + bytes(endpoint))
        }
        let port = matchmaker.isService ? [0, 0] : [UInt8(address.port >> 8), UInt8(address.port & 255)]
        return RecordFields.Field(number: Field.namedMatchmaker, value: pin + port + Array(address.host.utf8))
    }

    private static func bytes(_ endpoint: Endpoint) -> [UInt8] {
        TunnelMessageWriter.bytes(capacity: 18) { output in
            switch endpoint.family {
            case .v4: output.write(UInt32(truncatingIfNeeded: endpoint.low))
            case .v6:
                output.write(endpoint.high)
                output.write(endpoint.low)
            }
            output.write(endpoint.port)
        }
    }

    private static func address(_ field: RecordFields.Field) throws(DecodeError) -> HostAddress? {
        switch field.number {
        case Field.address: return HostAddress(try endpoint(field.value))
        case Field.namedAddress:
            guard let address = try? HostAddress(RecordFields.text(field.value)) else { throw .invalidValue }
            return address
        default: return nil
        }
    }

    private static func matchmaker(_ field: RecordFields.Field) throws(DecodeError) -> MatchmakerAddress? {
        guard field.number == Field.matchmaker || field.number == Field.namedMatchmaker else { return nil }
        guard let pin = GatewayID(Array(field.value.prefix(GatewayID.byteCount))) else { throw .truncated }
        let rest = Array(field.value.dropFirst(GatewayID.byteCount))
        let address: HostAddress
        if field.number == Field.matchmaker {
            address = HostAddress(try endpoint(rest))
        } else {
            guard rest.count > 2 else { throw .truncated }
            address = HostAddress(
                host: try RecordFields.text(Array(rest[2...])), port: UInt16(rest[0]) << 8 | UInt16(rest[1]))
        }
        let isService = field.number == Field.namedMatchmaker && address.port == 0
        let matchmaker =
            isService
            ? MatchmakerAddress(service: address.host, pin: pin) : MatchmakerAddress(address: address, pin: pin)
        guard let matchmaker else { throw .invalidValue }
        return matchmaker
    }

    private static func endpoint(_ bytes: [UInt8]) throws(DecodeError) -> Endpoint {
        var reader = unsafe ByteReader(bytes.span.bytes)
        switch bytes.count {
        case 6: return Endpoint(v4: try reader.readUInt32(), port: try reader.readUInt16())
        case 18:
            return Endpoint(
                v6High: try reader.readUInt64(), low: try reader.readUInt64(), port: try reader.readUInt16())
        default: throw .invalidValue
        }
    }
}

extension PublicKey {
    /// The key that a field of 33 bytes holds, and nothing else.
    init(field bytes: [UInt8]) throws(DecodeError) {
        var reader = unsafe ByteReader(bytes.span.bytes)
        try self.init(reading: &reader)
        guard reader.remaining == 0 else { throw .invalidValue }
    }
}
