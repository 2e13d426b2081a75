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

    /// What the text begins with: the kind and version of what follows.
    static let prefix = "dxjoin1:"
    /// A QR code of it is still easily scanned, and a terminal shows it in four lines.
    static let longestText = 300
    /// Bytes for addresses, each with two more: nine of IPv4, or three of IPv6. The rest of the text is left for what
    /// finds an inviter behind NAT.
    static let mostAddressBytes = 72

    private static let checksumByteCount = 4

    private enum Field {
        static let inviter: UInt64 = 1
        static let joinSeed: UInt64 = 2
        static let secret: UInt64 = 3
        static let address: UInt64 = 4
        static let namedAddress: UInt64 = 5
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

    /// A token from its parts. Of the addresses as many are told as there is room for.
    init(inviter: PublicKey, joinSeed: [UInt8], secret: TokenSecret, addresses: [HostAddress]) {
        precondition(joinSeed.count == TokenSecret.byteCount, "a join seed has 16 bytes")
        self.inviter = inviter
        self.joinSeed = joinSeed
        self.secret = secret
        self.addresses = []
        var room = Self.mostAddressBytes
        for address in addresses {
            room -= Self.field(address).value.count + 2
            guard room >= 0 else { break }
            self.addresses.append(address)
        }
    }

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
            addresses = []
            for field in fields.fields {
                if let address = try Self.address(field) { addresses.append(address) }
            }
        } catch { throw .damaged }
    }

    /// The text. It is a secret until it was used.
    var text: String {
        var fields = RecordFields()
        fields.add(Field.inviter, inviter.bytes)
        fields.add(Field.joinSeed, joinSeed)
        fields.add(Field.secret, secret.bytes)
        for address in addresses {
            let field = Self.field(address)
            fields.add(field.number, field.value)
        }
        let content = fields.encoded
        return Self.prefix + Base64URL.text(content + Self.checksum(content))
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
        let bytes = TunnelMessageWriter.bytes(capacity: 18) { output in
            switch endpoint.family {
            case .v4: output.write(UInt32(truncatingIfNeeded: endpoint.low))
            case .v6:
                output.write(endpoint.high)
                output.write(endpoint.low)
            }
            output.write(endpoint.port)
        }
        return RecordFields.Field(number: Field.address, value: bytes)
    }

    private static func address(_ field: RecordFields.Field) throws(DecodeError) -> HostAddress? {
        switch field.number {
        case Field.address:
            var reader = unsafe ByteReader(field.value.span.bytes)
            let endpoint: Endpoint
            switch field.value.count {
            case 6: endpoint = Endpoint(v4: try reader.readUInt32(), port: try reader.readUInt16())
            case 18:
                endpoint = Endpoint(
                    v6High: try reader.readUInt64(), low: try reader.readUInt64(), port: try reader.readUInt16())
            default: throw .invalidValue
            }
            return HostAddress(endpoint)
        case Field.namedAddress:
            guard let address = try? HostAddress(RecordFields.text(field.value)) else { throw .invalidValue }
            return address
        default: return nil
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
