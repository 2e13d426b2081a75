public import DXWire

/// The narrowest place of a path: a rate, and a queue in front of it that drops what does not fit (drop tail), or first
/// marks what is capable of ECN.
public final class Bottleneck: Node {
    private let bytesPerSecond: Int64
    private let queueByteCount: Int
    private let markAboveByteCount: Int?
    private var queue = DelayQueue()
    private var busyUntil = Instant.zero
    /// How many datagrams found the queue full.
    public private(set) var dropCount = 0
    /// How many datagrams were marked "congestion experienced".
    public private(set) var markCount = 0
    /// The longest the queue was, in bytes.
    public private(set) var longestQueueByteCount = 0

    /// - Parameters:
    ///   - bytesPerSecond: the rate, with IP and UDP headers.
    ///   - queueByteCount: how much waits before something is dropped.
    ///   - markAboveByteCount: a datagram with ECT that finds this much before it is marked; nil marks none.
    public init(bytesPerSecond: Int64, queueByteCount: Int, markAboveByteCount: Int? = nil) {
        precondition(bytesPerSecond > 0 && queueByteCount > 0, "a bottleneck passes something")
        self.bytesPerSecond = bytesPerSecond
        self.queueByteCount = queueByteCount
        self.markAboveByteCount = markAboveByteCount
    }

    /// Queues the datagram, or drops it.
    public func forward(_ datagram: Datagram, now: Instant, output: inout [Datagram]) {
        let start = max(busyUntil, now)
        let waiting = Int(((start - now).nanoseconds / 1_000 * bytesPerSecond) / 1_000_000)
        guard waiting + datagram.linkByteCount <= queueByteCount || waiting == 0 else {
            dropCount += 1
            return
        }
        longestQueueByteCount = max(longestQueueByteCount, waiting + datagram.linkByteCount)
        var marked = datagram
        if let limit = markAboveByteCount, waiting > limit, datagram.ecn != .notECT {
            marked.ecn = .ce
            markCount += 1
        }
        busyUntil = start + .nanoseconds(Int64(datagram.linkByteCount) * 1_000_000_000 / bytesPerSecond)
        queue.insert(marked, due: busyUntil)
    }
    /// When the next datagram has been sent.
    public var nextRunAt: Instant? { queue.nextDue }
    /// Passes on what has been sent.
    public func run(now: Instant, output: inout [Datagram]) { queue.removeDue(now: now, output: &output) }
}
