import DXWire

/// REFRESH (`docs/matchmaking.md` §4.1): keeps a NAT's binding and a registration.
public struct RefreshMessage: Equatable, Sendable, BitwiseCopyable {
    /// The registration.
    public var handle: Handle
    /// The sender's count, rising.
    public var count: UInt32
    /// The number of a notice that came; 0 for none.
    public var notice: UInt32
    /// Bits, of which one is defined.
    public var flags: UInt8
    /// The head of the HMAC over all before it.
    public var code: UInt64

    /// The flag that asks for no answer.
    public static let wantsNoAnswer: UInt8 = 1
    /// The bytes that the code covers: type, version and all fields but the code.
    public static let coveredByteCount = MatchMessage.headByteCount + Handle.byteCount + 4 + 4 + 1
    /// The size of the message, in bytes.
    public static let byteCount = coveredByteCount + 8

    /// A message with these fields.
    public init(handle: Handle, count: UInt32, notice: UInt32 = 0, flags: UInt8 = 0, code: UInt64 = 0) {
        self.handle = handle
        self.count = count
        self.notice = notice
        self.flags = flags
        self.code = code
    }

    /// Whether the sender wants an answer.
    public var isAnswered: Bool { flags & Self.wantsNoAnswer == 0 }

    /// Reads the fields behind type and version.
    init(reading reader: inout ByteReader) throws(DecodeError) {
        handle = try Handle(reading: &reader)
        count = try reader.readUInt32()
        notice = try reader.readUInt32()
        flags = try reader.readUInt8()
        code = try reader.readUInt64()
    }

    /// Appends what the code covers: the message without its last field.
    @_lifetime(output: copy output)
    public func writeCovered(to output: inout OutputRawSpan) {
        MatchMessage.writeHead(.refresh, to: &output)
        output.write(handle.rawValue)
        output.write(count)
        output.write(notice)
        output.write(flags)
    }

    /// Appends the whole message.
    @_lifetime(output: copy output)
    public func write(to output: inout OutputRawSpan) {
        writeCovered(to: &output)
        output.write(code)
    }
}

/// REFRESHED (`docs/matchmaking.md` §4.1): the answer to REFRESH.
public struct RefreshedMessage: Equatable, Sendable, BitwiseCopyable {
    /// The registration.
    public var handle: Handle
    /// That of the REFRESH.
    public var count: UInt32
    /// What the sender should do.
    public var flags: Flags
    /// The head of the HMAC over all before it.
    public var code: UInt64

    /// What a REFRESHED tells.
    public struct Flags: OptionSet, Sendable, BitwiseCopyable {
        /// The bits on the wire; those of later versions are kept.
        public let rawValue: UInt8
        /// The flags with these bits.
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// The REFRESH came from another address than the registered one: nothing follows it there before a REGISTER.
        public static let registerAgain = Flags(rawValue: 1)
        /// The roster has changed since the registration asked for its first page.
        public static let rosterChanged = Flags(rawValue: 2)
        /// This instance is going away: use others.
        public static let leaving = Flags(rawValue: 4)
    }

    /// The bytes that the code covers: type, version and all fields but the code.
    public static let coveredByteCount = MatchMessage.headByteCount + Handle.byteCount + 4 + 1
    /// The size of the message, in bytes: four less than that of REFRESH.
    public static let byteCount = coveredByteCount + 8

    /// A message with these fields.
    public init(handle: Handle, count: UInt32, flags: Flags, code: UInt64 = 0) {
        self.handle = handle
        self.count = count
        self.flags = flags
        self.code = code
    }

    /// Reads the fields behind type and version.
    init(reading reader: inout ByteReader) throws(DecodeError) {
        handle = try Handle(reading: &reader)
        count = try reader.readUInt32()
        flags = Flags(rawValue: try reader.readUInt8())
        code = try reader.readUInt64()
    }

    /// Appends what the code covers: the message without its last field.
    @_lifetime(output: copy output)
    public func writeCovered(to output: inout OutputRawSpan) {
        MatchMessage.writeHead(.refreshed, to: &output)
        output.write(handle.rawValue)
        output.write(count)
        output.write(flags.rawValue)
    }

    /// Appends the whole message.
    @_lifetime(output: copy output)
    public func write(to output: inout OutputRawSpan) {
        writeCovered(to: &output)
        output.write(code)
    }
}
