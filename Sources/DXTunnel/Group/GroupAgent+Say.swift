import DXSecure
import DXWire
import NIOCore

/// What this gateway says itself.
extension GroupAgent {
    /// Signs a record and tells all neighbours. The revision is the next one unless given.
    func say(
        _ kind: GroupRecord.Kind, id: [UInt8], revision: UInt64? = nil, isRemoval: Bool = false, body: [UInt8] = [],
        signedBy signer: Identity? = nil, calendar: Int64 = Timestamp.now().wholeSeconds
    ) throws(GroupError) {
        let record: GroupRecord
        let revision = revision ?? state.revision + 1
        let body = kind.isDated ? RecordFields.dated(body, at: calendar) : body
        // What is said anew came from others, and what a program asks for may be of any size.
        guard revision <= GroupRecord.highestRevision else {
            throw GroupError(.failed, "the group has no revision left", "make a new group")
        }
        guard id.count <= GroupRecord.longestID, body.count <= GroupRecord.longestBody(kind) else {
            throw GroupError(
                .badRequest, "it takes \(body.count) bytes, and a record has \(GroupRecord.longestBody(kind)) at most",
                "name less at once: labels instead of gateways, ranges instead of addresses")
        }
        do throws(SecureError) {
            record = try GroupRecord(
                kind, id: id, revision: revision, isRemoval: isRemoval, body: body,
                signedBy: signer ?? identity, group: group)
        } catch { throw GroupError(.failed, "the record could not be signed (\(error))", "check the system's OpenSSL") }
        switch sync.say(record) {
        case .added, .known: state = GroupState(sync.document)
        case .full:
            throw GroupError(.failed, "the group's document is full", "make a checkpoint, or remove what is not needed")
        case .outdated, .notAllowed, .invalid:
            throw GroupError(.failed, "the group does not take this record", "see the gateway's log")
        }
    }

    /// Refuses what only an admin may do.
    func requireAdmin() throws(GroupError) {
        guard !isAdmin else { return }
        let admins = state.members.filter(\.isAdmin).map(\.name)
        throw GroupError(
            .notAdmin, "this gateway is not an admin of its group",
            admins.isEmpty ? "run group recover with the root key" : "do it on one: \(admins.joined(separator: ", "))")
    }

    /// The root key, for what takes it.
    @discardableResult
    func requireRootKey(_ purpose: String) throws(GroupError) -> Identity {
        guard let root = try rootKey() else {
            throw GroupError(
                .conflict, "\(purpose) takes the root key, which is not here",
                "put it back as \(writer.rootKeyPath) for the moment")
        }
        return root
    }

    /// Makes the holder of a key an admin. Takes the root key.
    func grantAdmin(_ redemption: Invite.Redemption) throws(GroupError) {
        let root = try requireRootKey("making an admin")
        try say(
            .admin, id: redemption.key.bytes, body: AdminRecord(id: redemption.member, name: redemption.name).body,
            signedBy: root)
    }

    /// The group's root key, if it lies here.
    func rootKey() throws(GroupError) -> Identity? {
        do throws(StateProblem) { return try writer.rootKey() } catch {
            throw GroupError(.failed, "the root key cannot be read: \(error.message)", error.remedy)
        }
    }

    /// Uses what was said, and waits until it is on the disk; the revision then.
    func commit() -> EventLoopFuture<UInt64> {
        settle()
        let revision = state.revision
        return saveGroup().map { revision }.flatMapErrorThrowing { error in
            throw Self.notKept("the change holds, but is not saved, which is tried again", error)
        }
    }
}
