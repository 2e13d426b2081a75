import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Ends a connection whose listener to events or reader of a trace has stopped reading: one on which something waits to be written, and nothing was for a while.
/// Other answers are left alone: a connection through a tunnel may stand still for as long as its program likes.
final class ListenerDeadline: ChannelOutboundHandler, RemovableChannelHandler {
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let time: TimeAmount
    private var isListener = false
    private var waiting = 0
    private var timer: Scheduled<Void>?

    init(_ time: TimeAmount) { self.time = time }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.cancel()
        timer = nil
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .head(let head) = unwrapOutboundIn(data) {
            let type = head.headerFields[.contentType] ?? ""
            isListener = type.hasPrefix(EventRoutes.contentType) || type.hasPrefix(TraceRoutes.contentType)
        }
        guard isListener else { return context.write(data, promise: promise) }
        let written = promise ?? context.eventLoop.makePromise()
        waiting += 1
        if waiting == 1 { arm(context.channel) }
        let bound = NIOLoopBound((self, context.channel), eventLoop: context.eventLoop)
        written.futureResult.whenComplete { _ in
            let (deadline, channel) = bound.value
            deadline.wrote(channel)
        }
        context.write(data, promise: written)
    }

    private func wrote(_ channel: any Channel) {
        waiting -= 1
        timer?.cancel()
        timer = nil
        if waiting > 0 { arm(channel) }
    }

    private func arm(_ channel: any Channel) {
        timer = channel.eventLoop.scheduleTask(in: time) { channel.close(promise: nil) }
    }
}

@available(*, unavailable)
extension ListenerDeadline: Sendable {}
