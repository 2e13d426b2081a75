import DXSecure
import DXWire

/// Makes a member an admin by the root key (`docs/group.md` §3.1): for a group whose last admin's disk is gone. The gateway
/// must not be running; when it runs again all others learn of it.
public struct GroupRecovery: Sendable {
    /// The state directory of the member.
    public var stateDirectory: String
    /// The file with the root key, as `GroupCreation` wrote it.
    public var keyFile: String
    /// That key, where it was read already; nil: `run` reads it.
    public var rootKey: RootKey?

    /// What to do; nothing happens yet.
    public init(stateDirectory: String, keyFile: String, rootKey: RootKey? = nil) {
        self.stateDirectory = stateDirectory
        self.keyFile = keyFile
        self.rootKey = rootKey
    }

    /// Makes this gateway an admin. Doing it again changes nothing.
    ///
    /// - Throws: When the key is not this group's, the gateway runs or is no member, or a file cannot be read or written.
    public func run() throws(StateProblem) -> GroupSummary {
        let state = try StateDirectory(locking: stateDirectory)
        let file = try state.group()
        let root: Identity
        if let rootKey { root = rootKey.identity } else { root = try RootKey(reading: keyFile).identity }
        guard root.publicKey == file.rootKey else {
            throw StateProblem(
                keyFile, "is not the root key of this group", "name the file that init --recovery-out wrote")
        }
        let identity = try state.identity()
        var (document, _) = file.document
        let meaning = GroupState(document)
        guard let own = meaning.members.first(where: { $0.id == file.member }) else {
            throw StateProblem(
                stateDirectory, "is of a gateway that is no member of the group, as far as it knows",
                "do it on one that is; dxgateway group show tells")
        }
        guard !own.isAdmin else { return try GroupSummary(stateDirectory: stateDirectory) }
        guard document.revoked[identity.publicKey] == nil else {
            throw StateProblem(
                state.identityPath, "was an admin's key and was revoked for ever",
                "join as a new gateway, and recover there")
        }
        guard meaning.revision < GroupRecord.highestRevision else {
            throw StateProblem(stateDirectory, "is of a group that has no revision left", "make a new group")
        }
        do throws(SecureError) {
            let record = try GroupRecord(
                .admin, id: identity.publicKey.bytes, revision: meaning.revision + 1,
                body: AdminRecord(id: file.member, name: own.name).body, signedBy: root, group: document.group)
            let admission = document.insert(record)
            precondition(admission == .added, "the root key's new word is held")
        } catch { throw StateProblem(keyFile, "could not sign (\(error))", "check the system's OpenSSL") }
        try state.save(GroupFile(document, member: file.member, introducer: file.introducer))
        return try GroupSummary(stateDirectory: stateDirectory)
    }
}
