import DXWire

/// What the other admin answers (`docs/group.md` §8.1). Tokens are in it: it goes over the channel and nowhere else.
enum AdminAnswer: Hashable, Sendable {
    /// The invitations that were made, with their tokens, or that there are, without.
    case invitations([Invitation])
    /// How many were taken back.
    case revoked(Int)
    /// It was not done.
    case refused(GroupError)

    private enum Field {
        static let code: UInt64 = 1
        static let message: UInt64 = 2
        static let hint: UInt64 = 3
        static let invitation: UInt64 = 4
        static let revoked: UInt64 = 5
    }

    private enum InvitationField {
        static let id: UInt64 = 1
        static let token: UInt64 = 2
        static let name: UInt64 = 3
        static let label: UInt64 = 4
        static let expires: UInt64 = 5
        static let usedBy: UInt64 = 6
        static let leftOut: UInt64 = 7
    }

    /// Reads an answer's fields. A code of a newer version is taken for `failed`.
    init(_ body: [UInt8]) throws(DecodeError) {
        let fields = try RecordFields(body)
        if let code = try fields.text(Field.code) {
            self = .refused(
                GroupError(
                    GroupError.Code(rawValue: code) ?? .failed, try fields.text(Field.message) ?? "",
                    try fields.text(Field.hint) ?? ""))
        } else if let count = try fields.integer(Field.revoked) {
            self = .revoked(Int(clamping: count))
        } else {
            var invitations: [Invitation] = []
            for value in fields.all(Field.invitation) { invitations.append(try Self.invitation(value)) }
            self = .invitations(invitations)
        }
    }

    /// The answer's fields.
    var encoded: [UInt8] {
        var fields = RecordFields()
        switch self {
        case .invitations(let invitations):
            for invitation in invitations { fields.add(Field.invitation, Self.body(invitation)) }
        case .revoked(let count): fields.add(Field.revoked, UInt64(max(0, count)))
        case .refused(let error):
            fields.add(Field.code, error.code.rawValue)
            fields.add(Field.message, error.message)
            fields.add(Field.hint, error.hint)
        }
        return fields.encoded
    }

    private static func invitation(_ body: [UInt8]) throws(DecodeError) -> Invitation {
        let fields = try RecordFields(body)
        func texts(_ number: UInt64) throws(DecodeError) -> [String] {
            var texts: [String] = []
            for value in fields.all(number) { texts.append(try RecordFields.text(value)) }
            return texts
        }
        let leftOut = try texts(InvitationField.leftOut)
        guard let id = try fields.text(InvitationField.id), let expires = try fields.integer(InvitationField.expires)
        else { throw .invalidValue }
        return Invitation(
            id: id, token: try fields.text(InvitationField.token), name: try fields.text(InvitationField.name),
            labels: try texts(InvitationField.label), expires: Timestamp(claimed: expires),
            usedBy: try fields.text(InvitationField.usedBy), leftOut: leftOut.isEmpty ? nil : leftOut)
    }

    private static func body(_ invitation: Invitation) -> [UInt8] {
        var fields = RecordFields()
        fields.add(InvitationField.id, invitation.id)
        if let token = invitation.token { fields.add(InvitationField.token, token) }
        if let name = invitation.name { fields.add(InvitationField.name, name) }
        for label in invitation.labels { fields.add(InvitationField.label, label) }
        fields.add(InvitationField.expires, UInt64(max(0, invitation.expires.wholeSeconds)))
        if let usedBy = invitation.usedBy { fields.add(InvitationField.usedBy, usedBy) }
        for address in invitation.leftOut ?? [] { fields.add(InvitationField.leftOut, address) }
        return fields.encoded
    }
}
