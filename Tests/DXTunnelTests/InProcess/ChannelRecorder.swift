import NIOConcurrencyHelpers
import NIOCore

/// The last handler of a pipeline: keeps what happens. Its own lock makes that readable from everywhere.
final class ChannelRecorder: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    /// What has happened so far.
    struct Seen: Equatable, Sendable {
        var bytes = ByteBuffer()
        /// Everything else, in order.
        var events: [String] = []

        func has(_ event: String) -> Bool { events.contains(event) }
    }

    private let state = NIOLockedValueBox(Seen())
    private let echoes: Bool
    private let notesCompletes: Bool

    /// - Parameters:
    ///   - echoes: sends back what it reads, and the end of it.
    ///   - notesCompletes: the ends of rounds of reading are events.
    init(echoes: Bool = false, notesCompletes: Bool = false) {
        self.echoes = echoes
        self.notesCompletes = notesCompletes
    }

    var seen: Seen { state.withLockedValue { $0 } }

    private func note(_ event: String) { state.withLockedValue { $0.events.append(event) } }

    func channelRegistered(context: ChannelHandlerContext) { note("registered") }
    func channelActive(context: ChannelHandlerContext) { note("active") }
    func channelInactive(context: ChannelHandlerContext) { note("inactive") }
    func channelUnregistered(context: ChannelHandlerContext) { note("unregistered") }
    func handlerRemoved(context: ChannelHandlerContext) { note("removed") }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { note("\(error)") }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        note(context.channel.isWritable ? "writable" : "unwritable")
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let event = event as? ChannelEvent else { return }
        note("\(event)")
        if event == .inputClosed, echoes { context.close(mode: .output, promise: nil) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        state.withLockedValue { _ = $0.bytes.writeImmutableBuffer(bytes) }
        if echoes { context.write(data, promise: nil) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if notesCompletes { note("complete") }
        if echoes { context.flush() }
    }
}
