import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Ends a connection that asks for nothing for a while, or leaves a request half said: so that nobody holds the few connections that
/// there are.
///
/// Once an answer has begun it may take its time, and so may what still comes of its request: a connection through a tunnel is one
/// request and one answer, which last as long as its programs like. The framework's own idle timeout ends that one, too.
final class RequestDeadline: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let time: TimeAmount
    /// Requests that were not answered to the end.
    private var open = 0
    /// The last of them has not come whole.
    private var isReading = false
    /// An answer has begun and not ended.
    private var isAnswering = false
    private var timer: Scheduled<Void>?

    init(_ time: TimeAmount) { self.time = time }

    func handlerAdded(context: ChannelHandlerContext) { if context.channel.isActive { look(context) } }

    func handlerRemoved(context: ChannelHandlerContext) { stop() }

    func channelActive(context: ChannelHandlerContext) {
        look(context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        stop()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head:
            open += 1
            isReading = true
        case .body: break
        case .end: isReading = false
        }
        look(context)
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(let head): if head.status.kind != .informational { isAnswering = true }
        case .body: break
        case .end:
            isAnswering = false
            open = max(0, open - 1)
            look(context)
        }
        context.write(data, promise: promise)
    }

    /// Begins the wait for the client anew where it is the client's turn.
    private func look(_ context: ChannelHandlerContext) {
        stop()
        guard open == 0 || isReading && !isAnswering else { return }
        let bound = NIOLoopBound((self, context.channel), eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(in: time) {
            let (deadline, channel) = bound.value
            // An answer may have begun meanwhile.
            if deadline.open == 0 || !deadline.isAnswering { channel.close(promise: nil) }
        }
    }

    private func stop() {
        timer?.cancel()
        timer = nil
    }
}

@available(*, unavailable)
extension RequestDeadline: Sendable {}
