import NIOCore

/// What the embedding program does with the streams of a tunnel that it serves.
enum StreamAcceptor: Sendable {
    /// It gets each as a `TunnelStream`.
    case streams(@Sendable (TunnelStream) -> Void)
    /// It makes the pipeline of a channel for each.
    case channels(@Sendable (any Channel) -> EventLoopFuture<Void>)

    /// Hands a stream over. On the event loop.
    func accept(_ bridge: ProgramBridge, core: GatewayCore) {
        switch self {
        case .streams(let accept): accept(TunnelStream(bridge: bridge, gate: core.gate))
        case .channels(let initializer):
            let begun = core.eventLoop.makePromise(of: Void.self)
            TunnelChannel(bridge, on: core.eventLoop).begin(initializer, promise: begun)
        }
    }
}
