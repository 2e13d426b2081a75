import CDXSystem
import DXSecure
import DXWire

/// A new group (`docs/group.md` §1): its root key, its secret, and this gateway as its first member and admin.
public struct GroupCreation: Sendable {
    /// What operators call the group.
    public var group: String
    /// What they call this gateway.
    public var gateway: String
    /// The directory that holds all of it; made when it is not there.
    public var stateDirectory: String
    /// A file for the root key, outside of the directory; nil for one in it.
    public var recoveryFile: String?
    /// The group's matchmakers, at most eight; with any the group has a match key from the start.
    public var matchmakers: [MatchmakerAddress]

    /// What to make, and where. Nothing is written yet.
    public init(
        group: String, gateway: String, stateDirectory: String, recoveryFile: String? = nil,
        matchmakers: [MatchmakerAddress] = []
    ) {
        self.matchmakers = matchmakers
        self.group = group
        self.gateway = gateway
        self.stateDirectory = stateDirectory
        self.recoveryFile = recoveryFile
    }

    /// Makes the group. An identity that is there already is used: it may be known elsewhere by its fingerprint.
    ///
    /// A crash at any moment leaves a directory without a group, where this can be done again, or one with the whole of it.
    /// - Throws: When a name is none, when the directory holds a group already or is in use, when the recovery file is
    ///   there already, or when a file cannot be written.
    public func run() throws(StateProblem) -> GroupSummary {
        for name in [group, gateway] where !NameRule.isValid(name) {
            throw StateProblem(
                "\"\(name)\"", "is no name",
                "use 1 to 63 letters, digits, '.', '-' and '_', the first one a letter or digit")
        }
        guard matchmakers.count <= MatchServersRecord.most, Set(matchmakers).count == matchmakers.count else {
            throw StateProblem(
                "the list of matchmakers", "has one twice, or more than \(MatchServersRecord.most)", "give each once")
        }
        let state = try StateDirectory(locking: stateDirectory)
        guard !state.hasGroup else {
            throw StateProblem(
                stateDirectory, "holds a group already", "name another directory with --state, or remove this one")
        }
        if let recoveryFile { try RootKey.refuseExisting(recoveryFile) }
        state.removeLeftovers()
        let identity = try state.identity()
        do {
            let root = try Identity.generate()
            try root.write(to: recoveryFile ?? state.rootKeyPath)
            let epoch = EpochSecret(number: 1, secret: .generate())
            try state.add(epoch)
            try state.save(try file(root: root, identity: identity, epoch: epoch))
        } catch let error as KeyFileError {
            throw StateProblem(error)
        } catch let error as StateProblem {
            throw error
        } catch {
            throw StateProblem(stateDirectory, "no key could be made (\(error))", "check the system's OpenSSL")
        }
        return try GroupSummary(stateDirectory: stateDirectory)
    }

    /// The first records: the root key's word for the admin, and the admin's for the rest.
    private func file(root: Identity, identity: Identity, epoch: EpochSecret) throws(SecureError) -> GroupFile {
        let id = GroupID(rootKey: root.publicKey)
        let member = MemberRecord.ID.random()
        var document = GroupDocument(rootKey: root.publicKey)
        let now = Timestamp.now().wholeSeconds
        var records = [
            try GroupRecord(
                .admin, id: identity.publicKey.bytes, revision: 1, body: AdminRecord(id: member, name: gateway).body,
                signedBy: root, group: id),
            try GroupRecord(
                .member, id: member.bytes, revision: 2,
                body: RecordFields.dated(
                    MemberRecord(name: gateway, key: identity.publicKey).body, at: now),
                signedBy: identity, group: id),
            try GroupRecord(
                .policy, id: Array(GroupState.namePolicy.utf8), revision: 3, body: Array(group.utf8),
                signedBy: identity, group: id),
            try GroupRecord(.epoch, id: epoch.recordID, revision: 4, signedBy: identity, group: id),
        ]
        if !matchmakers.isEmpty {
            let policies = [
                (MatchKeyRecord.policy, MatchKeyRecord(key: .generate()).body(at: now)),
                (MatchServersRecord.policy, MatchServersRecord(servers: matchmakers).body(at: now)),
            ]
            for (name, body) in policies {
                records.append(
                    try GroupRecord(
                        .policy, id: Array(name.utf8), revision: UInt64(records.count + 1), body: body,
                        signedBy: identity, group: id))
            }
        }
        for record in records {
            let admission = document.insert(record)
            precondition(admission == .added, "a new group's own records are held")
        }
        return GroupFile(document, member: member)
    }
}
