/// What a program may trigger in the pipeline of a channel that `Gateway.channel(to:at:initializer:)` or
/// `Gateway.serveChannels(_:childInitializer:)` made, beside what every channel knows.
///
/// ```swift
/// channel.triggerUserOutboundEvent(TunnelChannelEvent.reset, promise: nil)
/// ```
public enum TunnelChannelEvent: Hashable, Sendable {
    /// Gives the connection up, both directions at once, as TCP's RST does: what the other end has not read yet is lost, and it sees a
    /// reset. The channel is closed then.
    case reset
}
