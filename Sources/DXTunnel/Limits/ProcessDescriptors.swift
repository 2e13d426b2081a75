/// The file descriptors of this process, for figures.
package enum ProcessDescriptors {
    /// How many are open; nil where that cannot be read. Reads a directory.
    package static var openCount: Int? { DescriptorBudget.openCount() }

    /// How many there may be (RLIMIT_NOFILE).
    package static var limit: Int { DescriptorBudget().limit }
}
