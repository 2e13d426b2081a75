public import DXMatch
import DXMatchServer
import DXSecure
import DXWire
import Hummingbird

/// The endpoints of a matchmaker's control socket: what it holds, and nothing that changes it.
struct MatchControlRoutes {
    /// Tests that only look at the routes have none.
    let matchmaker: @Sendable () throws -> Matchmaker

    func makeRouter() -> Router<BasicRequestContext> {
        let router = Router()
        router.add(middleware: ControlErrorMiddleware())
        router.get("/v1/status") { [matchmaker] _, _ in
            let matchmaker = try matchmaker()
            return try ControlJSON.response(MatchStatusReply(matchmaker, try await matchmaker.status()), status: .ok)
        }
        router.get("/v1/audit/:tag") { [matchmaker] _, context in
            let text = try context.parameters.require("tag")
            guard let tag = GroupTag(text: text) else {
                throw ControlError(
                    code: .badRequest, message: "\(text) is no group tag", hint: "give its 32 hexadecimal digits")
            }
            let entries = try await matchmaker().audit(tag)
            return try ControlJSON.response(MatchAuditReply(tag: tag, entries), status: .ok)
        }
        ControlAPIDocument.matchmaker.add(to: router)
        return router
    }
}

/// The answer to `GET /v1/status`: what a matchmaker is and holds. `/metrics` has the counts.
public struct MatchStatusReply: Codable, Hashable, Sendable {
    /// The version of this layout.
    public var schema = 1
    /// Its pin.
    public var pin: String
    /// The addresses of its sockets.
    public var addresses: [String]
    /// Members registered.
    public var registrations: Int
    /// Group tags with members.
    public var groups: Int
    /// Whether it takes nobody new.
    public var leaving: Bool

    init(_ matchmaker: Matchmaker, _ status: Matchmaker.Status) {
        pin = matchmaker.pin.text
        addresses = matchmaker.localEndpoints.map(\.description)
        registrations = status.front.server.registrations
        groups = status.front.server.groups
        leaving = status.front.server.isLeaving
    }
}

/// The answer to `GET /v1/audit/TAG`: everything a matchmaker holds under a group tag.
public struct MatchAuditReply: Codable, Hashable, Sendable {
    /// One registration.
    public struct Registration: Codable, Hashable, Sendable {
        /// The head of the hash of the group's match key, in hexadecimal.
        public var matchKey: String
        /// The member's pseudonym, in hexadecimal.
        public var memberTag: String
        /// The instance that the member spoke to; 0 is the one that answers.
        public var instance: UInt32
        /// The number of the socket it spoke to.
        public var socket: UInt8
        /// The registration's name, in hexadecimal.
        public var handle: String
        /// Where it was seen.
        public var address: String
        /// The member's count of registrations.
        public var revision: UInt64
        /// The highest number of a request.
        public var lastSequence: UInt64
        /// The highest count of a REFRESH.
        public var lastCount: UInt32
        /// The number of the last notice.
        public var lastNotice: UInt32
        /// The lifetime granted.
        public var lifetimeSeconds: UInt16
        /// How long it lives on when nothing comes.
        public var remainingSeconds: Double
        /// The sealed candidates, as base64url.
        public var blob: String

        private enum CodingKeys: String, CodingKey {
            case matchKey = "match_key"
            case memberTag = "member_tag"
            case instance, socket, handle, address, revision
            case lastSequence = "last_sequence"
            case lastCount = "last_count"
            case lastNotice = "last_notice"
            case lifetimeSeconds = "lifetime_s"
            case remainingSeconds = "remaining_s"
            case blob
        }
    }

    /// The version of this layout.
    public var schema = 1
    /// The tag, in hexadecimal.
    public var groupTag: String
    /// In the order of member tags.
    public var registrations: [Registration]

    private enum CodingKeys: String, CodingKey {
        case schema
        case groupTag = "group_tag"
        case registrations
    }

    init(tag: GroupTag, _ entries: [MatchAuditEntry]) {
        groupTag = "\(tag)"
        registrations = entries.map { entry in
            Registration(
                matchKey: "\(entry.key.matchKey)", memberTag: "\(entry.key.memberTag)", instance: entry.instance,
                socket: entry.socket, handle: "\(entry.handle)", address: "\(entry.address)",
                revision: entry.revision, lastSequence: entry.lastSequence, lastCount: entry.lastCount,
                lastNotice: entry.lastNotice, lifetimeSeconds: entry.lifetime,
                remainingSeconds: entry.remaining.secondsAsDouble, blob: Base64URL.text(entry.blob))
        }
    }
}

extension GroupTag {
    /// The tag of 32 hexadecimal digits; nil for another text.
    public init?(text: String) {
        let digits = Array(text.utf8)
        guard digits.count == 32, digits.allSatisfy({ $0 < 0x80 && Character(UnicodeScalar($0)).isHexDigit }),
            let high = UInt64(text.prefix(16), radix: 16), let low = UInt64(text.suffix(16), radix: 16)
        else { return nil }
        self.init(high: high, low: low)
    }
}
