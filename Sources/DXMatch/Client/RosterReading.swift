import DXWire

/// When the roster is read, and how far it has come (`docs/matchmaking.md` §4).
///
/// A reading begins after a registration; and when a refresh tells that the roster has changed, as long as somebody is looked for: who
/// is looked for by others is told of them. Not sooner after the last one than ten seconds, and more the larger it is: of
/// a group of 500, about a hundred pages and 240 kB, at most once in 50 minutes, so that in a large group, in which somebody comes or
/// goes all the time, one member that stays away does not have all the others read without end.
struct RosterReading: Sendable {
    /// Whether it is read without being asked for.
    let isAutomatic: Bool
    /// Whether somebody is looked for in it.
    var isNeeded = true
    /// Whether it is to be read.
    private(set) var isWanted = false
    /// Whether it is to be read although nobody is looked for: the owner asked for it, or it was never read.
    private var isWished = false
    /// Whether a page is being asked for.
    private(set) var isReading = false
    /// Pages of this reading that came.
    private(set) var pages = 0
    private var notBefore: Instant?
    /// What the matchmaker's roster was when all of it was read; nil when it has changed since, or nobody knows.
    private var digest: UInt64?

    static let pause = Interval.seconds(10)
    /// Times the square of the number of pages: a second for a small group.
    static let pagePause = Interval.milliseconds(300)

    init(isAutomatic: Bool) { self.isAutomatic = isAutomatic }

    /// When the next reading begins; nil when none is wanted or needed, or one is under way.
    var nextReading: Instant? { isWanted && !isReading && (isNeeded || isWished) ? notBefore ?? .zero : nil }

    /// A registration was made.
    mutating func onRegistered(digest: UInt64) {
        guard isAutomatic, digest != self.digest || isReading else { return }
        self.digest = digest
        isWanted = true
        isWished = true
    }

    /// The matchmaker says that it has changed.
    mutating func onChanged() {
        digest = nil
        if isAutomatic { isWanted = true }
    }

    /// The owner wants it, at once.
    mutating func onWish() {
        isWanted = true
        isWished = true
        notBefore = nil
    }

    /// A reading begins.
    mutating func begin() {
        isWanted = false
        isWished = false
        isReading = true
        pages = 0
    }

    /// A page came.
    mutating func onPage() { pages += 1 }

    /// The last page came.
    mutating func onEnd(now: Instant) {
        isReading = false
        notBefore = now + Self.pause + Self.pagePause * Int64(pages * pages)
    }

    /// A page did not come, or was of no use: from the beginning, later.
    mutating func onFailure(now: Instant) {
        onEnd(now: now)
        isWanted = true
    }

    /// What was asked will not be answered: from the beginning.
    mutating func restart() {
        guard isReading else { return }
        isReading = false
        isWanted = true
    }
}
