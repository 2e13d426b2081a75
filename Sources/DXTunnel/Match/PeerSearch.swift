import DXMatch
import DXWire

/// A peer that is wanted and not reached: when it is asked for next.
struct PeerSearch {
    /// When the next introduction is asked for.
    var nextAt: Instant
    /// A channel to it fell silent, and is waited for.
    var isUrgent = false
    /// It is reached through another member: a direct way is looked for with patience.
    var isForwarded = false
    /// No matchmaker could be asked.
    var waitsForMatchmaker = false
    /// Introductions in vain.
    var failureCount = 0
    /// Those under way, by their nonces.
    var pending: Set<UInt64> = []
    /// What was known of the peer when it was asked for last.
    var asked: Asked?
    /// Why the last one found nothing.
    var failure: String?
    /// Nobody wants it since then: forgotten after a while.
    var wantedAt: Instant

    /// A registration of the peer's, told from others.
    struct Asked: Equatable {
        var address: Endpoint
        var revision: UInt64

        /// That of a listing.
        init(_ listing: MatchLink.Listing) {
            address = listing.address
            revision = listing.content.revision
        }
    }

    /// A matchmaker grants four in a minute for a pair, of both sides together (`docs/matchmaking.md` §4.1): so each side begins with
    /// this pause, which doubles to the longest.
    private static let firstPause = Interval.seconds(12)
    private static let longestPause = Interval.seconds(60)
    /// As little changes between two networks in ten minutes as in one; what changes at a matchmaker is tried at once all the same.
    private static let longestForwardedPause = Interval.seconds(600)

    /// One begins now: the next comes after a pause.
    mutating func began(now: Instant, jitter: Interval) {
        let longest = isForwarded ? Self.longestForwardedPause : Self.longestPause
        nextAt = now + min(Self.firstPause * (1 &<< Int64(min(failureCount, 6))), longest) + jitter
        failureCount += 1
    }
}
