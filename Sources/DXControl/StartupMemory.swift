internal import CDXSystem

/// The memory that a process needed to start and not to run.
public enum StartupMemory {
    /// Gives it back: free heap, and the pages of code and constants, which come back as they are used. Of 35 MB resident
    /// an idle gateway keeps about 14 (`docs/performance.md`).
    ///
    /// Costs some thousand page faults in the seconds after, none of which reads a disk while the kernel's cache holds
    /// the program.
    /// - Returns: The bytes of the segments that were released.
    @discardableResult
    public static func release() -> Int { Int(dx_release_clean_pages()) }
}
