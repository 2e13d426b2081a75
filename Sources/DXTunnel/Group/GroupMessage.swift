import DXMatch
import DXSecure
import DXWire

/// What neighbours tell each other about their documents (`docs/group.md` §7).
enum GroupMessage: Equatable, Sendable {
    /// All that the sender holds, in one fingerprint.
    case summary(GroupIndex.Fingerprint)
    /// The 16 branches below one that differs.
    case branches(GroupIndex.Prefix, [GroupIndex.Fingerprint])
    /// All that the sender holds in a branch that differs.
    case list(GroupIndex.Prefix, [Bytes32])
    /// The sender has something new.
    case have([Bytes32])
    /// The sender asks for these.
    case want([Bytes32])
    /// Records, as asked for or as the other end's list lacks them.
    case records([GroupRecord])
    /// The sender lacks the secret of this epoch, named as its record is.
    case epochWanted([UInt8])
    /// The secret of an epoch: its number and 32 bytes. Told to members only, as only they have a channel.
    case epoch(UInt64, [UInt8])
    /// Who is there, as the sender knows it, in one fingerprint (§9).
    case presenceSummary(GroupIndex.Fingerprint)
    /// What the sender knows of each member, in short.
    case presenceList([PresenceMap.Held])
    /// What members say of themselves.
    case presence([PresenceNote])
    /// Up to which epoch members have followed the group.
    case reached([Reached])
    /// An admin asks another one to do something (§8.1): a random number, and what.
    case request(UInt64, [UInt8])
    /// The answer to the request of that number.
    case answer(UInt64, [UInt8])
    /// For another neighbour of the receiver's: what is passed on to it, unread (`docs/matchmaking.md` §11).
    case introduce(GatewayID, [UInt8])
    /// Passed on: by whom it is, where the sender sees that one, and what it says.
    case introduced(GatewayID, observed: Endpoint?, [UInt8])
    /// A type of a newer version, skipped.
    case unknown

    /// A member that has followed the group up to an epoch.
    struct Reached: Hashable, Sendable {
        var member: PresenceTag
        var epoch: UInt64
    }

    /// The most members of one message: a group has a few hundred.
    static let mostReached = 4_096
    /// The most hashes of one message: 64 KiB of them.
    static let mostHashes = 2_048
    /// A message of records ends with the one that brings it to so many bytes.
    static let fullRecords = 65_536
    /// The longest message, in bytes.
    static let longest = fullRecords + GroupRecord.longest + 64

    private enum Kind {
        static let summary: UInt64 = 1
        static let branches: UInt64 = 2
        static let list: UInt64 = 3
        static let have: UInt64 = 4
        static let want: UInt64 = 5
        static let records: UInt64 = 6
        static let epochWanted: UInt64 = 7
        static let epoch: UInt64 = 8
        static let presenceSummary: UInt64 = 9
        static let presenceList: UInt64 = 10
        static let presence: UInt64 = 11
        static let reached: UInt64 = 12
        static let request: UInt64 = 13
        static let answer: UInt64 = 14
        static let introduce: UInt64 = 15
        static let introduced: UInt64 = 16
    }

    /// Reads one message without its length.
    init(reading reader: inout ByteReader, group: GroupID) throws(DecodeError) {
        switch try reader.readVarInt() {
        case Kind.summary: self = .summary(try Self.fingerprint(&reader))
        case Kind.branches:
            let prefix = try Self.prefix(&reader)
            var fingerprints: [GroupIndex.Fingerprint] = []
            for _ in 0..<16 { fingerprints.append(try Self.fingerprint(&reader)) }
            self = .branches(prefix, fingerprints)
        case Kind.list: self = .list(try Self.prefix(&reader), try Self.hashes(&reader))
        case Kind.have: self = .have(try Self.hashes(&reader))
        case Kind.want: self = .want(try Self.hashes(&reader))
        case Kind.records:
            var records: [GroupRecord] = []
            while reader.remaining > 0 { records.append(try GroupRecord(reading: &reader, group: group)) }
            self = .records(records)
        case Kind.epochWanted: self = .epochWanted(try reader.readArray(atMost: GroupRecord.longestID))
        case Kind.epoch:
            let number = try reader.readUInt64()
            var secret: [UInt8] = []
            for _ in 0..<VeilSecret.byteCount { secret.append(try reader.readUInt8()) }
            self = .epoch(number, secret)
        case Kind.presenceSummary: self = .presenceSummary(try Self.fingerprint(&reader))
        case Kind.presenceList:
            var held: [PresenceMap.Held] = []
            while reader.remaining > 0 {
                guard held.count < Self.mostReached else { throw .invalidValue }
                held.append(
                    PresenceMap.Held(
                        member: PresenceTag(value: try reader.readUInt64()), sequence: try reader.readVarInt(),
                        reached: try reader.readVarInt()))
            }
            self = .presenceList(held)
        case Kind.presence:
            var notes: [PresenceNote] = []
            while reader.remaining > 0 { notes.append(try PresenceNote(reading: &reader)) }
            self = .presence(notes)
        case Kind.reached:
            var list: [Reached] = []
            while reader.remaining > 0 {
                guard list.count < Self.mostReached else { throw .invalidValue }
                list.append(
                    Reached(member: PresenceTag(value: try reader.readUInt64()), epoch: try reader.readVarInt()))
            }
            self = .reached(list)
        case Kind.request: self = .request(try reader.readUInt64(), try Self.rest(&reader))
        case Kind.answer: self = .answer(try reader.readUInt64(), try Self.rest(&reader))
        case Kind.introduce:
            self = .introduce(
                try GatewayID(reading: &reader), try Self.rest(&reader, atMost: IntroductionContent.longest))
        case Kind.introduced:
            let sender = try GatewayID(reading: &reader)
            var observed: Endpoint?
            if try reader.peekUInt8() == 0 {
                try reader.skip(1)
            } else {
                observed = try Endpoint(reading: &reader, mask: .none)
            }
            self = .introduced(
                sender, observed: observed, try Self.rest(&reader, atMost: IntroductionContent.longest))
        default: self = .unknown
        }
    }

    /// The message without its length.
    var encoded: [UInt8] {
        switch self {
        case .summary(let fingerprint): [UInt8(Kind.summary)] + fingerprint.bytes
        case .branches(let prefix, let fingerprints):
            [UInt8(Kind.branches)] + Self.bytes(prefix) + fingerprints.flatMap(\.bytes)
        case .list(let prefix, let hashes): [UInt8(Kind.list)] + Self.bytes(prefix) + hashes.flatMap(\.bytes)
        case .have(let hashes): [UInt8(Kind.have)] + hashes.flatMap(\.bytes)
        case .want(let hashes): [UInt8(Kind.want)] + hashes.flatMap(\.bytes)
        case .records(let records): [UInt8(Kind.records)] + records.flatMap(\.encoded)
        case .epochWanted(let id):
            TunnelMessageWriter.bytes(capacity: 8 + id.count) { output in
                output.writeVarInt(Kind.epochWanted)
                output.writeVarInt(UInt64(id.count))
                unsafe output.write(id.span.bytes)
            }
        case .epoch(let number, let secret):
            TunnelMessageWriter.bytes(capacity: 16 + secret.count) { output in
                output.writeVarInt(Kind.epoch)
                output.write(number)
                unsafe output.write(secret.span.bytes)
            }
        case .presenceSummary(let fingerprint): [UInt8(Kind.presenceSummary)] + fingerprint.bytes
        case .presenceList(let held):
            TunnelMessageWriter.bytes(capacity: 8 + held.count * 24) { output in
                output.writeVarInt(Kind.presenceList)
                for one in held {
                    output.write(one.member.value)
                    output.writeVarInt(one.sequence)
                    output.writeVarInt(one.reached)
                }
            }
        case .presence(let notes):
            TunnelMessageWriter.bytes(capacity: 8 + notes.reduce(0) { $0 + $1.byteCount }) { output in
                output.writeVarInt(Kind.presence)
                for note in notes { note.write(to: &output) }
            }
        case .reached(let list):
            TunnelMessageWriter.bytes(capacity: 8 + list.count * 16) { output in
                output.writeVarInt(Kind.reached)
                for one in list {
                    output.write(one.member.value)
                    output.writeVarInt(one.epoch)
                }
            }
        case .request(let number, let body): Self.bytes(Kind.request, number, body)
        case .answer(let number, let body): Self.bytes(Kind.answer, number, body)
        case .introduce(let target, let sealed):
            TunnelMessageWriter.bytes(capacity: 40 + sealed.count) { output in
                output.writeVarInt(Kind.introduce)
                output.write(target)
                unsafe output.write(sealed.span.bytes)
            }
        case .introduced(let sender, let observed, let sealed):
            TunnelMessageWriter.bytes(capacity: 64 + sealed.count) { output in
                output.writeVarInt(Kind.introduced)
                output.write(sender)
                if let observed { observed.write(to: &output, mask: .none) } else { output.write(UInt8(0)) }
                unsafe output.write(sealed.span.bytes)
            }
        case .unknown: preconditionFailure("an unknown message is never sent")
        }
    }

    private static func bytes(_ kind: UInt64, _ number: UInt64, _ body: [UInt8]) -> [UInt8] {
        TunnelMessageWriter.bytes(capacity: 16 + body.count) { output in
            output.writeVarInt(kind)
            output.write(number)
            unsafe output.write(body.span.bytes)
        }
    }

    private static func rest(
        _ reader: inout ByteReader, atMost limit: Int = AdminRequest.longest
    ) throws(DecodeError) -> [UInt8] {
        guard reader.remaining <= limit else { throw .invalidValue }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(reader.remaining)
        while reader.remaining > 0 { bytes.append(try reader.readUInt8()) }
        return bytes
    }

    /// One digit a byte.
    private static func bytes(_ prefix: GroupIndex.Prefix) -> [UInt8] {
        [UInt8(prefix.digits.count)] + prefix.digits
    }

    private static func prefix(_ reader: inout ByteReader) throws(DecodeError) -> GroupIndex.Prefix {
        let count = Int(try reader.readUInt8())
        guard count <= GroupIndex.Prefix.longest else { throw .invalidValue }
        var prefix = GroupIndex.Prefix()
        for _ in 0..<count {
            let digit = try reader.readUInt8()
            guard digit < 16 else { throw .invalidValue }
            prefix.digits.append(digit)
        }
        return prefix
    }

    private static func fingerprint(_ reader: inout ByteReader) throws(DecodeError) -> GroupIndex.Fingerprint {
        var bytes: [UInt8] = []
        for _ in 0..<GroupIndex.Fingerprint.byteCount { bytes.append(try reader.readUInt8()) }
        return GroupIndex.Fingerprint(bytes: bytes)
    }

    private static func hashes(_ reader: inout ByteReader) throws(DecodeError) -> [Bytes32] {
        guard reader.remaining <= mostHashes * Bytes32.byteCount else { throw .invalidValue }
        var hashes: [Bytes32] = []
        while reader.remaining > 0 { hashes.append(try Bytes32(reading: &reader)) }
        return hashes
    }
}
