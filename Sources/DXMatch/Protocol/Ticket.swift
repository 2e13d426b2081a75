public import DXWire

/// What a matchmaker gives a client to show with each request (`docs/matchmaking.md` §3): 120 bytes, opaque to the client.
public struct Ticket: Sendable, BitwiseCopyable {
    private var words: [15 of UInt64]

    /// The length on the wire: key number, nonce, 88 sealed bytes, tag.
    public static let byteCount = 120

    /// 120 zero bytes: no ticket, where the result is not "granted".
    public static let zero = Ticket()

    private init() { words = .init(repeating: 0) }

    /// Reads 120 bytes.
    public init(reading reader: inout ByteReader) throws(DecodeError) {
        words = .init(repeating: 0)
        for index in words.indices { words[index] = try reader.readUInt64() }
    }

    /// The number of the matchmaker's key under which it is sealed: the first four bytes.
    public var keyNumber: UInt32 { UInt32(truncatingIfNeeded: words[0] &>> 32) }

    /// Appends the 120 bytes.
    @_lifetime(output: copy output)
    public func write(to output: inout OutputRawSpan) {
        for index in words.indices { output.write(words[index]) }
    }
}

extension Ticket: Equatable {
    /// Compares the bytes.
    public static func == (left: Ticket, right: Ticket) -> Bool {
        for index in left.words.indices where left.words[index] != right.words[index] { return false }
        return true
    }
}
