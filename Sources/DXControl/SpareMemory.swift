internal import CDXSystem
import Glibc

/// The memory that a burst needed and nothing needs now. The C library keeps what is freed between pieces that are in use: a gateway
/// through which 48 stalled connections went keeps 10 MB for good, which a small device has better use for.
///
/// A machine without a clock: told what is resident and what is in use, it says whether giving back is worth its while.
public struct SpareMemory: Sendable {
    /// Less than this stays: what the next burst needs need not come from the kernel again.
    static let least = 4 << 20
    /// How often the programs look.
    public static let pause = Duration.seconds(10)
    /// How often where much is in use: a look at the heap goes over its free pieces under its locks, some ten microseconds in a small one,
    /// milliseconds in a large one. What the process has in all costs a line of /proc.
    static let longPause = Duration.seconds(60)
    static let much = 256 << 20
    /// What is spare at so many looks, one after the other, is not what bursts use in turns.
    static let looksUntilSpare = 3
    /// The heap is looked at when the process has grown since it was given back last, and else each time so many looks are over: what is
    /// freed later makes it no smaller.
    static let looksBetween = 6

    /// What could not be given back last, as it lies on pages that are partly in use.
    private var stuck = 0
    /// What was the process's own after it was given back last.
    private var kept = 0
    /// At so many looks, up to now, there was something to give back.
    private var spareLooks = 0
    private var passed = 0

    /// Nothing has been given back yet.
    public init() {}

    /// Whether to look at the heap, when so many bytes are the process's own.
    mutating func wantsLook(anonymous: Int) -> Bool {
        passed += 1
        guard anonymous > kept || spareLooks > 0 || passed >= Self.looksBetween else { return false }
        passed = 0
        return true
    }

    /// Whether to give back, when so many bytes are the process's own and so many of its heap are in use.
    mutating func isWorthwhile(anonymous: Int, inUse: Int) -> Bool {
        let spare = anonymous - inUse
        stuck = min(stuck, max(0, spare))
        let isSpare = spare >= Self.least + stuck && spare >= inUse / 2
        spareLooks = isSpare ? spareLooks + 1 : 0
        return spareLooks >= Self.looksUntilSpare
    }

    /// So many are the process's own after it was given back.
    mutating func gaveBack(anonymous: Int, inUse: Int) {
        stuck = max(0, anonymous - inUse)
        (kept, spareLooks) = (anonymous, 0)
    }

    /// Gives back what is spare, if it is worth its while. Takes milliseconds then, in which others that want memory may wait.
    ///
    /// - Returns: when to look again.
    @discardableResult
    public mutating func release() -> Duration {
        guard let before = Self.anonymousByteCount() else { return Self.longPause }
        let pause = before > Self.much ? Self.longPause : Self.pause
        guard wantsLook(anonymous: before), isWorthwhile(anonymous: before, inUse: Int(dx_heap_in_use())) else {
            return pause
        }
        dx_heap_trim()
        if let after = Self.anonymousByteCount() { gaveBack(anonymous: after, inUse: Int(dx_heap_in_use())) }
        return pause
    }

    /// Gives back from time to time, until the task is cancelled.
    public static func releaseNowAndThen() async throws {
        var spare = SpareMemory()
        var pause = pause
        while true {
            try await Task.sleep(for: pause)
            pause = spare.release()
        }
    }

    /// The bytes of the process that are no file's (proc(5), statm); nil where there is no /proc.
    private static func anonymousByteCount() -> Int? {
        guard let text = try? FileText.read("/proc/self/statm", limit: 256) else { return nil }
        let pages = text.split(separator: " ").compactMap { Int($0) }
        guard pages.count > 2, pages[1] >= pages[2] else { return nil }
        return (pages[1] - pages[2]) * sysconf(Int32(_SC_PAGESIZE))
    }
}
