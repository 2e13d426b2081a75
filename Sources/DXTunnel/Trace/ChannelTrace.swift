internal import DXStream
internal import DXWire
public import NIOCore

/// A trace of the channel to a peer as qlog, as it happens (`docs/trace.md`): version 0.3, JSON text sequences. Each element is some
/// whole records, of which the first one is the head of the file; after the last one, which says why, the iteration ends.
///
/// One reader may iterate, once. The trace ends when its time is over, when the channel ends, when the iterating task is cancelled, and
/// when nobody holds it any more.
public struct ChannelTrace: AsyncSequence, Sendable {
    /// Why a trace is over.
    public enum End: String, Sendable, Hashable {
        /// Its time was over.
        case time
        /// The channel ended.
        case channel
        /// The reader went, or the gateway stopped.
        case reader
    }

    /// The longest time that a trace may be asked for.
    public static let longest = Duration.seconds(3_600)
    /// How often the channel is asked. It notes what happens in a fifth of a second at the rate of a busy one.
    static let pause = Duration.milliseconds(40)

    private let handle: TraceHandle
    private let head: QlogText.Head
    private let duration: Duration

    init(handle: TraceHandle, head: QlogText.Head, duration: Duration) {
        self.handle = handle
        self.head = head
        self.duration = duration
    }

    /// What comes, in order.
    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let handle: TraceHandle
        fileprivate var text: QlogText
        fileprivate let deadline: ContinuousClock.Instant
        fileprivate var isFresh = true
        fileprivate var isOver = false

        /// The next records; nil when the trace is over.
        public mutating func next() async -> ByteBuffer? {
            if isFresh {
                isFresh = false
                return text.take()
            }
            while !isOver {
                let left = deadline - .now
                let isDue = left <= .zero || Task.isCancelled
                let part = await handle.take(isLast: isDue)
                if let part { text.write(part.batch, ends: part.ends, now: part.now) }
                if isDue || part?.isLast ?? true {
                    isOver = true
                    guard let part else { return nil }
                    text.writeEnd(
                        part.isLast ? .channel : left <= .zero ? .time : .reader, path: part.path, now: part.now)
                    return text.take()
                }
                if text.text.readableBytes > 0 { return text.take() }
                try? await Task.sleep(for: Swift.min(ChannelTrace.pause, left))
            }
            return nil
        }
    }

    /// Begins to read.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(handle: handle, text: QlogText(head), deadline: .now + duration)
    }
}

/// Holds a trace on its event loop; when it goes, so does the trace.
final class TraceHandle: Sendable {
    private let session: NIOLoopBound<TraceSession>
    private let gate: LoopGate

    init(_ session: NIOLoopBound<TraceSession>, gate: LoopGate) {
        self.session = session
        self.gate = gate
    }

    deinit {
        let session = session
        gate.execute { session.value.stop() }
    }

    /// What has happened since it was asked last; nil when the trace is over.
    func take(isLast: Bool) async -> TraceSession.Part? {
        let session = session
        return try? await gate.submit(closed: GatewayError.notRunning) { promise in
            promise.succeed(session.value.take(isLast: isLast))
        }
    }
}
