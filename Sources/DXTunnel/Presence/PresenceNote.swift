import DXSecure
import DXWire

/// The first 8 bytes of a gateway id: what members call each other where many are named (`docs/group.md` §9). Ids are
/// hashes; two of a group's that begin alike are not to be expected.
struct PresenceTag: Hashable, Sendable, Comparable {
    let value: UInt64

    /// The tag of a gateway.
    init(_ id: GatewayID) {
        value = id.bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// A tag as it was received.
    init(value: UInt64) { self.value = value }

    static func < (left: PresenceTag, right: PresenceTag) -> Bool { left.value < right.value }
}

/// What a member says of itself and of those with which it has a channel (`docs/group.md` §9). A later one has a higher
/// sequence and takes the place of all before it.
struct PresenceNote: Hashable, Sendable {
    let origin: PresenceTag
    /// A random number for each start of the gateway: tells a gateway from another one with its key.
    let boot: UInt64
    var sequence: UInt64
    /// What the program calls its version.
    var version: String
    /// The channels it has.
    var links: [Link] = []
    /// Members whose channels have ended: when each was heard last.
    var lost: [Lost] = []

    /// A channel with another member.
    struct Link: Hashable, Sendable {
        var member: PresenceTag
        var kind: PathKind
        /// That member's key is used by two gateways at once.
        var isTwice = false
    }

    /// A member that went away.
    struct Lost: Hashable, Sendable {
        var member: PresenceTag
        /// By the calendar of whoever says so, in seconds since 1970.
        var lastHeard: UInt64
    }

    /// A hub of 500 devices names all of them in 4.5 kB.
    static let mostLinks = 2_048
    /// Those that went away last.
    static let mostLost = 16
    static let longestVersion = 32

    private static let twiceFlag: UInt8 = 0x80

    /// Whether it takes the place of another one by the same member.
    func supersedes(_ other: PresenceNote) -> Bool { (sequence, boot) > (other.sequence, other.boot) }

    /// Reads one; `invalidValue` beyond the limits.
    init(reading reader: inout ByteReader) throws(DecodeError) {
        origin = PresenceTag(value: try reader.readUInt64())
        boot = try reader.readUInt64()
        sequence = try reader.readVarInt()
        version = try RecordFields.text(try reader.readArray(atMost: Self.longestVersion))
        let linkCount = try reader.readVarInt()
        guard linkCount <= UInt64(Self.mostLinks) else { throw .invalidValue }
        for _ in 0..<linkCount {
            let member = PresenceTag(value: try reader.readUInt64())
            let flags = try reader.readUInt8()
            links.append(
                Link(
                    member: member, kind: PathKind(code: flags & ~Self.twiceFlag), isTwice: flags & Self.twiceFlag != 0)
            )
        }
        let lostCount = try reader.readVarInt()
        guard lostCount <= UInt64(Self.mostLost) else { throw .invalidValue }
        for _ in 0..<lostCount {
            lost.append(Lost(member: PresenceTag(value: try reader.readUInt64()), lastHeard: try reader.readVarInt()))
        }
    }

    /// A note from its parts.
    init(origin: PresenceTag, boot: UInt64, sequence: UInt64, version: String) {
        self.origin = origin
        self.boot = boot
        self.sequence = sequence
        self.version = version
    }

    /// Appends it.
    func write(to output: inout OutputRawSpan) {
        output.write(origin.value)
        output.write(boot)
        output.writeVarInt(sequence)
        let text = Array(version.utf8.prefix(Self.longestVersion))
        output.writeVarInt(UInt64(text.count))
        unsafe output.write(text.span.bytes)
        output.writeVarInt(UInt64(links.count))
        for link in links {
            output.write(link.member.value)
            output.write(link.kind.code | (link.isTwice ? Self.twiceFlag : 0))
        }
        output.writeVarInt(UInt64(lost.count))
        for one in lost {
            output.write(one.member.value)
            output.writeVarInt(one.lastHeard)
        }
    }

    /// About what it takes encoded.
    var byteCount: Int { 64 + links.count * 9 + lost.count * 16 }
}

/// How two members reach each other.
public enum PathKind: String, Codable, Hashable, Sendable {
    /// By addresses of the internet.
    case direct
    /// By addresses that are good in one network only: private ones (RFC 1918, RFC 4193), link-local ones, loopback.
    case lan
    /// Through another member.
    case forwarded

    /// What stands for it in a note. One of a newer version is taken for a direct one.
    var code: UInt8 {
        switch self {
        case .direct: 0
        case .lan: 1
        case .forwarded: 2
        }
    }

    init(code: UInt8) {
        switch code {
        case 1: self = .lan
        case 2: self = .forwarded
        default: self = .direct
        }
    }
}
