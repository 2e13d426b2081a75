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
    /// When the newest change that is held was made, by the clock of the admin who made it; nil when nothing says so.
    public var lastChange: Timestamp?
    /// Tunnels whose last change holds for a time only, and waits to be confirmed; nil of a gateway that does not say.
    public var unconfirmedChanges: Int?

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

    private enum CodingKeys: String, CodingKey {
        case name, revision, epoch, members, neighbours, admin, problems
        case lastChange = "last_change"
        case unconfirmedChanges = "unconfirmed_changes"
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
        if calendar == nil, state.tunnels.contains(where: { $0.record.until != nil }) {
            let newest = Timestamp(claimed: state.newestTime)
            problems.append(
                "this gateway's clock is behind \(newest), when an admin said something: tunnels that end stay closed here"
                    + " until the clock, here or there, is set")
        }
        for tunnel in state.tunnels where !tunnel.record.unknownNeeds.isEmpty {
            problems.append(
                "the tunnel \(tunnel.name) needs what this version of dxgateway does not know, and is not served here:"
                    + " install a newer one")
        }
        for tunnel in state.tunnels where tunnel.trial != nil {
            problems.append(
                lapsed.contains(tunnel.hash)
                    ? "the change of the tunnel \(tunnel.name) was not confirmed and does not hold: dxgateway config"
                        + " confirm \(tunnel.name), or set it anew"
                    : "the tunnel \(tunnel.name) is to be confirmed: dxgateway config confirm \(tunnel.name)")
        }
        problems += saveWords
        for (neighbour, count) in sync.suspicions where count >= Self.suspicious {
            problems.append(
                "\(authorName(neighbour)) sent \(count) records that do not verify, that it may not say, or that are too many:"
                    + " look at it, or remove it")
        }
        problems += conductProblems
        problems.sort()
        var status = GroupStatus(
            name: state.name ?? "(no name)", revision: state.revision, epoch: epochsInUse.last?.number ?? 0,
            members: state.members.count, neighbours: neighbours.count, admin: isAdmin, problems: problems)
        if state.newestTime > 0 { status.lastChange = Timestamp(claimed: state.newestTime) }
        status.unconfirmedChanges = state.tunnels.count { $0.trial != nil }
        return status
    }

    /// A few of them are an accident.
    private static let suspicious = 16

    private static func words(_ problem: GroupState.Problem) -> String {
        switch problem {
        case .sameName(let name, let now): "two have the name \(name): one is called \(now) now; rename one"
        case .sameKey(let member): "the member \(member) has the key of another and does not count: remove it"
        case .badPolicy(let name): "what was said last of the policy \(name) cannot be read: say it again"
        case .adminProtected(let member): "an admin tried to take the admin \(member) away, which takes the root key"
        }
    }
}
