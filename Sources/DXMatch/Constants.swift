/// Numbers of matchmaking (`docs/matchmaking.md`) that more than one of its files needs.
public enum MatchConstants {
    // MARK: Specification

    /// The largest message, before it is sealed (§2): 1,200 bytes of UDP payload less nonce and tag.
    public static let maximumMessage = 1_172
    /// The least size of COOKIE_WANTED (§2): that of the COOKIE which answers it.
    public static let minimumCookieWanted = 50
    /// The size of a CHECK (§7): that of CHECKED with any address, and room for fields of later versions.
    public static let checkByteCount = 120
    /// The largest blob (§4.1), in bytes: 16 IPv6 candidates and what seals them are 517, the rest is for later versions.
    public static let maximumBlob = 600
    /// The most candidates of a blob (§6): an ICE agent with more has useless ones.
    public static let maximumCandidates = 16
    /// The shortest lifetime of a registration (§4.1), in seconds: shorter ones would be renewed more often than NATs need.
    public static let minimumLifetime: UInt16 = 60
    /// The longest lifetime of a registration (§4.1), in seconds: as long as a member that died is still listed.
    public static let maximumLifetime: UInt16 = 7_200
}
