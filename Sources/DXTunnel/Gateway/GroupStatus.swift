/// What a gateway's status says of its group; absent in static mode.
public struct GroupStatus: Sendable, Hashable, Codable {
    /// What operators call the group.
    public var name: String
    /// The highest revision that counts here. Members that know the same have the same one.
    public var revision: UInt64
    /// The number of the epoch in use.
    public var epoch: UInt64
    /// How many members there are.
    public var members: Int
    /// With how many of them the document is exchanged now.
    public var neighbours: Int
    /// Whether this gateway may sign for the group.
    public var admin: Bool
    /// What operators should mend, one sentence each.
    public var problems: [String]

    /// A value from its parts.
    public init(
        name: String, revision: UInt64, epoch: UInt64, members: Int, neighbours: Int, admin: Bool, problems: [String]
    ) {
        self.name = name
        self.revision = revision
        self.epoch = epoch
        self.members = members
        self.neighbours = neighbours
        self.admin = admin
        self.problems = problems
    }
}

extension GroupAgent {
    /// A snapshot for status.
    func status() -> GroupStatus {
        var problems = state.problems.map(Self.words)
        if view.name == nil, sync.document.records.count > 1 {
            problems.append(
                "this gateway is no member of the group, as far as it knows: it was removed, or is not told yet")
        }
        for peer in core.peers {
            guard let twin = peer.twin else { continue }
            problems.append(
                "\(peer.name) runs twice with one key, at \(twin.used) and \(twin.other): stop one, and have it join as"
                    + " another gateway from an empty state directory")
        }
        if presence.twinHeardAt != nil {
            problems.append(
                "another gateway runs with this one's key: stop one, and have it join as another gateway from an empty"
                    + " state directory")
        }
        if let saveProblem { problems.append("the group is not saved (it is tried again): \(saveProblem)") }
        let counts = sync.statistics
        if counts.invalid > 0 { problems.append("\(counts.invalid) records of other members did not verify") }
        if counts.dropped > 0 { problems.append("members sent \(counts.dropped) records more than they may") }
        return GroupStatus(
            name: state.name ?? "(no name)", revision: state.revision, epoch: epochs.last?.number ?? 0,
            members: state.members.count, neighbours: neighbours.count, admin: isAdmin, problems: problems)
    }

    private static func words(_ problem: GroupState.Problem) -> String {
        switch problem {
        case .sameName(let name, let now): "two have the name \(name): one is called \(now) now; rename one"
        case .sameKey(let member): "the member \(member) has the key of another and does not count: remove it"
        case .adminProtected(let member): "an admin tried to take the admin \(member) away, which takes the root key"
        }
    }
}
