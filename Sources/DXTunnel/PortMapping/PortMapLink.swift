import DXMatch
import DXSocket
import DXWire
import NIOCore

/// A `PortMapper` with its socket, its timer and its HTTP requests: of one router. Bound to its event loop.
final class PortMapLink {
    /// Through which router, from which address.
    let route: DefaultRoute
    private let eventLoop: any EventLoop
    private var mapper: PortMapper
    private let http: PortMapHTTP
    private var socket: UDPEndpoint<PortMapLink>?
    private var timer: WakeupTimer<PortMapLink>?
    private var onEvent: ((PortMapper.Event) -> Void)?
    private var onStopped: EventLoopPromise<Void>?
    private var isPumping = false

    /// Opens the socket; throws when that fails. Nothing is sent before `start`.
    init(
        _ route: DefaultRoute, _ mapper: PortMapper, on eventLoop: any EventLoop,
        onEvent: @escaping (PortMapper.Event) -> Void
    ) throws(BindError) {
        self.route = route
        self.eventLoop = eventLoop
        self.mapper = mapper
        self.onEvent = onEvent
        http = PortMapHTTP(on: eventLoop, local: route.local)
        socket = try UDPEndpoint(
            listen: ListenAddress(route.local), configuration: Self.configuration, on: eventLoop, handler: self)
        timer = WakeupTimer(on: eventLoop, handler: self)
    }

    /// Small: a few datagrams a minute, of at most 2 KB.
    static var configuration: SocketConfiguration {
        var configuration = SocketConfiguration()
        configuration.receiveBufferByteCount = 65_536
        configuration.sendBufferByteCount = 65_536
        configuration.usesSegmentationOffload = false
        configuration.usesReceiveOffload = false
        configuration.receiveSlotCount = 4
        configuration.receiveSlotByteCount = 4_096
        configuration.sendQueueByteCount = 65_536
        configuration.sendQueueMessageCount = 16
        configuration.stripeCount = 1
        return configuration
    }

    /// The protocol that worked last.
    var working: PortMappingProtocol? { mapper.working }

    /// What is mapped now.
    var mappings: [PortMapping] { mapper.mappings }

    /// Begins.
    func start() { pump(now: MonotonicClock.now()) }

    /// Asks for everything again.
    func refresh() {
        let now = MonotonicClock.now()
        mapper.refresh(now: now)
        pump(now: now)
    }

    /// An announcement came to the socket of those.
    func receiveAnnouncement(_ datagram: RawSpan, from source: Endpoint, now: Instant) {
        mapper.receiveAnnouncement(datagram, from: source, now: now)
        pump(now: now)
    }

    /// Ends the mappings, tells nothing more, and closes.
    func stop() -> EventLoopFuture<Void> {
        onEvent = nil
        guard socket != nil else { return eventLoop.makeSucceededVoidFuture() }
        let promise = eventLoop.makePromise(of: Void.self)
        onStopped = promise
        let now = MonotonicClock.now()
        mapper.stop(now: now)
        pump(now: now)
        return promise.futureResult
    }

    /// Closes at once: the router cannot be reached any more.
    func close() {
        onEvent = nil
        timer?.cancel()
        http.close()
        socket?.close()
        socket = nil
        onStopped?.succeed()
        onStopped = nil
    }

    /// Does what the machine wants done.
    private func pump(now: Instant) {
        guard let socket, !isPumping else { return }
        isPumping = true
        while let datagram = mapper.pollTransmit(now: now) {
            // What cannot be sent is lost, as in the network.
            _ = socket.sender.append(
                to: datagram.destination, from: nil, ecn: .notECT, maximumByteCount: datagram.bytes.count
            ) { output in unsafe output.write(datagram.bytes.span.bytes) }
        }
        socket.sender.flush()
        while socket.sender.pollRefusal() != nil {}
        if let request = mapper.pollRequest() { make(request) }
        var events: [PortMapper.Event] = []
        while let event = mapper.pollEvent() { events.append(event) }
        timer?.arm(at: mapper.nextTimeout)
        isPumping = false
        // The owner may stop or close this from inside.
        for event in events { onEvent?(event) }
        if mapper.phase == .stopped { close() }
    }

    private func make(_ request: PortMapperRequest) {
        http.make(request) { [weak self] answer in
            guard let self else { return }
            let now = MonotonicClock.now()
            self.mapper.receive(answer, to: request.number, now: now)
            self.pump(now: now)
        }
    }
}

extension PortMapLink: DatagramHandler {
    func received(
        _ datagram: inout MutableRawSpan, from source: Endpoint, local: Endpoint?, ecn: ECNMark, now: Instant
    ) {
        mapper.receive(datagram.bytes, from: source, now: now)
    }

    func batchEnded(now: Instant) { pump(now: now) }

    func becameWritable(now: Instant) {}
}

extension PortMapLink: WakeupHandler {
    func wakeupFired(now: Instant) {
        mapper.timeoutFired(now: now)
        pump(now: now)
    }
}

@available(*, unavailable)
extension PortMapLink: Sendable {}
