public import DXWire
import Glibc
public import NIOCore
internal import NIOPosix

/// A gateway's UDP port: one socket per address family, both on one event loop; and further ones that only receive, where
/// the kernel's limit for one is small (`SocketConfiguration.stripeCount`).
///
/// SwiftNIO reads (recvmmsg, GRO), the `sender` writes on a duplicate of the same descriptor. Should SwiftNIO close a
/// channel (a read error it does not survive), the socket is opened again on the same address and port.
public final class UDPEndpoint<Handler: DatagramHandler> {
    /// The loop that everything here happens on.
    public let eventLoop: any EventLoop
    /// The sending half.
    public let sender: DatagramSender

    private let configuration: SocketConfiguration
    private var handler: Handler?
    private var sockets: [SocketPlace: OpenChannel] = [:]
    private var unavailable: Endpoint.Family?
    private var rebinds: UInt64 = 0
    private var closedCounters = SocketStatistics()
    private var isClosed = false
    /// Another start reads.
    private var isYielded = false
    private var stripeCount = 1
    private var held = HeldMessages()
    private var isDelivering = false
    private var deliverTask: LoopTask?

    /// A socket that is read.
    private struct OpenChannel {
        var capabilities: SocketCapabilities
        /// SwiftNIO's, and no number of anything once that has closed it.
        var descriptor: CInt
        /// nil until SwiftNIO has the channel, and again after it closed it.
        var channel: (any Channel)?
        var reader: SocketReader<Handler>?
        /// When it was opened.
        let opened: Instant
        /// The wait before it is opened again, should it close at once.
        let rebindDelay: Interval
    }

    /// A socket that was open for longer than this is opened again at once; one that closes sooner has to wait, so that
    /// an error that comes back each time can not keep the loop busy.
    private static var settled: Interval { .seconds(1) }
    /// The first wait before a socket is opened again; it doubles up to `settled`.
    private static var firstRebindDelay: Interval { .milliseconds(10) }

    /// Opens and binds the sockets, at once. Must be called on `eventLoop` (traps otherwise), which must be one of a
    /// `MultiThreadedEventLoopGroup`. The handler is held until `close`.
    ///
    /// Throws `BindError` when an address asked for can not be bound. For `ListenAddress.Host.any`, a family that this
    /// kernel or namespace lacks is left out and named in `capabilities`.
    public init(
        listen: ListenAddress, configuration: SocketConfiguration = SocketConfiguration(),
        on eventLoop: any EventLoop, handler: Handler
    ) throws(BindError) {
        eventLoop.preconditionInEventLoop()
        let opened = try OpenSocket.open(listen) { local throws(BindError) in
            try OpenSocket(local: local, configuration: configuration, joins: configuration.joinsPort)
        }
        self.eventLoop = eventLoop
        self.configuration = configuration
        self.handler = handler
        self.unavailable = opened.unavailable
        self.sender = DatagramSender(on: eventLoop, configuration: configuration) { [weak handler] now in
            handler?.becameWritable(now: now)
        }
        for socket in [opened.v4, opened.v6].compactMap({ $0 }) {
            start(socket, at: SocketPlace(family: socket.family), rebindDelay: Self.firstRebindDelay)
            startFurther(beside: socket)
        }
    }

    /// Goes on with the sockets of another start of this program (`descriptors`). Takes the descriptors, and closes them all when this
    /// throws. As `init(listen:configuration:on:handler:)` otherwise.
    ///
    /// Throws `BindError` when one is no bound UDP socket, or no family has one that sends.
    public init(
        inheriting inherited: [InheritedSocket], configuration: SocketConfiguration, on eventLoop: any EventLoop,
        handler: Handler
    ) throws(BindError) {
        eventLoop.preconditionInEventLoop()
        self.eventLoop = eventLoop
        self.configuration = configuration
        self.handler = handler
        self.sender = DatagramSender(on: eventLoop, configuration: configuration) { [weak handler] now in
            handler?.becameWritable(now: now)
        }
        let stripes = (inherited.map(\.stripe).max() ?? 0) + 1
        var opened: [(OpenSocket, stripe: Int)] = []
        var failure: BindError?
        for socket in inherited {
            do throws(BindError) {
                opened.append(
                    (
                        try OpenSocket(inheriting: socket, configuration: configuration, stripeCount: stripes),
                        socket.stripe
                    ))
            } catch { failure = error }
        }
        let families = Set(opened.filter { $0.stripe == 0 }.map(\.0.family))
        if failure == nil, families.isEmpty || opened.contains(where: { !families.contains($0.0.family) }) {
            failure = BindError(Endpoint(v4: 0, port: 0), EBADF)
        }
        if let failure {
            for (socket, _) in opened { socket.close() }
            isClosed = true
            throw failure
        }
        stripeCount = stripes
        for (socket, stripe) in opened {
            start(
                socket, at: SocketPlace(family: socket.family, stripe: stripe), rebindDelay: Self.firstRebindDelay)
        }
    }

    deinit {
        // Not closed by its owner, perhaps because the event loop is gone: at least nothing is read any more.
        for open in sockets.values { open.channel?.close(promise: nil) }
    }

    // MARK: State

    /// Whether there are further sockets. Then all that they bring in one turn of the event loop is one batch.
    public var isStriped: Bool { stripeCount > 1 }

    /// What the kernel granted; the receive buffers of all sockets of a family together.
    public var capabilities: EndpointCapabilities {
        var result = EndpointCapabilities(v4: capabilities(.v4), v6: capabilities(.v6), unavailable: unavailable)
        result.v4?.segmentationOffload = sender.usesSegmentation(.v4)
        result.v6?.segmentationOffload = sender.usesSegmentation(.v6)
        return result
    }

    private func capabilities(_ family: Endpoint.Family) -> SocketCapabilities? {
        guard var result = sockets[SocketPlace(family: family)]?.capabilities else { return nil }
        for (place, open) in sockets where place.family == family && place.stripe > 0 {
            result.receiveBufferByteCount += open.capabilities.receiveBufferByteCount
        }
        return result
    }

    /// The counters.
    public var statistics: SocketStatistics {
        var total = sender.statistics
        total.merge(closedCounters)
        for open in sockets.values { open.reader?.counters.add(to: &total) }
        total.rebinds = rebinds
        return total
    }

    /// The bound addresses, IPv4 first.
    public var localEndpoints: [Endpoint] {
        [Endpoint.Family.v4, .v6].compactMap { sockets[SocketPlace(family: $0)]?.capabilities.local }
    }

    // MARK: Receiving from several sockets

    /// Keeps a message until all sockets have been read.
    func hold(_ message: HeldMessages.Message) { held.append(message) }

    /// SwiftNIO runs tasks after it has read all sockets that had something.
    func deliverHeldSoon() {
        guard !isDelivering, held.count > 0 else { return }
        isDelivering = true
        if deliverTask == nil {
            let bound = NIOLoopBound(WeakEndpoint(endpoint: self), eventLoop: eventLoop)
            deliverTask = LoopTask { bound.value.endpoint?.deliverHeld() }
        }
        if let deliverTask { eventLoop.execute(deliverTask.run) }
    }

    /// The task that the endpoint keeps must not keep the endpoint.
    private struct WeakEndpoint {
        weak var endpoint: UDPEndpoint?
    }

    private func deliverHeld() {
        isDelivering = false
        guard let handler else { return held.removeAll() }
        held.sort()
        var place = 0
        // The handler may close the endpoint, which forgets what is held.
        while place < held.count {
            let message = held.message(at: place)
            sockets[message.place]?.reader?.deliver(message)
            place += 1
        }
        held.removeAll()
        handler.batchEnded(now: MonotonicClock.now())
    }

    // MARK: Closing

    /// Closes the sockets and lets go of the handler; datagrams still queued are dropped. The future completes when the
    /// port is free. Closing twice does nothing.
    @discardableResult
    public func close() -> EventLoopFuture<Void> {
        eventLoop.preconditionInEventLoop()
        guard !isClosed else { return eventLoop.makeSucceededVoidFuture() }
        isClosed = true
        sender.close()
        let channels = Array(sockets.values)
        for open in channels { retire(open) }
        sockets.removeAll()
        held.removeAll()
        handler = nil
        return EventLoopFuture.andAllComplete(channels.compactMap { $0.channel?.close() }, on: eventLoop)
    }

    // MARK: Another start goes on

    /// The sockets, for another start of this program to go on with: duplicates, which whoever asks has to close.
    public var descriptors: [InheritedSocket] {
        eventLoop.preconditionInEventLoop()
        var result: [InheritedSocket] = []
        for (place, open) in sockets where open.channel != nil {
            let duplicate = fcntl(open.descriptor, F_DUPFD_CLOEXEC, 0)
            if duplicate >= 0 { result.append(InheritedSocket(stripe: place.stripe, descriptor: duplicate)) }
        }
        return result.sorted { ($0.stripe, $0.descriptor) < ($1.stripe, $1.descriptor) }
    }

    /// Reads no more: what comes is another start's to read. What is sent still goes out by these sockets.
    public func stopReceiving() {
        eventLoop.preconditionInEventLoop()
        guard !isClosed else { return }
        for (place, open) in sockets {
            retire(open)
            open.channel?.close(promise: nil)
            sockets[place]?.channel = nil
            sockets[place]?.reader = nil
        }
        isYielded = true
    }

    private func retire(_ open: OpenChannel) {
        open.reader?.isRetired = true
        open.reader?.counters.add(to: &closedCounters)
    }

    // MARK: Opening

    /// Opens the sockets that only receive. One that cannot be had is missing: the kernel spreads its part over the others.
    private func startFurther(beside first: OpenSocket) {
        stripeCount = max(stripeCount, first.stripeCount)
        for stripe in 1..<max(1, first.stripeCount) {
            let further = try? OpenSocket(
                local: first.capabilities.local, configuration: configuration, joins: true, isFurther: true)
            guard let further else { return }
            start(further, at: SocketPlace(family: first.family, stripe: stripe), rebindDelay: Self.firstRebindDelay)
        }
    }

    /// Reads on `socket` from now on, and sends if it is the first of its family.
    private func start(_ socket: OpenSocket, at place: SocketPlace, rebindDelay: Interval) {
        guard let handler else { return socket.close() }
        let local = socket.capabilities.local
        var open = OpenChannel(
            capabilities: socket.capabilities, descriptor: socket.descriptor, channel: nil, reader: nil,
            opened: MonotonicClock.now(),
            rebindDelay: rebindDelay)
        if place.stripe == 0 {
            sender.attach(
                socket.sendDescriptor, local.family, usesSegmentation: socket.capabilities.segmentationOffload)
        }
        let reader = SocketReader(
            handler: handler, endpoint: self, place: place, port: local.port, configuration: configuration)
        open.reader = reader
        open.capabilities.receiveOffload = configuration.usesReceiveOffload && System.supportsUDPReceiveOffload
        open.capabilities.ecn = true
        open.capabilities.packetInfo = true
        sockets[place] = open
        let bound = NIOLoopBound((self, reader), eventLoop: eventLoop)
        bootstrap(reader, receiveOffload: open.capabilities.receiveOffload).withBoundSocket(socket.descriptor)
            .whenComplete { result in
                let (endpoint, reader) = bound.value
                endpoint.channelOpened(result, reader, place)
            }
    }

    private func bootstrap(_ reader: SocketReader<Handler>, receiveOffload: Bool) -> DatagramBootstrap {
        let slots = max(1, min(configuration.receiveSlotCount, 64))
        let allocator = FixedSizeRecvByteBufferAllocator(capacity: slots * configuration.receiveSlotByteCount)
        let bound = NIOLoopBound(reader, eventLoop: eventLoop)
        var bootstrap = DatagramBootstrap(group: eventLoop)
            .channelOption(.recvAllocator, value: allocator)
            .channelOption(.datagramVectorReadMessageCount, value: slots)
            // One recvmmsg per turn: epoll tells when there is more, and timers and TCP get their turn in between. More
            // would cost an extra call that finds nothing at each wake-up of a quiet socket.
            .channelOption(.maxMessagesPerRead, value: 1)
            .channelOption(.explicitCongestionNotification, value: true)
            .channelOption(.receivePacketInfo, value: true)
        if receiveOffload {
            bootstrap =
                bootstrap
                .channelOption(.datagramReceiveOffload, value: true)
                .channelOption(.datagramReceiveSegmentSize, value: true)
        }
        return bootstrap.channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(bound.value) }
        }
    }

    private func channelOpened(
        _ result: Result<any Channel, any Error>, _ reader: SocketReader<Handler>, _ place: SocketPlace
    ) {
        switch result {
        case .success(let channel):
            guard !isClosed, sockets[place]?.reader === reader else {
                channel.close(promise: nil)
                return
            }
            sockets[place]?.channel = channel
        case .failure:
            guard !reader.isRetired else { return }
            channelClosed(place)
        }
    }

    // MARK: Opening again

    /// SwiftNIO closed a channel that nobody wanted closed.
    func channelClosed(_ place: SocketPlace) {
        guard !isClosed, var open = sockets[place] else { return }
        retire(open)
        open.channel = nil
        open.reader = nil
        sockets[place] = open
        // The sender's duplicate holds the port: it has to go first.
        if place.stripe == 0 { sender.detach(place.family) }
        // SwiftNIO closes its descriptor before it says so, so the port is free now.
        if MonotonicClock.now() - open.opened >= Self.settled {
            rebind(open.capabilities.local, at: place, nextDelay: Self.firstRebindDelay)
        } else {
            scheduleRebind(open.capabilities.local, at: place, after: open.rebindDelay)
        }
    }

    private func scheduleRebind(_ local: Endpoint, at place: SocketPlace, after delay: Interval) {
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.scheduleTask(in: .nanoseconds(delay.nanoseconds)) {
            bound.value.rebind(local, at: place, nextDelay: min(delay * 2, Self.settled))
        }
    }

    /// Other sockets, here or on another event loop, hold the port.
    private var hasPort: Bool { configuration.sharingLoopCount > 1 || sockets.values.contains { $0.reader != nil } }

    private func rebind(_ local: Endpoint, at place: SocketPlace, nextDelay: Interval) {
        guard !isClosed, !isYielded, let open = sockets[place], open.reader == nil else { return }
        do {
            let socket = try OpenSocket(
                local: local, configuration: configuration, joins: hasPort, isFurther: place.stripe > 0)
            rebinds += 1
            start(socket, at: place, rebindDelay: nextDelay)
        } catch {
            scheduleRebind(local, at: place, after: nextDelay)
        }
    }

    /// The channel that reads one family, for tests that break it.
    func channel(_ family: Endpoint.Family) -> (any Channel)? { sockets[SocketPlace(family: family)]?.channel }
}

@available(*, unavailable)
extension UDPEndpoint: Sendable {}
