import Glibc
package import NIOCore

/// Lets a listener rest for a second when the system has nothing to accept a connection with: no descriptors, no memory. Those who wait
/// stay in the kernel's queue.
///
/// SwiftNIO's own `AcceptBackoffHandler` asks for nothing meanwhile, but the channel still wants to read what it could not, so epoll
/// wakes it at once, again and again. This one takes the wish back.
package final class AcceptPauseHandler: ChannelInboundHandler {
    package typealias InboundIn = any Channel

    private let paused: (String) -> Void
    private var isPaused = false

    /// A second: connections end, and nobody waits long for what is not there.
    private static let pause = TimeAmount.seconds(1)

    /// - Parameter paused: hears why, on the event loop.
    package init(_ paused: @escaping (String) -> Void = { _ in }) { self.paused = paused }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A client that gave up before it was accepted concerns nobody else.
        if let error = error as? IOError, error.errnoCode == ECONNABORTED { return }
        guard TargetConnection.isOwnTrouble(error) else { return context.fireErrorCaught(error) }
        guard !isPaused else { return }
        isPaused = true
        try? context.channel.syncOptions?.setOption(.autoRead, value: false)
        paused(TargetConnection.words(for: error))
        let bound = NIOLoopBound((self, context.channel), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: Self.pause) {
            let (handler, channel) = bound.value
            handler.isPaused = false
            if channel.isActive { try? channel.syncOptions?.setOption(.autoRead, value: true) }
        }
    }
}

@available(*, unavailable)
extension AcceptPauseHandler: Sendable {}
