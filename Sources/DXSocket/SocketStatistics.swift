/// Counters of a `UDPEndpoint`, both families together, since it was made. They survive a rebind.
public struct SocketStatistics: Hashable, Sendable {
    /// Datagrams handed to the handler.
    public var datagramsIn: UInt64 = 0
    /// Their payload bytes.
    public var bytesIn: UInt64 = 0
    /// Messages the kernel handed in; fewer than datagrams where GRO works.
    public var messagesIn: UInt64 = 0
    /// Turns of the event loop in which something came in.
    public var batchesIn: UInt64 = 0
    /// Datagrams dropped because they filled their slot and so may have been cut.
    public var truncated: UInt64 = 0
    /// Errors that reading met, fatal to the socket (then there is a rebind) or not.
    public var readErrors: UInt64 = 0
    /// Datagrams that the kernel took.
    public var datagramsOut: UInt64 = 0
    /// Their payload bytes.
    public var bytesOut: UInt64 = 0
    /// sendmmsg calls that sent something.
    public var batchesOut: UInt64 = 0
    /// Messages that were GSO runs of two datagrams or more.
    public var segmentRunsOut: UInt64 = 0
    /// Datagrams that the kernel refused and that were dropped, all reasons.
    public var refused: UInt64 = 0
    /// Of those, the ones larger than the interface's MTU (EMSGSIZE): probes of path MTU discovery end here.
    public var refusedTooLarge: UInt64 = 0
    /// Refused datagrams by errno.
    public var refusedByErrno: [Int32: UInt64] = [:]
    /// Times that the kernel had no room (EAGAIN, ENOBUFS) and the rest had to wait.
    public var blocked: UInt64 = 0
    /// Datagrams that waited for the kernel and were dropped: the socket closed under them, or ENOBUFS did not end.
    public var queueDrops: UInt64 = 0
    /// Datagrams that the sender did not take because its queue was full; the caller keeps them.
    public var queueRefusals: UInt64 = 0
    /// GSO runs that the kernel refused and that went out one by one.
    public var segmentRunsSplit: UInt64 = 0
    /// Sockets opened again on the same port after SwiftNIO closed one.
    public var rebinds: UInt64 = 0

    /// All zero.
    public init() {}

    /// Adds the receiving counters of `other`; the sending ones are kept by the sender.
    mutating func merge(_ other: SocketStatistics) {
        datagramsIn &+= other.datagramsIn
        bytesIn &+= other.bytesIn
        messagesIn &+= other.messagesIn
        batchesIn &+= other.batchesIn
        truncated &+= other.truncated
        readErrors &+= other.readErrors
    }
}
