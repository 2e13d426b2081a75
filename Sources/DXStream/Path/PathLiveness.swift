internal import DXWire

/// Whether a path answers, and how often one that does not is asked.
///
/// A path that misses one answer is doubted: data goes elsewhere, and it is trusted again with its next answer. One that
/// misses two in a row is down: it is asked more and more rarely, and has to answer for a while before it is used again,
/// the longer the oftener it came and went (damping).
struct PathLiveness: Sendable {
    /// What is thought of the path.
    enum State: UInt8, Sendable {
        /// It answers.
        case up
        /// It did not answer once.
        case doubted
        /// It answers again; not for long enough yet.
        case recovering
        /// It does not answer.
        case down
    }

    private(set) var state: State = .up
    /// Whether it answered last.
    var answers: Bool { state == .up || state == .recovering }
    /// When it is asked again while it is down or recovering; nil otherwise.
    private(set) var probeAt: Instant?
    /// When it is trusted again, if it answers until then.
    private var trustedAt: Instant?
    private var pause = firstPause
    /// How often it went down soon after it had come up.
    private var relapses = 0
    private var upSince: Instant?

    /// Between two questions to a path that has just gone down.
    private static let firstPause = Interval.milliseconds(250)
    /// At most; one question of some 60 bytes each 15 s is a third of what an idle path may cost in a day.
    private static let longestPause = Interval.seconds(15)
    /// How long a path has to answer before it is trusted again, the first time: some round trips of any path in use.
    private static let firstTrial = Interval.milliseconds(500)
    /// 2^6 times as long, 32 s, is the longest.
    private static let mostRelapses = 6
    /// What goes down within a minute of coming up has relapsed.
    private static let relapseTime = Interval.seconds(60)
    /// Questions in a trial: four, so that a path that loses every third packet is mostly found out.
    private static let questionsInTrial: Int64 = 4

    /// How long it has to answer this time.
    private var trial: Interval { Self.firstTrial * (1 << Int64(relapses)) }

    /// When `timeoutFired` has something to do.
    var deadline: Instant? {
        guard let trustedAt else { return probeAt }
        return min(trustedAt, probeAt ?? trustedAt)
    }

    /// It did not answer in time. True when that takes it down.
    mutating func onTimeout(now: Instant) -> Bool {
        switch state {
        case .up:
            state = .doubted
            return false
        case .doubted, .recovering:
            let isRelapse = upSince.map { now - $0 < Self.relapseTime } ?? (state == .recovering)
            relapses = isRelapse ? min(relapses &+ 1, Self.mostRelapses) : 0
            state = .down
            trustedAt = nil
            upSince = nil
            pause = Self.firstPause
            probeAt = now + pause
            return true
        case .down: return false
        }
    }

    /// It answered. True when it may be used again at once.
    mutating func onAnswer(now: Instant) -> Bool {
        switch state {
        case .up, .recovering: return false
        case .doubted:
            state = .up
            return true
        case .down:
            state = .recovering
            trustedAt = now + trial
            probeAt = now + trial / Self.questionsInTrial
            return false
        }
    }

    /// It shall be asked now, though it missed nothing: the peer has gone elsewhere, or another path answered first.
    /// One question that is lost takes it down: asked because another one failed, it mostly has failed with it.
    mutating func doubt() { if state == .up { state = .doubted } }

    /// What is due.
    enum Due: Sendable, Equatable {
        /// Nothing.
        case nothing
        /// Ask the path.
        case question
        /// It is up again.
        case up
    }

    /// Does what is due.
    mutating func timeoutFired(now: Instant) -> Due {
        if let trustedAt, trustedAt <= now {
            state = .up
            self.trustedAt = nil
            probeAt = nil
            upSince = now
            return .up
        }
        guard let due = probeAt, due <= now else { return .nothing }
        if state == .recovering {
            probeAt = now + trial / Self.questionsInTrial
        } else {
            pause = min(pause * 2, Self.longestPause)
            probeAt = now + pause
        }
        return .question
    }
}
