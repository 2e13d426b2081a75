import DXSocket
import DXWire
import NIOCore

/// Sockets beside the one that a gateway listens on: those of predictions (`docs/matchmaking.md` §8), of which one may carry a
/// session. Known by their ports. Bound to an event loop.
final class FurtherSockets<Handler: DatagramHandler> {
    private var sockets: [UInt16: UDPEndpoint<Handler>] = [:]

    /// None.
    init() {}

    /// Whether there are none.
    var isEmpty: Bool { sockets.isEmpty }

    /// Whether one has this port.
    func has(_ port: UInt16) -> Bool { sockets[port] != nil }

    /// The sender of the one with the port of this address of ours; nil when it is not one of these.
    func sender(for local: Endpoint?) -> DatagramSender? { local.flatMap { sockets[$0.port]?.sender } }

    /// Opens so many at the address of `base`, as many as the system gives; where they are.
    func open(
        _ count: Int, beside base: Endpoint, bufferByteCount: Int, on eventLoop: any EventLoop, handler: Handler
    ) -> [Endpoint] {
        var opened: [Endpoint] = []
        for _ in 0..<count {
            let socket = open(
                at: base.withPort(0), bufferByteCount: bufferByteCount, on: eventLoop, handler: handler)
            // No descriptor is left: as many as there are will do.
            guard let socket else { break }
            opened.append(socket)
        }
        return opened
    }

    /// Opens one at this address, with this port unless it is 0; where it is, or nil when the system does not give it.
    func open(at base: Endpoint, bufferByteCount: Int, on eventLoop: any EventLoop, handler: Handler) -> Endpoint? {
        var settings = SocketConfiguration()
        settings.receiveBufferByteCount = bufferByteCount
        settings.sendBufferByteCount = bufferByteCount
        // One of hundreds will carry a session; all of them together must cost little.
        settings.sendQueueMessageCount = 64
        settings.stripeCount = 1
        let socket = try? UDPEndpoint(
            listen: ListenAddress(base), configuration: settings, on: eventLoop, handler: handler)
        guard let socket, let port = socket.localEndpoints.first?.port else { return nil }
        sockets[port] = socket
        return base.withPort(port)
    }

    /// Sends what is queued.
    func flush() { for socket in sockets.values { socket.sender.flush() } }

    /// Closes the one with this port.
    func close(_ port: UInt16) { sockets.removeValue(forKey: port)?.close() }

    /// Closes all.
    func closeAll() {
        for socket in sockets.values { socket.close() }
        sockets.removeAll()
    }
}

@available(*, unavailable)
extension FurtherSockets: Sendable {}
