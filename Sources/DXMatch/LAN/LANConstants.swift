import DXWire

/// The numbers of `docs/matchmaking.md` §10.
public enum LANConstants {
    /// Where announcements go. Above the ports of other multicast services, below those that Linux gives out by itself (from 32,768).
    public static let port: UInt16 = 23_478
    /// 239.255.68.88: of the range that stays within a site (RFC 2365 §6.1), "DX" behind it.
    public static let groupV4: UInt32 = 0xefff_4458
    /// ff12::4458: of the link alone, and not one of IANA's (RFC 4291 §2.7: the T flag).
    public static let groupV6 = (high: UInt64(0xff12_0000_0000_0000), low: UInt64(0x4458))

    /// Announcements at the start, and when the network changed: one may be lost.
    static let firstCount = 3
    /// The second of them comes after this time, the third after twice of it.
    static let firstPause = Interval.seconds(1)
    /// While a wanted member is not reached the pauses grow from twice this to `idlePause`.
    static let searchPause = Interval.seconds(4)
    /// One small datagram in five minutes costs nothing; who was missed is found then.
    static let idlePause = Interval.seconds(300)
    /// A member that is wanted now is looked for at once, but not more often than this.
    static let hurryPause = Interval.seconds(10)

    /// Members that are told apart: a group has some hundred.
    static let mostNeighbours = 1_024
    /// Starts of a member whose counters are remembered: what was said before them can be said again by others.
    static let mostBoots = 4
    /// Addresses of a member: by both IP versions, on two networks.
    static let mostEndpoints = 4
    /// How long a neighbour counts as being there: three idle announcements.
    static let neighbourTime = Interval.seconds(900)
    /// Answers to a member come no faster than this, nor is it told of more often.
    static let neighbourPause = Interval.seconds(2)
    /// Answers that wait. All of a large network answer who wants anybody.
    static let mostAnswers = 64
    /// Over this time they spread then.
    static let answerSpread = Interval.milliseconds(500)
    /// Answers to all together: a second, at once.
    static let answerRate = (perSecond: 20, burst: 40)
    /// Datagrams that are opened: a second, at once. Each takes some microseconds.
    static let openRate = (perSecond: 500, burst: 500)
    /// Announcements of ours that answers are taken to.
    static let mostSent = 8
    /// How long.
    static let answerTime = Interval.seconds(10)
}
