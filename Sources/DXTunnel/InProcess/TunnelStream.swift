internal import DXWire
public import NIOCore

/// One connection through a micro-tunnel, for the program that embeds a gateway: ordered bytes both ways, with
/// backpressure. As with TCP each direction ends by itself, by `finish` or by a reset.
///
/// One task may read and one may write at a time; a second at once gets `TunnelStreamError.concurrentUse`. When the last
/// reference goes while either direction is open, the stream is reset.
public final class TunnelStream: Sendable {
    private let bridge: NIOLoopBound<ProgramBridge>
    private let gate: LoopGate

    init(bridge: ProgramBridge, gate: LoopGate) {
        self.bridge = NIOLoopBound(bridge, eventLoop: gate.eventLoop)
        self.gate = gate
    }

    deinit {
        let bridge = bridge
        gate.execute { bridge.value.abandon() }
    }

    /// The next bytes that the other end wrote, at most 64 KiB; nil once it has finished.
    ///
    /// - Throws: `TunnelStreamError`; `channelClosed` once the gateway has stopped, however the stream ended.
    public func read() async throws -> ByteBuffer? {
        let bridge = bridge
        return try await gate.submit(closed: TunnelStreamError.channelClosed) { promise in
            bridge.value.read { promise.completeWith($0) }
        }
    }

    /// Writes all of `bytes`; suspends while the tunnel takes no more.
    ///
    /// - Throws: `TunnelStreamError`; `channelClosed` once the gateway has stopped.
    public func write(_ bytes: ByteBuffer) async throws {
        guard bytes.readableBytes > 0 else { return }
        let bridge = bridge
        try await gate.submit(closed: TunnelStreamError.channelClosed) { promise in
            bridge.value.write(bytes) { promise.completeWith($0) }
        }
    }

    /// Ends this direction after what was written (FIN). The other end can still be read.
    public func finish() {
        let bridge = bridge
        gate.execute { bridge.value.finish() }
    }

    /// Gives both directions up; the other end sees a reset.
    public func reset() {
        let bridge = bridge
        gate.execute { bridge.value.reset() }
    }

    /// Whether both a read and a write wait now, for tests.
    func isReadingAndWriting() async throws -> Bool {
        let bridge = bridge
        return try await gate.submit(closed: TunnelStreamError.channelClosed) {
            $0.succeed(bridge.value.isReadingAndWriting)
        }
    }

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
