/// Numbers of matchmaking (`docs/matchmaking.md`) that more than one of its files needs.
public enum MatchConstants {
    // MARK: Specification

    /// The largest message, before it is sealed (§2): 1,200 bytes of UDP payload less nonce and tag.
    public static let maximumMessage = 1_172
}
