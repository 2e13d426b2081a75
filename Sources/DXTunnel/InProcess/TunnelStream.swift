internal import DXWire
internal import NIOConcurrencyHelpers
public import NIOCore

/// One connection through a micro-tunnel, for the program that embeds a gateway: ordered bytes both ways, with
/// backpressure. As with TCP each direction ends by itself, by `finish` or by a reset.
///
/// One task may read and one may write at a time; a second at once gets `TunnelStreamError.concurrentUse`. When the last
/// reference goes while either direction is open, the stream is reset.
public final class TunnelStream: Sendable {
    private let bridge: NIOLoopBound<ProgramBridge>
    private let eventLoop: any EventLoop
    /// How the stream ended; after that the event loop may be gone too and is left alone.
    private let ending: NIOLockedValueBox<Ending?>

    /// How a stream ended.
    enum Ending: Sendable {
        /// Both directions finished.
        case finished
        /// It was given up.
        case failed(TunnelStreamError)
    }

    init(bridge: ProgramBridge, eventLoop: any EventLoop) {
        self.bridge = NIOLoopBound(bridge, eventLoop: eventLoop)
        self.eventLoop = eventLoop
        ending = bridge.ending
    }

    deinit {
        guard ending.withLockedValue({ $0 }) == nil else { return }
        let bridge = bridge
        eventLoop.execute { bridge.value.abandon() }
    }

    /// Runs a command on the event loop; when the stream has ended, nothing happens and how it ended is returned.
    private func onLoop(_ body: @escaping @Sendable (ProgramBridge) -> Void) -> Ending? {
        if let ending = ending.withLockedValue({ $0 }) { return ending }
        let bridge = bridge
        eventLoop.execute { body(bridge.value) }
        return nil
    }

    /// The next bytes that the other end wrote, at most 64 KiB; nil once it has finished.
    ///
    /// - Throws: `TunnelStreamError`.
    public func read() async throws -> ByteBuffer? {
        let promise = eventLoop.makePromise(of: ByteBuffer?.self)
        switch onLoop({ $0.read(promise) }) {
        case nil: break
        case .finished: promise.succeed(nil)
        case .failed(let error): promise.fail(error)
        }
        return try await promise.futureResult.get()
    }

    /// Writes all of `bytes`; suspends while the tunnel takes no more.
    ///
    /// - Throws: `TunnelStreamError`.
    public func write(_ bytes: ByteBuffer) async throws {
        guard bytes.readableBytes > 0 else { return }
        let promise = eventLoop.makePromise(of: Void.self)
        switch onLoop({ $0.write(bytes, promise) }) {
        case nil: break
        case .finished: promise.fail(TunnelStreamError.finished)
        case .failed(let error): promise.fail(error)
        }
        try await promise.futureResult.get()
    }

    /// Ends this direction after what was written (FIN). The other end can still be read.
    public func finish() { _ = onLoop { $0.finish() } }

    /// Gives both directions up; the other end sees a reset.
    public func reset() { _ = onLoop { $0.reset() } }

    /// What the other end writes, chunk by chunk, until it finishes. Iterate once.
    public var inbound: Inbound { Inbound(stream: self) }

    /// The bytes of a `TunnelStream` as an async sequence.
    public struct Inbound: AsyncSequence, Sendable {
        /// A chunk of bytes.
        public typealias Element = ByteBuffer
        fileprivate let stream: TunnelStream

        /// Reads the stream.
        public func makeAsyncIterator() -> Iterator { Iterator(stream: stream) }

        /// Reads one chunk at a time.
        public struct Iterator: AsyncIteratorProtocol {
            fileprivate let stream: TunnelStream

            /// The next chunk; nil at the end. Throws `TunnelStreamError`.
            public mutating func next() async throws -> ByteBuffer? { try await stream.read() }
        }
    }
}

/// Why reading or writing a `TunnelStream` failed.
public enum TunnelStreamError: Error, Hashable, Sendable {
    /// The other end, or this one, gave the stream up.
    case reset(Reason)
    /// The channel between the gateways ended.
    case channelClosed
    /// This direction was finished before.
    case finished
    /// Another task reads, or writes, at the same time.
    case concurrentUse

    /// Why a stream was given up.
    public enum Reason: Hashable, Sendable {
        /// The application reset the connection, or went away.
        case aborted
        /// Not allowed, or the target refused.
        case refused
        /// The target could not be reached in time.
        case unreachable
        /// A limit on connections or memory.
        case limit
        /// The gateway or the tunnel is going away.
        case shutdown
        /// A reason of a newer version; its number.
        case other(UInt64)
    }
}

extension TunnelStreamError.Reason {
    init(_ code: StreamCode) {
        switch code {
        case .aborted: self = .aborted
        case .refused: self = .refused
        case .unreachable: self = .unreachable
        case .limit: self = .limit
        case .shutdown: self = .shutdown
        default: self = .other(code.rawValue)
        }
    }
}
