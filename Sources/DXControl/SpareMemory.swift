internal import CDXSystem
import Glibc

/// The memory that a burst needed and nothing needs now. The C library keeps what is freed between pieces that are in use: a gateway
/// through which 48 stalled connections went keeps 10 MB for good, which a small device has better use for.
///
/// A machine without a clock: told what is resident and what is in use, it says whether giving back is worth its while.
public struct SpareMemory: Sendable {
    /// Less than this stays: what the next burst needs need not come from the kernel again.
    static let least = 4 << 20
    /// How often the programs look. A look costs some ten microseconds.
    public static let pause = Duration.seconds(10)

    /// What could not be given back last, as it lies on pages that are partly in use.
    private var stuck = 0

    /// Nothing has been given back yet.
    public init() {}

    /// Whether to give back, when so many bytes are the process's own and so many of its heap are in use.
    mutating func isWorthwhile(anonymous: Int, inUse: Int) -> Bool {
        let spare = anonymous - inUse
        stuck = min(stuck, max(0, spare))
        return spare >= Self.least + stuck && spare >= inUse / 2
    }

    /// So many are the process's own after it was given back.
    mutating func gaveBack(anonymous: Int, inUse: Int) { stuck = max(0, anonymous - inUse) }

    /// Gives back what is spare, if it is worth its while. Takes milliseconds then, in which others that want memory may wait.
    ///
    /// - Returns: the bytes that were given back.
    @discardableResult
    public mutating func release() -> Int {
        guard let before = Self.anonymousByteCount(), isWorthwhile(anonymous: before, inUse: Int(dx_heap_in_use()))
        else {
            return 0
        }
        dx_heap_trim()
        guard let after = Self.anonymousByteCount() else { return 0 }
        gaveBack(anonymous: after, inUse: Int(dx_heap_in_use()))
        return max(0, before - after)
    }

    /// Gives back from time to time, until the task is cancelled.
    public static func releaseNowAndThen() async throws {
        var spare = SpareMemory()
        while true {
            try await Task.sleep(for: pause)
            spare.release()
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
