public import DXMatch
public import DXSecure
import DXWire

/// Whose groups a matchmaker serves.
public enum ServedGroups: Equatable, Sendable {
    /// Everybody's who has a match key.
    case open
    /// Those with these match keys.
    case listed(Set<MatchKeyHash>)

    /// Whether groups of this match key are served. Zero, of a ticket without one, is: it serves OBSERVE only.
    public func serves(_ key: MatchKeyHash) -> Bool {
        switch self {
        case .open: true
        case .listed(let keys): key == .zero || keys.contains(key)
        }
    }

    /// The groups of these match keys.
    public init(keys: [PublicKey]) { self = .listed(Set(keys.map(Self.hash))) }

    private static func hash(_ key: PublicKey) -> MatchKeyHash {
        MatchKeyHash(headOf: Block32(Bytes32(sha256: key.bytes.raw)))
    }

    /// The match keys of a file: one public point on each line, 33 bytes as unpadded base64url (44 characters); what follows a `#` is
    /// a comment. Throws `GroupsFileError` for the first line that is no such thing.
    ///
    /// - Parameter path: how errors name the file.
    public init(text: String, path: String) throws(GroupsFileError) {
        var keys: Set<MatchKeyHash> = []
        // A file from another system may end its lines with a carriage return too.
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let content = line.prefix { $0 != "#" }.filter { !$0.isWhitespace }
            guard !content.isEmpty else { continue }
            guard let bytes = Base64URL.bytes(content), bytes.count == PublicKey.byteCount else {
                throw GroupsFileError(
                    path: path, line: index + 1, problem: "is no match key: 44 characters of base64url are wanted")
            }
            var reader = ByteReader(bytes.raw)
            guard let key = try? PublicKey(reading: &reader), key.gatewayID != nil else {
                throw GroupsFileError(path: path, line: index + 1, problem: "is no match key: it is no point of P-256")
            }
            keys.insert(Self.hash(key))
        }
        self = .listed(keys)
    }

    /// How many keys are listed; nil when all are served.
    public var count: Int? {
        switch self {
        case .open: nil
        case .listed(let keys): keys.count
        }
    }
}

/// What is wrong with a file of match keys.
public struct GroupsFileError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file.
    public let path: String
    /// The line, from 1; 0 for the whole file.
    public let line: Int
    /// What is wrong with it.
    public let problem: String

    /// `problem` is what is wrong at that place.
    public init(path: String, line: Int, problem: String) {
        self.path = path
        self.line = line
        self.problem = problem
    }

    /// `FILE:LINE: what is wrong; what to do`.
    public var description: String {
        let place = line > 0 ? "\(path):\(line): the line" : "\(path):"
        return "\(place) \(problem); dxgateway config match-key prints a group's"
    }
}
