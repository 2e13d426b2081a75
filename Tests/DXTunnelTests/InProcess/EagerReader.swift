import NIOConcurrencyHelpers
import NIOCore

/// A handler that asks for more before it has taken what came, as one that forwards may. Its own lock makes what it has seen readable
/// from everywhere.
final class EagerReader: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    /// What has happened so far.
    struct Seen: Sendable {
        var bytes = ByteBuffer()
        /// Calls of `channelRead` within one another: now, and the most.
        var depth = 0
        var maximumDepth = 0
        /// Pieces since the event loop was free for others: now, and the most.
        var pieces = 0
        var maximumPieces = 0
    }

    private let state = NIOLockedValueBox(Seen())

    var seen: Seen { state.withLockedValue { $0 } }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let isFirst = state.withLockedValue { state in
            state.depth += 1
            state.maximumDepth = max(state.maximumDepth, state.depth)
            state.pieces += 1
            state.maximumPieces = max(state.maximumPieces, state.pieces)
            return state.pieces == 1
        }
        if isFirst { context.eventLoop.execute { [state] in state.withLockedValue { $0.pieces = 0 } } }
        context.read()
        let bytes = unwrapInboundIn(data)
        state.withLockedValue { state in
            state.bytes.writeImmutableBuffer(bytes)
            state.depth -= 1
        }
    }
}
