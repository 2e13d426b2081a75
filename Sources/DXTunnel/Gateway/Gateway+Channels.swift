public import NIOCore

/// Connections through tunnels as channels of SwiftNIO, for programs that have their protocol as channel handlers: HTTP, TLS, a
/// database's client or server. No TCP port is opened on this host, and no byte leaves the gateway's event loop on its way between
/// the tunnel and the pipeline.
///
/// A channel lives on one of the gateway's event loops, and never longer than `run`: when the gateway stops, it is closed with
/// `TunnelStreamError.channelClosed`. Do not schedule anything on its event loop after that. A program that ends in good order has its
/// channels end first, while the gateway runs: `setDraining(true)`, `ChannelShouldQuiesceEvent` in their pipelines, `drain(timeout:)`
/// until what they have written is with the other ends.
///
/// It takes `ByteBuffer`s, has no addresses, and knows the options `autoRead`, `allowRemoteHalfClosure`, `writeBufferWaterMark`,
/// `allocator` and `bufferedWritableBytes`. `TunnelChannelEvent.reset` resets it.
extension Gateway {
    /// Opens a connection through a tunnel of which this gateway is an origin. Returns once the channel is active: whether the target
    /// accepts shows when the channel reads; a refusal closes it with a `TunnelStreamError`.
    ///
    /// ```swift
    /// let channel = try await gateway.channel(to: "db") { channel in
    ///     channel.eventLoop.makeCompletedFuture {
    ///         try channel.pipeline.syncOperations.addHandler(MyProtocolHandler())
    ///     }
    /// }
    /// ```
    ///
    /// - Parameters:
    ///   - tunnel: its name.
    ///   - destination: the destination to connect to; nil for the best.
    ///   - initializer: makes the pipeline, on the event loop, before anything is read. If it fails, so does this method, with the
    ///     same error, and the connection is closed.
    /// - Throws: `GatewayError.notRunning`, `unknownTunnel`, `isUDP`, `notADestination`, `notConnected`, `connectionLimit`, `exhausted`;
    ///   `TunnelStreamError` when the connection ended, or was closed, before the channel was active.
    public func channel(
        to tunnel: String, at destination: String? = nil,
        initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) async throws -> any Channel {
        try await channel(to: tunnel, at: destination) { channel in
            initializer(channel).map { channel }
        } as any Channel
    }

    /// The same, with what the initializer makes of the channel: a `NIOAsyncChannel`, the client of a protocol.
    ///
    /// ```swift
    /// let connection = try await gateway.channel(to: "db") { channel in
    ///     channel.eventLoop.makeCompletedFuture {
    ///         try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
    ///     }
    /// }
    /// ```
    public func channel<Output: Sendable>(
        to tunnel: String, at destination: String? = nil,
        initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Output>
    ) async throws -> Output {
        try await onOrigin(of: tunnel) { core, promise in
            let bridge: ProgramBridge
            do { bridge = try core.dial(tunnel, to: destination) } catch { return promise.fail(error) }
            TunnelChannel(bridge, on: core.eventLoop).begin(initializer, promise: promise)
        }
    }

    /// Takes the connections of a tunnel of which this gateway is the destination and which has no target address, each as a channel.
    /// Takes the place of what was given to this method or to `serve` before.
    ///
    /// May be called before `run`, so that no connection is missed. Stays when the group takes the tunnel away and brings it back. What a
    /// tunnel with a target address brings goes there.
    ///
    /// - Parameters:
    ///   - tunnel: its name.
    ///   - childInitializer: makes the pipeline of a connection, on the event loop, before anything is read. If it fails, the
    ///     connection is closed.
    /// - Throws: `GatewayError.unknownTunnel`; not before `run` in a group, whose tunnels are not known yet.
    public func serveChannels(
        _ tunnel: String, childInitializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) async throws { try await accept(tunnel, .channels(childInitializer)) }
}
