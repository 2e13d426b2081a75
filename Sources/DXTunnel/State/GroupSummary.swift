import DXSecure
import Glibc

/// What a state directory says about its group, for operators and scripts.
public struct GroupSummary: Sendable, Encodable {
    /// A member of the group.
    public struct Member: Sendable, Encodable {
        /// What operators call it; with four letters of its id behind it where two have one name.
        public var name: String
        /// The gateway id that its key gives.
        public var gateway: String
        /// Whether it may sign for the group.
        public var admin: Bool
        /// Whether it is this gateway.
        public var thisGateway: Bool
        /// `key=value`, in order.
        public var labels: [String]

        private enum CodingKeys: String, CodingKey {
            case name, gateway, admin, labels
            case thisGateway = "this_gateway"
        }
    }

    /// What operators call the group.
    public var group: String
    /// The group's id: 64 hexadecimal digits.
    public var groupID: String
    /// Where the state is.
    public var state: String
    /// The number of the newest epoch whose secret is here.
    public var epoch: UInt64
    /// The highest revision that counts.
    public var revision: UInt64
    /// By name.
    public var members: [Member]
    /// `HOST:PORT#PIN`.
    public var matchmakers: [String]
    /// The public half of the match key as matchmakers want it (`dxmatchd --groups`), in base64url; nil when there is none.
    public var matchKey: String?
    /// The root key, when it lies in the state directory.
    public var rootKeyFile: String?
    /// Records in the group file that did not verify.
    public var refusedRecords: Int

    private enum CodingKeys: String, CodingKey {
        case group, state, epoch, revision, members, matchmakers
        case matchKey = "match_key"
        case groupID = "group_id"
        case rootKeyFile = "root_key_file"
        case refusedRecords = "refused_records"
    }

    /// Reads a state directory; the gateway may be running meanwhile.
    ///
    /// - Throws: When there is no group, or a file is damaged or open to others.
    public init(stateDirectory: String) throws(StateProblem) {
        let state = StateDirectory(reading: stateDirectory)
        let file = try state.group()
        let (document, refused) = file.document
        let meaning = GroupState(document)
        guard let newest = try state.epochs().named(in: meaning).last else {
            throw StateProblem(stateDirectory, "holds no epoch's secret", "put a backup in its place, or join again")
        }
        group = meaning.name ?? "(no name)"
        groupID = document.group.text
        self.state = stateDirectory
        epoch = newest.number
        revision = meaning.revision
        members = meaning.members.map { member in
            Member(
                name: member.name, gateway: member.record.key.gatewayID?.text ?? "(no key)", admin: member.isAdmin,
                thisGateway: member.id == file.member, labels: member.record.labels.sorted().map(\.description))
        }
        matchmakers = meaning.matchServers.map(\.description)
        matchKey = meaning.matchKey.flatMap { try? $0.identity() }.map { Base64URL.text($0.publicKey.bytes) }
        rootKeyFile = unsafe access(state.rootKeyPath, F_OK) == 0 ? state.rootKeyPath : nil
        refusedRecords = refused
    }

    /// The member that this gateway is; nil when it was removed.
    public var thisGateway: Member? { members.first { $0.thisGateway } }
}
