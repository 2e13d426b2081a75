public import DXWire
internal import NIOCore

/// What became of a datagram handed to `DatagramSender.append`.
public enum AppendResult: Hashable, Sendable, BitwiseCopyable {
    /// It is queued; `flush` sends it.
    case queued
    /// Nothing was asked for: `fill` wrote no byte.
    case empty
    /// The kernel takes no more at the moment and the queue is full; `fill` was not called. Try again after
    /// `DatagramHandler.becameWritable`.
    case full
    /// There is no socket of that address family, or source and destination are of different families; `fill` was not
    /// called. Nothing will change that soon: drop the path.
    case noSocket
}

/// The sending half of a `UDPEndpoint`: datagrams are written straight into a queue (no copy afterwards) and go out in
/// batches. Bound to the endpoint's event loop.
///
/// One bad datagram costs itself and nothing else, whatever the kernel says about it
/// (docs/decisions/0020-own-send-path.md). Where the kernel has no room, the rest waits and is tried again by a short
/// timer (docs/decisions/0021-retry-by-timer.md); the queue is bounded by `SocketConfiguration`.
public final class DatagramSender {
    private let eventLoop: any EventLoop
    private let configuration: SocketConfiguration
    private let onWritable: (Instant) -> Void
    private var v4: BatchWriter<KernelSendSystem>?
    private var v6: BatchWriter<KernelSendSystem>?
    /// The counters of sockets that were closed.
    private var closedCounters = SocketStatistics()
    private var isFilling = false
    private var retry: WakeupTimer<SendRetry>?
    private var retryTarget: SendRetry?
    private var isRetryArmed = false
    private var retryDelay = SendRetry.shortestDelay

    /// A sender without sockets; `onWritable` is called when the kernel took what it had refused before.
    init(on eventLoop: any EventLoop, configuration: SocketConfiguration, onWritable: @escaping (Instant) -> Void) {
        self.eventLoop = eventLoop
        self.configuration = configuration
        self.onWritable = onWritable
    }

    // MARK: State

    /// Whether the kernel takes datagrams now. While false, bulk data had better wait in the transport; `append` still
    /// takes datagrams until the queue is full.
    public var isWritable: Bool { !(v4?.isBlocked ?? false) && !(v6?.isBlocked ?? false) }

    /// Whether runs of datagrams still go out in one piece on that family's socket.
    func usesSegmentation(_ family: Endpoint.Family) -> Bool {
        switch family {
        case .v4: v4?.usesSegmentation ?? false
        case .v6: v6?.usesSegmentation ?? false
        }
    }

    /// The counters of sending; those of receiving are zero.
    var statistics: SocketStatistics {
        var total = closedCounters
        v4?.statistics.add(to: &total)
        v6?.statistics.add(to: &total)
        return total
    }

    // MARK: Sending

    /// Queues one datagram, which `fill` writes.
    ///
    /// Consecutive datagrams to the same destination, from the same source, with the same mark and size (the last may
    /// be shorter) leave as one GSO run. When the queue is full and the kernel is not blocked, a flush happens inside.
    /// - Parameters:
    ///   - destination: Where it goes. One that can not be sent to costs nothing but itself.
    ///   - source: The local address to send from (its port is ignored); nil leaves the choice to the routing table.
    ///   - interface: The number of the interface to leave through, where several lead there; 0 leaves that choice to the
    ///     routing table. No privileges are needed. The kernel does not follow a source address of IPv6 at the same time:
    ///     it takes one of that interface's. Where no route leads through it, IPv4 takes the destination for a neighbour.
    ///   - ecn: The mark in the IP header.
    ///   - maximumByteCount: The capacity of the span that `fill` gets: 1 to `Constants.maximumDatagram`; anything else
    ///     is a programming error and traps.
    ///   - fill: Writes the datagram. It must not call this sender (traps). When it throws, nothing is queued.
    @inlinable
    @discardableResult
    public func append<Failure: Error>(
        to destination: Endpoint, from source: Endpoint?, over interface: UInt32 = 0, ecn: ECNMark,
        maximumByteCount: Int, fill: (inout OutputRawSpan) throws(Failure) -> Void
    ) throws(Failure) -> AppendResult {
        try appendRun(
            to: destination, from: source, over: interface, ecn: ecn, maximumByteCount: maximumByteCount,
            datagramByteCount: maximumByteCount, fill: fill)
    }

    /// Queues several datagrams at once, which `fill` writes one behind the other.
    ///
    /// As `append`, but what `fill` wrote is cut into datagrams of `datagramByteCount` bytes, the last one perhaps shorter.
    @inlinable
    @discardableResult
    public func appendRun<Failure: Error>(
        to destination: Endpoint, from source: Endpoint?, over interface: UInt32 = 0, ecn: ECNMark,
        maximumByteCount: Int, datagramByteCount: Int, fill: (inout OutputRawSpan) throws(Failure) -> Void
    ) throws(Failure) -> AppendResult {
        guard
            let start = unsafe reserve(
                maximumByteCount, of: datagramByteCount, to: destination, from: source)
        else { return refusalToQueue(to: destination, from: source) }
        let memory = unsafe UnsafeMutableRawBufferPointer(start: start, count: maximumByteCount)
        var span = unsafe OutputRawSpan(buffer: memory, initializedCount: 0)
        do {
            try fill(&span)
        } catch {
            abandon()
            throw error
        }
        return commit(
            unsafe span.finalize(for: memory), of: datagramByteCount, to: destination, from: source, over: interface,
            ecn: ecn)
    }

    /// The memory for the next datagram; nil when it can not be taken. Only for `append`, which is inlined.
    @usableFromInline
    func reserve(
        _ byteCount: Int, of datagramByteCount: Int, to destination: Endpoint, from source: Endpoint?
    ) -> UnsafeMutableRawPointer? {
        precondition(!isFilling, "a datagram's fill must not use the sender")
        precondition(byteCount > 0 && byteCount <= Constants.maximumDatagram, "a datagram has 1 to 65,000 bytes")
        precondition(datagramByteCount > 0, "datagrams have some size")
        if let source, source.family != destination.family { return nil }
        // Only stands for an address: whoever sends there by mistake sends nothing.
        if destination.isForwarded { return nil }
        let datagrams = (byteCount &- 1) / datagramByteCount &+ 1
        let memory =
            switch destination.family {
            case .v4: unsafe v4?.reserve(byteCount, datagrams: datagrams)
            case .v6: unsafe v6?.reserve(byteCount, datagrams: datagrams)
            }
        isFilling = unsafe memory != nil
        // Making room may have met a full kernel.
        if !isWritable { armRetry() }
        return unsafe memory
    }

    /// Why `reserve` gave nothing.
    @usableFromInline
    func refusalToQueue(to destination: Endpoint, from source: Endpoint?) -> AppendResult {
        if let source, source.family != destination.family { return .noSocket }
        if destination.isForwarded { return .noSocket }
        return hasSocket(destination.family) ? .full : .noSocket
    }

    /// Ends a reservation that was not used.
    @usableFromInline
    func abandon() { isFilling = false }

    /// Ends a reservation with `byteCount` bytes written.
    @usableFromInline
    func commit(
        _ byteCount: Int, of size: Int, to destination: Endpoint, from source: Endpoint?, over interface: UInt32,
        ecn: ECNMark
    ) -> AppendResult {
        isFilling = false
        guard byteCount > 0 else { return .empty }
        let pinned = source.flatMap { $0.isUnspecified ? nil : $0.withPort(0) }
        switch destination.family {
        case .v4: v4?.commit(byteCount, of: size, to: destination, from: pinned, over: interface, ecn: ecn)
        case .v6: v6?.commit(byteCount, of: size, to: destination, from: pinned, over: interface, ecn: ecn)
        }
        return .queued
    }

    /// Sends what is queued. Call once at the end of a turn. What the kernel has no room for stays queued and is tried
    /// again by itself.
    public func flush() {
        precondition(!isFilling, "a datagram's fill must not use the sender")
        v4?.flush()
        v6?.flush()
        if isWritable { retryDelay = SendRetry.shortestDelay } else { armRetry() }
    }

    /// The next refused datagram that was not asked for yet; nil when there is none. At most 64 are kept per address
    /// family; beyond that they are only counted.
    public func pollRefusal() -> SendRefusal? { v4?.pollRefusal() ?? v6?.pollRefusal() }

    // MARK: Sockets

    /// Whether there is a socket of that family.
    func hasSocket(_ family: Endpoint.Family) -> Bool {
        switch family {
        case .v4: v4 != nil
        case .v6: v6 != nil
        }
    }

    /// Starts to send on `descriptor`, which becomes the sender's own.
    func attach(_ descriptor: CInt, _ family: Endpoint.Family, usesSegmentation: Bool) {
        precondition(!hasSocket(family), "a socket is taken away before another takes its place")
        let system = KernelSendSystem(descriptor: descriptor, capacity: configuration.sendQueueMessageCount + 1)
        let writer = BatchWriter(
            system: system, usesSegmentation: usesSegmentation, byteCount: configuration.sendQueueByteCount,
            runCount: configuration.sendQueueMessageCount)
        switch family {
        case .v4: v4 = writer
        case .v6: v6 = writer
        }
    }

    /// Drops what is queued and closes that family's descriptor. Does nothing when there is none.
    func detach(_ family: Endpoint.Family) {
        precondition(!isFilling, "a datagram's fill must not close the endpoint")
        let removed: BatchWriter<KernelSendSystem>?
        switch family {
        case .v4:
            removed = v4
            v4 = nil
        case .v6:
            removed = v6
            v6 = nil
        }
        guard var writer = removed else { return }
        writer.dropQueue()
        writer.statistics.add(to: &closedCounters)
        writer.system.destroy()
        writer.destroy()
    }

    /// Closes both.
    func close() {
        detach(.v4)
        detach(.v6)
        retry?.cancel()
    }

    deinit {
        close()
    }

    // MARK: Retrying

    private func armRetry() {
        guard !isRetryArmed else { return }
        isRetryArmed = true
        if retry == nil {
            let target = SendRetry { [unowned self] now in retryFired(now) }
            retryTarget = target
            retry = WakeupTimer(on: eventLoop, handler: target)
        }
        retry?.arm(at: MonotonicClock.now() + retryDelay)
    }

    private func retryFired(_ now: Instant) {
        isRetryArmed = false
        if !isWritable {
            let before = queuedByteCount
            v4?.flush()
            v6?.flush()
            let hasMoved = queuedByteCount < before
            retryDelay = hasMoved ? SendRetry.shortestDelay : min(retryDelay * 2, SendRetry.longestDelay)
        }
        // Perhaps the owner's own flush did it, or the blocked socket is gone: whoever met `full` is told all the same.
        if isWritable { onWritable(now) } else { armRetry() }
    }

    private var queuedByteCount: Int { (v4?.queuedByteCount ?? 0) &+ (v6?.queuedByteCount ?? 0) }
}

@available(*, unavailable)
extension DatagramSender: Sendable {}

/// Who the retry timer of a `DatagramSender` wakes, and how often.
final class SendRetry: WakeupHandler {
    /// The first wait after the kernel had no room: see docs/decisions/0021-retry-by-timer.md for the measurement. The
    /// default send buffer keeps a 4 Gbit/s link busy for longer than this.
    static let shortestDelay = Interval.microseconds(500)
    /// Waits double up to this while nothing moves. Longer ones would save little and be felt when a link comes back.
    static let longestDelay = Interval.milliseconds(4)

    private let action: (Instant) -> Void

    /// Calls `action` at each wake-up.
    init(_ action: @escaping (Instant) -> Void) { self.action = action }

    func wakeupFired(now: Instant) { action(now) }
}
