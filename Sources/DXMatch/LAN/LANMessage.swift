public import DXWire

/// What gateways of a group tell each other within a network (`docs/matchmaking.md` §10), before it is sealed. All have one size.
public struct LANMessage: Equatable, Sendable {
    /// Who says it.
    public var sender: GatewayID
    /// A random number of this start of the sender.
    public var boot: UInt64
    /// Rises with each message of this start, of either kind.
    public var counter: UInt64
    /// The UDP port of the sender's channels, at the address that this comes from.
    public var port: UInt16
    /// What it says beside.
    public var body: Body

    /// What a message says beside where its sender is.
    public enum Body: Equatable, Sendable {
        /// To all: these members are wanted and not reached, by the first 8 bytes of their ids; nil for more than fit.
        case announcement(wanted: [UInt64]?)
        /// To one, which said this: its boot and counter.
        case answer(boot: UInt64, counter: UInt64)
    }

    /// The size of each message, in bytes.
    public static let byteCount = 120
    /// The most members that are named as wanted.
    public static let mostWanted = 8

    private static let announcementType: UInt8 = 1
    private static let answerType: UInt8 = 2
    private static let version: UInt8 = 1
    private static let anybody: UInt8 = 0xff

    /// A message with these fields.
    public init(sender: GatewayID, boot: UInt64, counter: UInt64, port: UInt16, body: Body) {
        self.sender = sender
        self.boot = boot
        self.counter = counter
        self.port = port
        self.body = body
    }

    /// Reads a message; `malformed` also for types and versions that are not known. Bytes after the fields are ignored.
    public init(reading content: RawSpan) throws(MatchDecodeError) {
        guard content.byteCount == Self.byteCount else { throw .malformed }
        var reader = ByteReader(content)
        do {
            let type = try reader.readUInt8()
            guard try reader.readUInt8() == Self.version else { throw DecodeError.invalidValue }
            sender = try GatewayID(reading: &reader)
            boot = try reader.readUInt64()
            counter = try reader.readUInt64()
            port = try reader.readUInt16()
            switch type {
            case Self.announcementType:
                let count = try reader.readUInt8()
                guard count != Self.anybody else {
                    body = .announcement(wanted: nil)
                    return
                }
                guard count <= Self.mostWanted else { throw DecodeError.invalidValue }
                var wanted: [UInt64] = []
                for _ in 0..<count { wanted.append(try reader.readUInt64()) }
                body = .announcement(wanted: wanted)
            case Self.answerType: body = .answer(boot: try reader.readUInt64(), counter: try reader.readUInt64())
            default: throw DecodeError.invalidValue
            }
        } catch { throw .malformed }
    }

    /// The `byteCount` bytes. More wanted members than fit are a programming error and trap.
    public var bytes: [UInt8] {
        [UInt8](capacity: Self.byteCount) { output in
            switch body {
            case .announcement: output.write(Self.announcementType)
            case .answer: output.write(Self.answerType)
            }
            output.write(Self.version)
            output.write(sender)
            output.write(boot)
            output.write(counter)
            output.write(port)
            switch body {
            case .announcement(let wanted):
                precondition(wanted?.count ?? 0 <= Self.mostWanted, "what does not fit is anybody")
                output.write(wanted.map { UInt8($0.count) } ?? Self.anybody)
                for tag in wanted ?? [] { output.write(tag) }
            case .answer(let boot, let counter):
                output.write(boot)
                output.write(counter)
            }
            while output.byteCount < Self.byteCount { output.write(UInt8(0)) }
        }
    }

    /// What a member is called where many are named: the first 8 bytes of its id.
    public static func tag(_ member: GatewayID) -> UInt64 {
        member.bytes.prefix(8).reduce(0) { $0 &<< 8 | UInt64($1) }
    }
}
