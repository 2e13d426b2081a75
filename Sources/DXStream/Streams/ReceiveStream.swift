internal import DXWire

/// The receiving half of a stream.
struct ReceiveStream: Sendable {
    /// Where the half is in its life (RFC 9000 §3.2).
    enum Phase: UInt8, Sendable {
        /// Data arrives; the size may be known.
        case receiving
        /// The peer reset its sending half; the application has not been told.
        case resetReceived
        /// The application wants no more; the final size is awaited, for flow control.
        case stopped
        /// The application saw the end, or wanted no more and the final size is known.
        case done
    }

    /// What went wrong with a frame of this stream; each closes the channel.
    enum Violation: Error, Equatable {
        /// More than the stream's window allows.
        case flowControl
        /// The final size changed, or data lies beyond it.
        case finalSize
    }

    /// What a frame did.
    struct Received: Equatable {
        /// Bytes that count for the channel's flow control for the first time.
        var newByteCount: UInt64
        /// Bytes that the application will never read, so the channel's window has them back at once.
        var discardedByteCount: UInt64
        /// Whether the application should look.
        var isReadable: Bool
    }

    private(set) var phase: Phase = .receiving
    private(set) var window: ReceiveWindow
    private(set) var reassembler = Reassembler()
    private(set) var finalSize: UInt64?
    /// Why the peer reset its half.
    private(set) var resetCode: StreamCode = .aborted
    /// Whether a STOP waits to be sent; its code.
    private(set) var stopCode: StreamCode?
    var isStopDue = false

    /// A half with a first window of `window` bytes that may grow to `maximumWindow`.
    init(window: UInt64, maximumWindow: UInt64) {
        self.window = ReceiveWindow(size: window, maximumSize: maximumWindow)
    }

    /// Whether a MAX_STREAM_DATA should be sent: not once the size is known.
    var isAnnouncementDue: Bool { window.isAnnouncementDue && phase == .receiving && finalSize == nil }

    /// The announcement of the window was put into a packet.
    mutating func onAnnounced() { window.isAnnouncementDue = false }
    /// The packet with the last announcement was lost.
    mutating func onAnnouncementLost() { window.isAnnouncementDue = true }

    /// Takes a STREAM frame; nil when the bytes had to be refused and the packet must not be acknowledged.
    mutating func receive(
        offset: UInt64, bytes: RawSpan, isFin: Bool, store: inout ChunkStore
    ) throws(Violation) -> Received? {
        let end = offset &+ UInt64(bytes.byteCount)
        if let finalSize, end > finalSize || (isFin && end != finalSize) { throw .finalSize }
        if isFin && end < window.highestReceived { throw .finalSize }
        switch phase {
        case .done, .resetReceived: return Received(newByteCount: 0, discardedByteCount: 0, isReadable: false)
        case .stopped:
            guard let new = window.onReceived(upTo: end) else { throw .flowControl }
            if isFin {
                finalSize = end
                phase = .done
            }
            return Received(newByteCount: new, discardedByteCount: new, isReadable: false)
        case .receiving: break
        }
        guard end <= window.limit else { throw .flowControl }
        guard reassembler.insert(bytes, at: offset, store: &store) else { return nil }
        guard let new = window.onReceived(upTo: end) else { throw .flowControl }
        let before = finalSize
        if isFin { finalSize = end }
        let isReadable = reassembler.readyByteCount > 0 || (before == nil && isFin && isFinished)
        return Received(newByteCount: new, discardedByteCount: 0, isReadable: isReadable)
    }

    /// Takes a RESET frame.
    mutating func receiveReset(code: StreamCode, finalSize size: UInt64) throws(Violation) -> Received {
        if let finalSize, finalSize != size { throw .finalSize }
        if size < window.highestReceived { throw .finalSize }
        guard let new = window.onReceived(upTo: size) else { throw .flowControl }
        let wasFinished = finalSize != nil
        finalSize = size
        switch phase {
        case .receiving:
            // Data and FIN all arrived before the reset did: the application gets them (RFC 9000 §3.2 leaves the
            // choice). Without the FIN it is a reset, even if no byte is missing: an end that was not orderly must not
            // look so.
            if wasFinished && reassembler.contiguousOffset == size {
                return Received(newByteCount: new, discardedByteCount: 0, isReadable: true)
            }
            phase = .resetReceived
            resetCode = code
            let discarded = size &- window.consumed
            reassembler.discardAll()
            return Received(newByteCount: new, discardedByteCount: discarded, isReadable: true)
        case .stopped:
            phase = .done
            return Received(newByteCount: new, discardedByteCount: new, isReadable: false)
        case .resetReceived, .done:
            return Received(newByteCount: new, discardedByteCount: new, isReadable: false)
        }
    }

    /// Whether all bytes were taken and the end is known.
    private var isFinished: Bool {
        finalSize == reassembler.contiguousOffset && reassembler.readyByteCount == 0
    }

    /// Takes what the application reads next.
    mutating func read(store: inout ChunkStore) -> StreamRead {
        switch phase {
        case .receiving:
            if let bytes = reassembler.read(store: &store) { return .bytes(bytes) }
            guard isFinished else { return .none }
            phase = .done
            return .finished
        case .resetReceived:
            phase = .done
            return .reset(resetCode)
        case .stopped, .done: return .none
        }
    }

    /// Makes the window smaller; see `ReceiveWindow.shrink`.
    mutating func shrinkWindow(to size: UInt64) -> UInt64 { window.shrink(to: size) }

    /// Tells the window that the application took bytes; see `ReceiveWindow.onConsumed`.
    mutating func onConsumed(_ count: Int, roundTrip: Interval, growth: UInt64, now: Instant) -> UInt64 {
        window.onConsumed(UInt64(count), roundTrip: roundTrip, growth: growth, now: now)
    }

    /// The application wants no more: what is held is thrown away, what still comes will be.
    mutating func stop(code: StreamCode) -> Received {
        switch phase {
        case .receiving:
            // When the size is known, all of it counts at once: what still comes finds the half ended.
            let new = finalSize.flatMap { window.onReceived(upTo: $0) } ?? 0
            let discarded = window.highestReceived &- window.consumed
            reassembler.discardAll()
            if finalSize != nil {
                phase = .done
            } else {
                phase = .stopped
                stopCode = code
                isStopDue = true
            }
            return Received(newByteCount: new, discardedByteCount: discarded, isReadable: false)
        case .resetReceived:
            phase = .done
            return Received(newByteCount: 0, discardedByteCount: 0, isReadable: false)
        case .stopped, .done:
            return Received(newByteCount: 0, discardedByteCount: 0, isReadable: false)
        }
    }

    /// The packet with the STOP was lost.
    mutating func onStopLost() { if phase == .stopped { isStopDue = true } }
}
