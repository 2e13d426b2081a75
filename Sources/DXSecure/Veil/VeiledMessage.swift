public import DXWire

/// A message inside the veil (`docs/wire-format.md` §3), decoded. Trivial: a DTLS datagram stays where it lies and is
/// named by its place.
public enum VeiledMessage: Equatable, Sendable, BitwiseCopyable {
    /// §3.1.
    case hello(Hello)
    /// §3.2.
    case challenge(Challenge)
    /// §3.3.
    case connect(Connect)
    /// §3.5.
    case handshake(Handshake)
    /// A check of a path or its answer (`docs/matchmaking.md` §7), which the owner reads.
    case check

    /// The version of all messages.
    static let version: UInt8 = 1
    /// CHECK and CHECKED. Their version is the owner's to look at, too.
    private static let checkTypes: ClosedRange<UInt8> = 4...5

    /// Reads a whole message. Total: any bytes give a message or one of `unknownType`, `unknownVersion`, `malformed`.
    public init(reading message: RawSpan) throws(VeilDrop) {
        var reader = ByteReader(message)
        guard let type = try? reader.readUInt8(), let version = try? reader.readUInt8() else { throw .malformed }
        // The type first: a type of a later version may have its own versions.
        if Self.checkTypes.contains(type) {
            self = .check
            return
        }
        guard [Hello.type, Challenge.type, Connect.type, Handshake.type].contains(type) else { throw .unknownType }
        guard version == Self.version else { throw .unknownVersion }
        do {
            switch type {
            case Hello.type: self = .hello(try Hello(reading: &reader))
            case Challenge.type: self = .challenge(try Challenge(reading: &reader))
            case Connect.type: self = .connect(try Connect(reading: &reader))
            default: self = .handshake(try Handshake(reading: &reader))
            }
        } catch {
            throw .malformed
        }
    }
}

/// What one attempt to connect is known by: 16 bytes (`docs/wire-format.md` §3.1), the first of which names the initiator's
/// event loop; the rest is random.
public struct Attempt: Hashable, Sendable, BitwiseCopyable {
    private let high: UInt64
    private let low: UInt64

    /// The length on the wire.
    public static let byteCount = 16

    /// Reads 16 bytes.
    public init(reading reader: inout ByteReader) throws(DecodeError) {
        high = try reader.readUInt64()
        low = try reader.readUInt64()
    }

    /// The attempt of these bits.
    init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// A new one.
    static func random(shard: UInt8 = 0) -> Attempt {
        Attempt(high: UInt64(shard) &<< 56 | SecureRandom.next() &>> 8, low: SecureRandom.next())
    }

    /// The initiator's event loop.
    var shard: UInt8 { UInt8(truncatingIfNeeded: high &>> 56) }

    /// Appends the 16 bytes.
    @_lifetime(output: copy output)
    public func write(to output: inout OutputRawSpan) {
        output.write(high)
        output.write(low)
    }
}
