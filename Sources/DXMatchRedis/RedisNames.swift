import DXMatch
import DXMatchServer
import DXSecure
import DXWire

/// What things are called in Redis, and how they are sealed. All begin with the matchmaker's pin, so that several matchmakers can use
/// one database.
///
/// - `dxmatch1:PIN:r:KEY`, a string with the lifetime of the registration: the registration, sealed. KEY is 48 bytes: match key's
///   hash, group tag, member tag.
/// - `dxmatch1:PIN:a:KEY`, a string with the lifetime of the admission: the admission, sealed. KEY is 32 bytes: the owner's match
///   key's hash and the guest's.
/// - `dxmatch1:PIN:all`, a channel: what all instances hear.
/// - `dxmatch1:PIN:i:NUMBER`, a channel: what one instance hears.
struct RedisNames: Sendable {
    private let prefix: String
    /// That all instances have.
    private let key: Bytes32

    init(pin: GatewayID, secrets: MatchSecrets) {
        prefix = "dxmatch1:\(pin.text.prefix(16)):"
        key = secrets.secret(for: "DX match mirror 1\0")
    }

    var all: [UInt8] { Array((prefix + "all").utf8) }
    /// For SCAN. There is nothing in them that a pattern takes for something else. Admissions come first: registrations of guests
    /// are taken because of them.
    var patterns: [[UInt8]] { ["a:*", "r:*"].map { Array((prefix + $0).utf8) } }

    func channel(ofInstance number: UInt32) -> [UInt8] { Array("\(prefix)i:\(number)".utf8) }

    func registration(_ key: RegistrationKey) -> [UInt8] {
        var name = Array((prefix + "r:").utf8)
        for part in [key.matchKey.high, key.matchKey.low, key.groupTag.high, key.groupTag.low] {
            Self.append(part, to: &name)
        }
        Self.append(key.memberTag.high, to: &name)
        Self.append(key.memberTag.low, to: &name)
        return name
    }

    func admission(_ admission: MirroredAdmission) -> [UInt8] {
        var name = Array((prefix + "a:").utf8)
        for part in [admission.owner.high, admission.owner.low, admission.guest.high, admission.guest.low] {
            Self.append(part, to: &name)
        }
        return name
    }

    private static func append(_ word: UInt64, to bytes: inout [UInt8]) {
        for shift in stride(from: 56, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: word &>> UInt64(shift)))
        }
    }

    /// The message as it stands under that name.
    func seal(_ message: MirrorMessage, for name: [UInt8]) throws(RedisError) -> [UInt8] {
        guard let sealed = message.sealed(for: name, key: key) else { throw RedisError(description: "out of memory") }
        return sealed
    }

    /// What stands under that name; nil when no instance wrote it there.
    func open(_ sealed: [UInt8], at name: [UInt8]) -> MirrorMessage? {
        MirrorMessage(sealed: sealed, for: name, key: key)
    }
}
