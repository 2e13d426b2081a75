import DXWire

/// What one admin asks another to do (`docs/group.md` §8.1): what only that gateway can, since its invitations are its own.
enum AdminRequest: Hashable, Sendable {
    /// Make invitations. Its `at` is not sent.
    case invite(InviteRequest)
    /// Tell of the invitations that there are.
    case list
    /// Take one back, by its id, or all.
    case revoke(String?)

    /// The most tokens of one request: their answer is a message of 40 kB.
    static let mostTokens = 100
    /// The longest request or answer, in bytes.
    static let longest = 65_536

    private enum Field {
        static let kind: UInt64 = 1
        static let name: UInt64 = 2
        static let label: UInt64 = 3
        static let role: UInt64 = 4
        static let lifetime: UInt64 = 5
        static let count: UInt64 = 6
        static let gateway: UInt64 = 7
        static let replaces: UInt64 = 8
        static let invitation: UInt64 = 9
    }

    private enum Kind {
        static let invite: UInt64 = 1
        static let list: UInt64 = 2
        static let revoke: UInt64 = 3
    }

    /// Reads a request's fields; nil for what a newer version asks.
    init?(_ body: [UInt8]) throws(DecodeError) {
        let fields = try RecordFields(body)
        switch try fields.integer(Field.kind) {
        case Kind.invite:
            var request = InviteRequest(
                name: try fields.text(Field.name), role: try fields.text(Field.role),
                ttlSeconds: try fields.integer(Field.lifetime).map { Int(clamping: $0) },
                count: try fields.integer(Field.count).map { Int(clamping: $0) },
                gateway: try fields.text(Field.gateway), replaces: try fields.text(Field.replaces))
            for value in fields.all(Field.label) {
                request.labels = (request.labels ?? []) + [try RecordFields.text(value)]
            }
            self = .invite(request)
        case Kind.list: self = .list
        case Kind.revoke: self = .revoke(try fields.text(Field.invitation))
        default: return nil
        }
    }

    /// A number as a field holds it.
    private static func count(_ number: Int) -> UInt64 { min(UInt64(max(0, number)), VarInt.maximum) }

    /// The request's fields.
    var encoded: [UInt8] {
        var fields = RecordFields()
        switch self {
        case .invite(let request):
            fields.add(Field.kind, Kind.invite)
            if let name = request.name { fields.add(Field.name, name) }
            for label in request.labels ?? [] { fields.add(Field.label, label) }
            if let role = request.role { fields.add(Field.role, role) }
            // What is not above 0 is refused there as here.
            if let lifetime = request.ttlSeconds { fields.add(Field.lifetime, Self.count(lifetime)) }
            if let count = request.count { fields.add(Field.count, Self.count(count)) }
            if let gateway = request.gateway { fields.add(Field.gateway, gateway) }
            if let replaces = request.replaces { fields.add(Field.replaces, replaces) }
        case .list: fields.add(Field.kind, Kind.list)
        case .revoke(let id):
            fields.add(Field.kind, Kind.revoke)
            if let id { fields.add(Field.invitation, id) }
        }
        return fields.encoded
    }
}
