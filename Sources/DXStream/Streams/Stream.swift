internal import DXWire

/// One stream: both halves, and its place in the queues of the channel.
struct Stream: Sendable {
    /// Where the OPEN frame is.
    enum Opening: UInt8, Sendable {
        /// The peer opened the stream and its OPEN has arrived, or ours is acknowledged.
        case done
        /// Our OPEN waits to be sent.
        case pending
        /// Our OPEN is on the way.
        case sent
        /// The peer's stream is known by its data or by a later one; its OPEN has not arrived.
        case awaited
    }

    let id: StreamID
    /// The listener block at the destination.
    var internalPort: UInt32
    var streamClass: StreamClass
    /// Weight among bulk streams, 1 to 256.
    var share: UInt16
    var opening: Opening
    var send: SendStream
    var receive: ReceiveStream
    /// Bytes that it may still send in this round among bulk streams.
    var deficit = 0
    /// It is in a queue of the scheduler.
    var isScheduled = false
    /// It is in the list of streams with small frames to send.
    var isInService = false
    /// A `readable` event waits.
    var isReadableQueued = false
    /// Its opener wants to hear when the peer has the OPEN.
    var tellsAcceptance = false
    /// Somebody was told that it is full and waits for a `writable` event.
    var isWriterWaiting = false
    /// It stands in the queue of writers that wait.
    var isInWriterQueue = false
    /// It may have room again, and will be looked at.
    var isWriterNoted = false

    /// Whether it has a frame other than STREAM to send.
    var needsService: Bool {
        opening == .pending || send.phase == .resetPending || receive.isStopDue || receive.isAnnouncementDue
    }

    /// Whether both halves have ended and the application knows. Not before the OPEN is acknowledged: a stream that is
    /// reset and stopped at once may end while its OPEN is lost, and the peer would wait for one for ever.
    var isEnded: Bool { send.phase == .done && receive.phase == .done && opening == .done }
}
