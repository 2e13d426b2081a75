import CDXSystem
import DXSocket
import DXWire
import Glibc
import NIOCore
import NIOPosix

/// Tells when this host's network is another one, and when the host has slept. Bound to an event loop.
///
/// The kernel says when something changed (netlink, no privileges needed); what it is like then is looked up anew, once for a handful
/// of notices (`ChangeDebounce`). Where a sandbox forbids netlink, it is looked up every half a minute. A notice by which nothing
/// has changed is not passed on.
final class NetworkWatch {
    /// What happened.
    enum Event {
        /// The network is another one: what is different, and what it is like now.
        case changed(NetworkChange, NetworkSnapshot)
        /// The machine was suspended for so long.
        case woke(Interval)
    }

    /// What the network was like at the last look.
    private(set) var snapshot: NetworkSnapshot
    /// Notices of the kernel, and looks that they led to.
    private(set) var noticeCount: UInt64 = 0
    private(set) var lookCount: UInt64 = 0

    private let eventLoop: any EventLoop
    private let asksKernel: Bool
    private let look: () -> NetworkSnapshot
    private let onEvent: (Event) -> Void
    private var debounce = ChangeDebounce()
    private var sleep: SleepClock
    private var timer: WakeupTimer<NetworkWatch>?
    private var notices: (any Channel)?
    private var wakes: (any Channel)?
    /// When the network is looked at without a notice, and when sources that ended are opened again.
    private var looksAt: Instant = .distantFuture
    private var reopensAt: Instant = .distantFuture
    private var isStopped = false

    /// So often the network is looked at where the kernel tells nothing.
    static let interval = Interval.seconds(30)
    /// Signs may come with each datagram.
    private static let signPause = Interval.seconds(1)
    /// After the kernel had too much to say, or the clock was set.
    private static let reopenPause = Interval.seconds(1)

    /// A watch that has looked once and tells of changes from now on, never from inside this call.
    ///
    /// - Parameters:
    ///   - hearsKernel: whether to ask the kernel for its notices; not in some tests.
    ///   - look: what the network is like; another one in tests.
    init(
        on eventLoop: any EventLoop, hearsKernel: Bool = true,
        look: @escaping () -> NetworkSnapshot = NetworkSnapshot.current,
        onEvent: @escaping (Event) -> Void
    ) {
        self.eventLoop = eventLoop
        self.look = look
        asksKernel = hearsKernel
        self.onEvent = onEvent
        let clocks = Self.clocks
        sleep = SleepClock(monotonic: clocks.monotonic, boot: clocks.boot)
        snapshot = NetworkSnapshot()
        timer = WakeupTimer(on: eventLoop, handler: self)
        // Opened before the first look: what changes in between is noticed.
        openSources(now: clocks.monotonic)
        snapshot = look()
        arm()
    }

    /// Whether the kernel tells of changes.
    var hearsKernel: Bool { notices != nil }

    /// Ends it; nothing is told any more.
    func stop() {
        guard !isStopped else { return }
        isStopped = true
        timer?.cancel()
        notices?.close(promise: nil)
        wakes?.close(promise: nil)
        notices = nil
        wakes = nil
    }

    /// Looks within a second: somebody else has seen a sign that the network is another one. Nothing happens where the kernel would
    /// have said so.
    func lookSoon() {
        guard !isStopped, notices == nil else { return }
        looksAt = min(looksAt, MonotonicClock.now() + Self.signPause)
        arm()
    }

    private func lookNow() {
        noteSleep()
        compare()
    }

    private static var clocks: (monotonic: Instant, boot: Instant) {
        (MonotonicClock.now(), Instant(nanoseconds: dx_boottime_nanoseconds()))
    }

    // MARK: Sources

    private func openSources(now: Instant) {
        reopensAt = .distantFuture
        if notices == nil, asksKernel {
            open(dx_network_events_open()) { [weak self] in
                self?.notices = $0
                self?.looksAt = .distantFuture
            } received: { [weak self] in
                self?.received($0)
            } ended: { [weak self] in
                self?.noticesEnded()
            }
        }
        if wakes == nil {
            open(dx_wake_events_open()) { [weak self] in
                self?.wakes = $0
            } received: { _ in
            } ended: { [weak self] in
                self?.clockWasSet()
            }
        }
        if notices == nil { looksAt = min(looksAt, now + Self.interval) }
    }

    /// Has SwiftNIO read a descriptor; nothing happens when there is none.
    private func open(
        _ descriptor: CInt, opened: @escaping (any Channel) -> Void, received: @escaping ([UInt8]) -> Void,
        ended: @escaping () -> Void
    ) {
        guard descriptor >= 0 else { return }
        let handler = NIOLoopBound(NoticeHandler(received: received, ended: ended), eventLoop: eventLoop)
        let bound = NIOLoopBound((self, opened), eventLoop: eventLoop)
        NIOPipeBootstrap(group: eventLoop)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: NoticeHandler.byteCount))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(handler.value)
                }
            }
            .takingOwnershipOfDescriptor(input: descriptor)
            .whenComplete { result in
                let (watch, opened) = bound.value
                switch result {
                case .success(let channel):
                    if watch.isStopped { channel.close(promise: nil) } else { opened(channel) }
                // SwiftNIO gives it back.
                case .failure: _ = close(descriptor)
                }
            }
    }

    private func received(_ datagram: [UInt8]) {
        var reader = NetlinkReader(datagram)
        var isNews = false
        while let notice = reader.next() { if notice != .other { isNews = true } }
        guard isNews, !isStopped else { return }
        noticeCount &+= 1
        debounce.note(now: MonotonicClock.now())
        arm()
    }

    /// The kernel had more to say than there was room for, or SwiftNIO could not read: all may be different.
    private func noticesEnded() {
        notices = nil
        guard !isStopped else { return }
        let now = MonotonicClock.now()
        debounce.note(now: now)
        looksAt = now + Self.interval
        reopensAt = now + Self.reopenPause
        arm()
    }

    /// The wall clock was set, or the machine woke up.
    private func clockWasSet() {
        wakes = nil
        guard !isStopped else { return }
        reopensAt = min(reopensAt, MonotonicClock.now() + Self.reopenPause)
        noteSleep()
        arm()
    }

    // MARK: Looking

    private func noteSleep() {
        let clocks = Self.clocks
        guard let slept = sleep.look(monotonic: clocks.monotonic, boot: clocks.boot) else { return }
        // What the network is like now first: where to go on from.
        compare()
        onEvent(.woke(slept))
    }

    private func compare() {
        let now = look()
        lookCount &+= 1
        let change = now.changes(from: snapshot)
        snapshot = now
        if !change.isEmpty { onEvent(.changed(change, now)) }
    }

    private func arm() {
        guard !isStopped else { return }
        timer?.arm(at: min(debounce.deadline ?? .distantFuture, looksAt, reopensAt))
    }
}

extension NetworkWatch: WakeupHandler {
    func wakeupFired(now: Instant) {
        guard !isStopped else { return }
        if reopensAt <= now { openSources(now: now) }
        if looksAt <= now {
            looksAt = now + Self.interval
            debounce.note(now: now - ChangeDebounce.quiet)
        }
        if debounce.take(now: now) { lookNow() }
        arm()
    }
}

@available(*, unavailable)
extension NetworkWatch: Sendable {}

/// Hands over what SwiftNIO read, and says when there will be nothing more.
private final class NoticeHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    /// A notice of an interface has about 1,500 bytes; what is cut off is not looked at.
    static let byteCount = 8_192

    private let received: ([UInt8]) -> Void
    private let ended: () -> Void
    private var hasEnded = false

    init(received: @escaping ([UInt8]) -> Void, ended: @escaping () -> Void) {
        self.received = received
        self.ended = ended
    }

    /// Says so, once.
    func end() {
        guard !hasEnded else { return }
        hasEnded = true
        ended()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received([UInt8](unwrapInboundIn(data).readableBytesView))
    }

    func channelInactive(context: ChannelHandlerContext) { end() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // An error of reading: SwiftNIO closes, or goes on; here it is over in any case.
        context.close(promise: nil)
    }
}

@available(*, unavailable)
extension NoticeHandler: Sendable {}
