/// BIND (`docs/wire-format.md` §4): ties a session to a channel; the first thing each side sends on a new session.
public struct Bind: Equatable, Sendable, BitwiseCopyable {
    /// The highest protocol version that the sender speaks.
    public var version: UInt8
    /// The lowest protocol version that the sender speaks.
    public var minimumVersion: UInt8
    /// Whether the sender already has the receiver's BIND.
    public var isSeen: Bool
    /// Optional abilities of the sender, a bit each.
    public var capabilities: UInt64
    /// Chosen at random when the sending gateway started.
    public var bootID: UInt64
    /// Chosen at random for the sender's end of the channel.
    public var channelHalf: UInt64
    /// The session's number in the channel; the initiator of the session decides.
    public var pathID: PathID
    /// Limits of the sender.
    public var parameters: TransportParameters

    /// The first byte of a plaintext that is a BIND (`docs/wire-format.md` §2).
    public static let kind: UInt8 = 0x01
    /// The protocol version of this code.
    public static let currentVersion: UInt8 = 1
    /// A bit of `capabilities`: the sender takes requests of admins (`docs/group.md` §8.1).
    public static let takesAdminRequests: UInt64 = 1
    /// Of `capabilities`: it passes on and takes introductions of members by members (`docs/matchmaking.md` §11), in a group.
    public static let takesIntroductions: UInt64 = 2
    /// Of `capabilities`: it forwards datagrams between members (`docs/wire-format.md` §6.13.1), in a group.
    public static let forwards: UInt64 = 4
    /// Of `capabilities`: it keeps several paths to a peer (`docs/transport.md` §11).
    public static let keepsPaths: UInt64 = 8
    /// Of `capabilities`: it knows UDP tunnels and carries their flows (`docs/wire-format.md` §6.13.2).
    public static let carriesFlows: UInt64 = 256
    /// Of `capabilities`: it keeps a channel for its streams when another start of the sender takes over (`docs/wire-format.md` §7.2).
    public static let followsSuccessor: UInt64 = 512
    /// The largest encoding, in bytes.
    public static let maximumByteCount = 1 + 3 + 8 + 8 + 8 + 8 + TransportParameters.maximumByteCount

    /// A message with these fields.
    public init(
        version: UInt8 = Bind.currentVersion, minimumVersion: UInt8 = Bind.currentVersion, isSeen: Bool,
        capabilities: UInt64 = 0, bootID: UInt64, channelHalf: UInt64, pathID: PathID,
        parameters: TransportParameters
    ) {
        self.version = version
        self.minimumVersion = minimumVersion
        self.isSeen = isSeen
        self.capabilities = capabilities
        self.bootID = bootID
        self.channelHalf = channelHalf
        self.pathID = pathID
        self.parameters = parameters
    }

    /// Reads a whole plaintext; throws `notAPacket` when its first byte is another kind's.
    public init(reading reader: inout ByteReader) throws(DecodeError) {
        guard try reader.readUInt8() == Self.kind else { throw .notAPacket }
        version = try reader.readUInt8()
        minimumVersion = try reader.readUInt8()
        guard minimumVersion >= 1, version >= minimumVersion else { throw .invalidValue }
        isSeen = try reader.readUInt8() & 1 == 1
        capabilities = try reader.readUInt64()
        bootID = try reader.readUInt64()
        channelHalf = try reader.readUInt64()
        pathID = PathID(rawValue: try reader.readVarInt())
        guard pathID <= .maximum else { throw .invalidValue }
        parameters = try TransportParameters(reading: &reader)
    }

    /// Appends the message; at most `maximumByteCount` bytes.
    @_lifetime(output: copy output)
    public func write(to output: inout OutputRawSpan) {
        output.write(Self.kind)
        output.write(version)
        output.write(minimumVersion)
        output.write(isSeen ? 1 as UInt8 : 0)
        output.write(capabilities)
        output.write(bootID)
        output.write(channelHalf)
        output.writeVarInt(pathID.rawValue)
        parameters.write(to: &output)
    }
}
