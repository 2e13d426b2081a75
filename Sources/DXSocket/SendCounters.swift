import Glibc

/// The counters of one socket's sending: flat, nothing allocated when they move.
struct SendCounters {
    /// Linux's largest errno is 133 (EHWPOISON); a larger one is counted as the last.
    private static var errnoCount: Int { 134 }

    /// Datagrams that the kernel took.
    var datagrams: UInt64 = 0
    /// Their bytes.
    var bytes: UInt64 = 0
    /// Calls that sent something.
    var batches: UInt64 = 0
    /// Messages of two datagrams or more.
    var segmentRuns: UInt64 = 0
    /// Runs sent one by one after the kernel refused them whole.
    var segmentRunsSplit: UInt64 = 0
    /// Times the kernel had no room.
    var blocked: UInt64 = 0
    /// Queued datagrams dropped.
    var queueDrops: UInt64 = 0
    /// Datagrams not taken because the queue was full.
    var queueRefusals: UInt64 = 0
    private var byErrno = ContiguousArray<UInt64>(repeating: 0, count: SendCounters.errnoCount)

    /// Counts `count` datagrams refused with `code`.
    mutating func refused(_ count: UInt64, _ code: Int32) {
        byErrno[max(0, min(Int(code), Self.errnoCount - 1))] &+= count
    }

    /// Adds all of them to the endpoint's.
    func add(to total: inout SocketStatistics) {
        total.datagramsOut &+= datagrams
        total.bytesOut &+= bytes
        total.batchesOut &+= batches
        total.segmentRunsOut &+= segmentRuns
        total.segmentRunsSplit &+= segmentRunsSplit
        total.blocked &+= blocked
        total.queueDrops &+= queueDrops
        total.queueRefusals &+= queueRefusals
        for (code, count) in byErrno.enumerated() where count > 0 {
            total.refused &+= count
            total.refusedByErrno[Int32(code), default: 0] &+= count
        }
        total.refusedTooLarge &+= byErrno[Int(EMSGSIZE)]
    }
}
