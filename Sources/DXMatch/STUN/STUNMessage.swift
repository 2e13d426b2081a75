public import DXWire

/// A STUN message of the method Binding (RFC 8489 §5), decoded: the attributes that a server or a client of DX looks at.
/// Trivial: SOFTWARE stays where it lies and is named by its place.
///
/// Messages without the magic cookie (RFC 3489) are not STUN here: nobody sends them any more, and they cannot be told from
/// anything else. There is no authentication: a Binding request needs none (RFC 8489 §12).
public struct STUNMessage: Equatable, Sendable, BitwiseCopyable {
    /// What the message is.
    public var kind: Kind
    /// Names the request.
    public var transaction: TransactionID
    /// XOR-MAPPED-ADDRESS (RFC 8489 §14.2).
    public var xorMappedAddress: Endpoint?
    /// MAPPED-ADDRESS (RFC 8489 §14.1), which a NAT that rewrites payloads may have changed.
    public var mappedAddress: Endpoint?
    /// RESPONSE-ORIGIN (RFC 5780 §7.3): the address that the response was sent from.
    public var responseOrigin: Endpoint?
    /// OTHER-ADDRESS (RFC 5780 §7.4), or CHANGED-ADDRESS where an old server sent nothing else: the one that differs in both.
    public var otherAddress: Endpoint?
    /// CHANGE-REQUEST (RFC 5780 §7.2); nil where there is none.
    public var changeRequest: STUNChange?
    /// The number in ERROR-CODE (RFC 8489 §14.8), 300 to 699.
    public var errorCode: UInt16?
    /// In a request, what must be understood and is not; in an error, UNKNOWN-ATTRIBUTES (RFC 8489 §14.13).
    public var unknownAttributes = STUNUnknownAttributes()
    /// Whether it ends in a FINGERPRINT (RFC 8489 §14.7); one that is wrong is no message.
    public var hasFingerprint = false
    /// Where SOFTWARE (RFC 8489 §14.14) lies in the message.
    public var software: PacketSlice?

    /// The class of a Binding message, as the message type has it.
    public enum Kind: UInt16, Sendable, BitwiseCopyable {
        /// Wants a response.
        case request = 0x0001
        /// Wants none.
        case indication = 0x0011
        /// The response to a request that was served.
        case success = 0x0101
        /// The response to one that was not.
        case failure = 0x0111
    }

    /// The size of the head, in bytes: the least message.
    public static let headByteCount = 20
    /// What each message carries behind type and length.
    public static let magicCookie: UInt32 = 0x2112_a442
    /// ERROR-CODE where an attribute is not understood.
    public static let unknownAttributeCode: UInt16 = 420

    /// A message without attributes.
    public init(kind: Kind, transaction: TransactionID) {
        self.kind = kind
        self.transaction = transaction
    }

    /// The address that a server saw: the one that no NAT can have rewritten, if it is there.
    public var observed: Endpoint? { xorMappedAddress ?? mappedAddress }

    /// Whether a datagram may be STUN (RFC 8489 §6.3): two zero bits at the start, the cookie, a length that fits.
    public static func isPossible(_ datagram: RawSpan) -> Bool {
        var reader = ByteReader(datagram)
        guard let type = try? reader.readUInt16(), let length = try? reader.readUInt16(),
            let cookie = try? reader.readUInt32()
        else { return false }
        return type &>> 14 == 0 && cookie == magicCookie && length & 3 == 0
            && Int(length) == datagram.byteCount - headByteCount
    }
}

/// What a CHANGE-REQUEST asks for (RFC 5780 §7.2), and where one of up to four sockets stands to the first.
public struct STUNChange: OptionSet, Hashable, Sendable, BitwiseCopyable {
    /// The bits on the wire.
    public let rawValue: UInt32
    /// The change with these bits.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The other port.
    public static let port = STUNChange(rawValue: 2)
    /// The other address.
    public static let address = STUNChange(rawValue: 4)
}

/// A few attribute types: more than eight are not remembered, and need not be (RFC 8489 §6.3.1 asks for a list of them, and a
/// client that sent so many learns no more from the ninth).
public struct STUNUnknownAttributes: Equatable, Sendable, BitwiseCopyable {
    private var types: [8 of UInt16] = .init(repeating: 0)
    /// How many there are.
    public private(set) var count = 0

    /// None.
    public init() {}

    /// The type at a place below `count`.
    public subscript(index: Int) -> UInt16 { types[index] }

    /// Puts one more in, if there is room.
    public mutating func append(_ type: UInt16) {
        guard count < types.count else { return }
        types[count] = type
        count += 1
    }

    /// Whether both have the same types in the same order.
    public static func == (left: Self, right: Self) -> Bool {
        left.count == right.count && (0..<left.count).allSatisfy { left.types[$0] == right.types[$0] }
    }
}

/// The attribute types that are looked at, or known and ignored.
enum STUNAttribute {
    /// RFC 8489 §14.1.
    static let mappedAddress: UInt16 = 0x0001
    /// RFC 5780 §7.2.
    static let changeRequest: UInt16 = 0x0003
    /// RFC 3489 §11.2.3: what OTHER-ADDRESS was before.
    static let changedAddress: UInt16 = 0x0005
    /// RFC 8489 §14.8.
    static let errorCode: UInt16 = 0x0009
    /// RFC 8489 §14.13.
    static let unknownAttributes: UInt16 = 0x000a
    /// RFC 8489 §14.2.
    static let xorMappedAddress: UInt16 = 0x0020
    /// RFC 8489 §14.14.
    static let software: UInt16 = 0x8022
    /// RFC 8489 §14.7.
    static let fingerprint: UInt16 = 0x8028
    /// RFC 5780 §7.3.
    static let responseOrigin: UInt16 = 0x802b
    /// RFC 5780 §7.4.
    static let otherAddress: UInt16 = 0x802c

    /// From here on an attribute need not be understood.
    static let firstOptional: UInt16 = 0x8000
    /// USERNAME, MESSAGE-INTEGRITY, REALM, NONCE, MESSAGE-INTEGRITY-SHA256, PASSWORD-ALGORITHM, USERHASH: of RFC 8489 itself, so
    /// understood, and of no use where nothing is authenticated.
    static let ignored: [UInt16] = [0x0006, 0x0008, 0x0014, 0x0015, 0x001c, 0x001d, 0x001e]
}
