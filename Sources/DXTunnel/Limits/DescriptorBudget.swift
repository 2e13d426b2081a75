import Glibc

/// Whether this process has file descriptors for a new connection, and what was refused for want of them.
///
/// The kernel gives the lowest number that is free (POSIX open(), "File Descriptor Allocation"), so the number of a new descriptor
/// tells that all below it are in use: nothing has to be counted. Some are kept for what must go on when connections use up the
/// rest: the control socket, audit and state files, names that are looked up, health checks.
struct DescriptorBudget: Sendable {
    /// Connections and flows refused since the start because none were left.
    var refused: UInt64 = 0
    /// How often a listener stopped accepting for a second because the system had none.
    var acceptPauses: UInt64 = 0
    /// New connections are being refused.
    private(set) var isShort = false
    /// For tests: the limit that counts instead of the process's own.
    private let fixedLimit: Int?

    /// 32: 16 clients of the control socket, four health commands with two pipes each, and some files.
    static let usualReserve = 32

    init(limit: Int? = nil) { fixedLimit = limit }

    /// How many are kept back of so many: at most a quarter, where there are few.
    static func reserve(of limit: Int) -> Int { min(usualReserve, max(0, limit) / 4) }

    /// How many the process may have (RLIMIT_NOFILE), now: it can be changed while it runs.
    var limit: Int {
        if let fixedLimit { return fixedLimit }
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return .max }
        return Int(clamping: limit.rlim_cur)
    }

    /// What asking gave.
    enum Answer: Equatable, Sendable {
        /// There is room. True when there was none before.
        case room(isBack: Bool)
        /// There is none; true when there was before.
        case none(isNew: Bool)
    }

    /// Whether there is room for one more connection.
    mutating func ask() -> Answer { note(lowestFree: Self.lowestFree(), of: limit) }

    /// The same, knowing the lowest number that is free (nil: none is) and how many there may be.
    mutating func note(lowestFree: Int?, of limit: Int) -> Answer {
        let usable = limit - Self.reserve(of: limit)
        guard let lowestFree, lowestFree < usable else {
            defer { isShort = true }
            return .none(isNew: !isShort)
        }
        // It is over when a few are free, or the log would tell of each one.
        let isOver = lowestFree < usable - Self.reserve(of: limit) / 4
        guard isShort, isOver else { return .room(isBack: false) }
        isShort = false
        return .room(isBack: true)
    }

    /// How many there are for what can do with fewer. Counted, as above a hole others may be in use: not for each connection.
    var room: Int { Self.room(lowestFree: Self.lowestFree(), openCount: Self.openCount(), of: limit) }

    /// The same, knowing the lowest number that is free (nil: none is), how many are open (nil: not to be known), and how many there may be.
    static func room(lowestFree: Int?, openCount: Int?, of limit: Int) -> Int {
        guard let lowestFree else { return 0 }
        return max(0, limit - reserve(of: limit) - max(lowestFree, openCount ?? 0))
    }

    /// The lowest number that a new socket gets; nil when the system has none to give, to this process or at all.
    private static func lowestFree() -> Int? {
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        close(descriptor)
        return Int(descriptor)
    }

    /// How many the process has open (proc(5), fd); nil where that cannot be read. Not for each connection: it reads a directory.
    static func openCount() -> Int? {
        guard let directory = unsafe opendir("/proc/self/fd") else { return nil }
        defer { unsafe closedir(directory) }
        var count = 0
        while unsafe readdir(directory) != nil { count += 1 }
        // Without `.` and `..`, and the directory itself.
        return max(0, count - 3)
    }
}
