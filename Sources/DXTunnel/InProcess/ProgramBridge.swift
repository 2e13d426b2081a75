import DXStream
import DXWire
import NIOCore

/// Joins one stream and the embedding program. Bound to the gateway's event loop; `TunnelStream` is its other side.
///
/// At most one read and one write wait at a time: `TunnelStream` sees to that.
final class ProgramBridge: RateLimitedSender, IdleConnection, TunnelConnection {
    private var channel: PeerChannel
    private var id: StreamID
    let usage: TunnelUsage
    private let core: GatewayCore
    private var reader: EventLoopPromise<ByteBuffer?>?
    private var writer: (bytes: ByteBuffer, promise: EventLoopPromise<Void>)?
    private var inputEnded = false
    private var outputEnded = false
    private var failure: TunnelStreamError?
    private var isOver = false
    var isWaitingForTurn = false
    /// When a byte last came or went.
    private(set) var lastActivity: Instant
    /// What the program reads before all that the stream has.
    private var lead: ByteBuffer
    /// Of a stream that is compressed.
    private var compression: StreamCompression?
    /// Chooses the stream, as long as there is a choice; as in `TCPBridge`.
    private var opening: TunnelOpening?
    private var isWaiting = false
    private var early = ByteBuffer()

    /// What the audit record will tell of the connection; nil where none is kept.
    private let ticket: AuditTicket?

    /// - Parameter opening: what finds the stream that takes it; nil when this is the one.
    init(
        channel: PeerChannel, id: StreamID, usage: TunnelUsage, core: GatewayCore, opening: TunnelOpening? = nil,
        lead: ByteBuffer = ByteBuffer(), compression: StreamCompression? = nil, ticket: AuditTicket? = nil
    ) {
        self.ticket = ticket
        self.opening = opening
        isWaiting = opening != nil
        self.channel = channel
        self.id = id
        self.usage = usage
        self.core = core
        self.lead = lead
        self.compression = compression
        lastActivity = core.currentTime()
        usage.opened()
        usage.idle.add(self)
    }

    /// Whether both a read and a write wait.
    var isReadingAndWriting: Bool { reader != nil && writer != nil }

    // MARK: From the program

    /// The next bytes; nil at the end of the stream.
    func read(_ promise: EventLoopPromise<ByteBuffer?>) {
        if let failure { return promise.fail(failure) }
        if inputEnded { return promise.succeed(nil) }
        guard reader == nil else { return promise.fail(TunnelStreamError.concurrentUse) }
        reader = promise
        onReadable()
    }

    /// Sends bytes, as the stream takes them; the promise succeeds when all are taken.
    func write(_ bytes: ByteBuffer, _ promise: EventLoopPromise<Void>) {
        if let failure { return promise.fail(failure) }
        guard !outputEnded else { return promise.fail(TunnelStreamError.finished) }
        guard writer == nil else { return promise.fail(TunnelStreamError.concurrentUse) }
        usage.countFromClient(bytes.readableBytes)
        ticket?.countFromClient(bytes.readableBytes)
        writer = (bytes, promise)
        onWritable()
    }

    /// Sends FIN after what was written.
    func finish() {
        guard !outputEnded, failure == nil else { return }
        outputEnded = true
        // What a write still holds goes first.
        guard writer == nil, !isWaiting else { return }
        channel.finish(id)
        endIfDone()
    }

    /// No byte came or went for as long as the tunnel allows.
    func onIdle() {
        ticket?.end(.idle)
        fail(.reset(.aborted))
    }

    /// Gives the stream up.
    func reset() { giveUp() }

    /// The program has let go of the stream.
    func abandon() { if !isOver { giveUp() } }

    private func giveUp() {
        if failure == nil, !isOver { ticket?.end(ticket?.isOrigin ?? true ? .resetByClient : .resetByTarget) }
        fail(.reset(.aborted))
    }

    // MARK: From the stream

    /// The stream has something to read.
    func onReadable() {
        guard let promise = reader, !isWaiting else { return }
        if lead.readableBytes > 0 {
            let bytes = lead
            lead = ByteBuffer()
            reader = nil
            return promise.succeed(bytes)
        }
        switch compression?.read(id, on: channel) ?? channel.read(id) {
        case .none: return
        case .bytes(let bytes):
            keepDestination()
            usage.countToClient(bytes.readableBytes)
            lastActivity = core.latest
            ticket?.countToClient(bytes.readableBytes)
            reader = nil
            promise.succeed(bytes)
        case .finished:
            keepDestination()
            inputEnded = true
            reader = nil
            promise.succeed(nil)
            endIfDone()
        case .reset(let code):
            if asksNext(code) { return }
            noteReset(code)
            fail(.reset(TunnelStreamError.Reason(code)))
        }
    }

    /// The stream takes bytes.
    func onWritable() {
        guard writer != nil, !isWaiting else { return }
        if let limiter = usage.limiter { return limiter.submit(self) }
        while send(atMost: .max) > 0 {}
    }

    var sendableByteCount: Int {
        guard let writer, !isWaiting else { return 0 }
        return min(channel.writableByteCount(id), writer.bytes.readableBytes)
    }

    /// Sends what the stream takes of what is being written.
    func send(atMost limit: Int) -> Int {
        let count = min(limit, sendableByteCount)
        guard count > 0, var waiting = writer, let part = waiting.bytes.readSlice(length: count) else { return 0 }
        if opening != nil {
            if early.readableBytes + count > TCPBridge.maximumEarly {
                keepDestination()
            } else {
                early.writeImmutableBuffer(part)
            }
        }
        guard put(part) else { return 0 }
        if waiting.bytes.readableBytes == 0 {
            writer = nil
            waiting.promise.succeed()
            if outputEnded {
                channel.finish(id)
                endIfDone()
            }
        } else {
            writer?.bytes = waiting.bytes
        }
        return count
    }

    /// Gives bytes to the stream, compressed if it is; false when that is over for want of memory.
    @discardableResult
    private func put(_ bytes: ByteBuffer) -> Bool {
        if let compression {
            guard let packed = compression.pack(bytes) else {
                ticket?.end(.refused, StreamCompression.noMemory)
                fail(.reset(.limit))
                return false
            }
            channel.write(packed, to: id)
        } else {
            channel.write(bytes, to: id)
        }
        lastActivity = core.latest
        return true
    }

    /// The peer wants no more.
    func onStopped(_ code: StreamCode) {
        if asksNext(code) { return }
        noteReset(code)
        fail(.reset(TunnelStreamError.Reason(code)))
    }

    /// The channel ended, or the tunnel does: as the record will say.
    func onChannelClosed(_ how: AuditRecord.End) {
        ticket?.end(how)
        fail(.channelClosed)
    }

    /// The other end reset the connection.
    private func noteReset(_ code: StreamCode) {
        ticket?.end(saidBy: code)
        ticket?.end(ticket?.isOrigin ?? true ? .resetByTarget : .resetByClient)
    }

    private func fail(_ error: TunnelStreamError) {
        guard failure == nil else { return }
        failure = error
        reader?.fail(error)
        reader = nil
        writer?.promise.fail(error)
        writer = nil
        if !isOver {
            if isWaiting { opening?.cancel() } else { channel.abort(id, code: .aborted) }
        }
        over()
    }

    private func endIfDone() { if inputEnded && outputEnded && writer == nil { over() } }

    private func over() {
        guard !isOver else { return }
        isOver = true
        ticket?.end(.closed)
        usage.closed()
        usage.idle.remove(self)
        keepDestination()
    }

    func measureHeldBytes() -> Int {
        lead.readableBytes &+ early.readableBytes &+ (writer?.bytes.readableBytes ?? 0)
            &+ (compression?.heldByteCount ?? 0)
    }

    /// What can be seen of it now.
    var glance: ConnectionGlance {
        ConnectionGlance(
            channel: channel, stream: id, isPlaceless: isWaiting, isOver: isOver, end: ticket?.ending,
            isAnswered: ticket?.isAnswered ?? false)
    }

    // MARK: Several destinations

    var owner: PeerChannel.StreamOwner { .program(self) }

    func settle(on channel: PeerChannel, _ id: StreamID, _ compression: StreamCompression?) {
        (self.channel, self.id, self.compression) = (channel, id, compression)
        ticket?.settle(with: channel.peer.name)
        isWaiting = false
    }

    func resume() {
        guard !isOver, !isWaiting else { return }
        if early.readableBytes > 0 { put(early) }
        onWritable()
        if outputEnded, writer == nil { channel.finish(id) }
        onReadable()
    }

    func refuse(_ code: StreamCode) {
        opening = nil
        ticket?.end(.refused, "no destination took it: \(code)")
        fail(.reset(TunnelStreamError.Reason(code)))
    }

    private func keepDestination() {
        opening = nil
        early = ByteBuffer()
    }

    /// The destination says that its target has not got the connection: asks the next one, if there is one.
    private func asksNext(_ code: StreamCode) -> Bool {
        guard let opening, !isWaiting, !isOver, opening.retry(channel, id, code) else { return false }
        isWaiting = true
        return true
    }
}

@available(*, unavailable)
extension ProgramBridge: Sendable {}
