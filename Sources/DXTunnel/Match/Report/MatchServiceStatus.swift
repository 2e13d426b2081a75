/// What a gateway's status says of being a matchmaker for its own group (`serve_match`); absent where it is none.
public struct MatchServiceStatus: Sendable, Hashable, Codable {
    /// The UDP addresses it is bound to.
    public var listen: [String]
    /// Its pin.
    public var pin: String
    /// `HOST:PORT#PIN`: as the group lists it, else as `config match add self` would; nil where this gateway does not know an
    /// address of its own that others find it at.
    public var server: String?
    /// Whether the group lists it, so that members come.
    public var isListed: Bool
    /// Registrations that it holds: two for one that invites.
    public var registrations: Int
    /// Those who may join by it now (`docs/matchmaking.md` §4.4).
    public var guests: Int
    /// Introductions since the start.
    public var introductions: UInt64
    /// Datagrams since the start that came from who does not know the pin; they drew no answer.
    public var strangers: UInt64

    /// A status from its parts.
    public init(
        listen: [String], pin: String, server: String?, isListed: Bool, registrations: Int, guests: Int,
        introductions: UInt64, strangers: UInt64
    ) {
        self.listen = listen
        self.pin = pin
        self.server = server
        self.isListed = isListed
        self.registrations = registrations
        self.guests = guests
        self.introductions = introductions
        self.strangers = strangers
    }

    private enum CodingKeys: String, CodingKey {
        case listen, pin, server
        case isListed = "listed"
        case registrations, guests, introductions, strangers
    }
}
