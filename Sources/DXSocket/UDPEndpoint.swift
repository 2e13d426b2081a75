public import DXWire
public import NIOCore
internal import NIOPosix

/// A gateway's UDP port: one socket per address family, both on one event loop.
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
    private var v4: OpenChannel?
    private var v6: OpenChannel?
    private var unavailable: Endpoint.Family?
    private var rebinds: UInt64 = 0
    private var closedCounters = SocketStatistics()
    private var isClosed = false

    /// A socket that is read.
    private struct OpenChannel {
        var capabilities: SocketCapabilities
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
            try OpenSocket(local: local, configuration: configuration)
        }
        self.eventLoop = eventLoop
        self.configuration = configuration
        self.handler = handler
        self.unavailable = opened.unavailable
        self.sender = DatagramSender(on: eventLoop, configuration: configuration) { [weak handler] now in
            handler?.becameWritable(now: now)
        }
        if let socket = opened.v4 { start(socket, rebindDelay: Self.firstRebindDelay) }
        if let socket = opened.v6 { start(socket, rebindDelay: Self.firstRebindDelay) }
    }

    deinit {
        // Not closed by its owner, perhaps because the event loop is gone: at least nothing is read any more.
        v4?.channel?.close(promise: nil)
        v6?.channel?.close(promise: nil)
    }

    // MARK: State

    /// What the kernel granted.
    public var capabilities: EndpointCapabilities {
        var result = EndpointCapabilities(v4: v4?.capabilities, v6: v6?.capabilities, unavailable: unavailable)
        result.v4?.segmentationOffload = sender.usesSegmentation(.v4)
        result.v6?.segmentationOffload = sender.usesSegmentation(.v6)
        return result
    }

    /// The counters.
    public var statistics: SocketStatistics {
        var total = sender.statistics
        total.merge(closedCounters)
        v4?.reader?.counters.add(to: &total)
        v6?.reader?.counters.add(to: &total)
        total.rebinds = rebinds
        return total
    }

    /// The bound addresses, IPv4 first.
    public var localEndpoints: [Endpoint] {
        [v4?.capabilities.local, v6?.capabilities.local].compactMap { $0 }
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
        let channels = [v4, v6].compactMap { $0 }
        for open in channels { retire(open) }
        v4 = nil
        v6 = nil
        handler = nil
        return EventLoopFuture.andAllComplete(channels.compactMap { $0.channel?.close() }, on: eventLoop)
    }

    private func retire(_ open: OpenChannel) {
        open.reader?.isRetired = true
        open.reader?.counters.add(to: &closedCounters)
    }

    // MARK: Opening

    /// Reads and sends on `socket` from now on.
    private func start(_ socket: OpenSocket, rebindDelay: Interval) {
        guard let handler else { return socket.close() }
        let local = socket.capabilities.local
        var open = OpenChannel(
            capabilities: socket.capabilities, channel: nil, reader: nil, opened: MonotonicClock.now(),
            rebindDelay: rebindDelay)
        sender.attach(
            socket.sendDescriptor, local.family, usesSegmentation: socket.capabilities.segmentationOffload)
        let reader = SocketReader(handler: handler, endpoint: self, local: local, configuration: configuration)
        open.reader = reader
        open.capabilities.receiveOffload = configuration.usesReceiveOffload && System.supportsUDPReceiveOffload
        open.capabilities.ecn = true
        open.capabilities.packetInfo = true
        store(open, family: local.family)
        let bound = NIOLoopBound((self, reader), eventLoop: eventLoop)
        bootstrap(reader, receiveOffload: open.capabilities.receiveOffload).withBoundSocket(socket.descriptor)
            .whenComplete { result in
                let (endpoint, reader) = bound.value
                endpoint.channelOpened(result, reader, local.family)
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
        _ result: Result<any Channel, any Error>, _ reader: SocketReader<Handler>, _ family: Endpoint.Family
    ) {
        switch result {
        case .success(let channel):
            guard !isClosed, var open = socket(family), open.reader === reader else {
                channel.close(promise: nil)
                return
            }
            open.channel = channel
            store(open, family: family)
        case .failure:
            guard !reader.isRetired else { return }
            channelClosed(family)
        }
    }

    private func socket(_ family: Endpoint.Family) -> OpenChannel? {
        switch family {
        case .v4: v4
        case .v6: v6
        }
    }

    private func store(_ open: OpenChannel, family: Endpoint.Family) {
        switch family {
        case .v4: v4 = open
        case .v6: v6 = open
        }
    }

    // MARK: Opening again

    /// SwiftNIO closed a channel that nobody wanted closed.
    func channelClosed(_ family: Endpoint.Family) {
        guard !isClosed, var open = socket(family) else { return }
        retire(open)
        open.channel = nil
        open.reader = nil
        store(open, family: family)
        // The sender's duplicate holds the port: it has to go first.
        sender.detach(family)
        // SwiftNIO closes its descriptor before it says so, so the port is free now.
        if MonotonicClock.now() - open.opened >= Self.settled {
            rebind(open.capabilities.local, nextDelay: Self.firstRebindDelay)
        } else {
            scheduleRebind(open.capabilities.local, after: open.rebindDelay)
        }
    }

    private func scheduleRebind(_ local: Endpoint, after delay: Interval) {
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.scheduleTask(in: .nanoseconds(delay.nanoseconds)) {
            bound.value.rebind(local, nextDelay: min(delay * 2, Self.settled))
        }
    }

    private func rebind(_ local: Endpoint, nextDelay: Interval) {
        guard !isClosed, !sender.hasSocket(local.family) else { return }
        do {
            let socket = try OpenSocket(local: local, configuration: configuration)
            rebinds += 1
            start(socket, rebindDelay: nextDelay)
        } catch {
            scheduleRebind(local, after: nextDelay)
        }
    }

    /// The channel that reads one family, for tests that break it.
    func channel(_ family: Endpoint.Family) -> (any Channel)? { socket(family)?.channel }
}

@available(*, unavailable)
extension UDPEndpoint: Sendable {}
