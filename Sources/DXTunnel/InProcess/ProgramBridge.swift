import DXStream
import DXWire
import NIOCore

/// Joins one stream and the embedding program. Bound to the gateway's event loop; `TunnelStream` or `TunnelChannel` is its other
/// side.
///
/// At most one read and one write wait at a time. Whoever waits is called on the event loop, perhaps before the call that made it
/// wait has returned.
final class ProgramBridge: RateLimitedSender, IdleConnection, TunnelConnection {
    private var channel: PeerChannel
    private var id: StreamID
    let usage: TunnelUsage
    private let core: GatewayCore
    private var reader: ReadCompletion?
    private var writer: (bytes: ByteBuffer, completion: WriteCompletion)?
    /// Hears how the stream ends, and holds bytes of its own; nil for a `TunnelStream`, and once the stream has ended.
    var user: (any ProgramBridgeUser)?
    private var inputUse = InputUse.program
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
    /// When a connection that the program has closed is looked at again.
    private var nextLook: Scheduled<Void>?
    private var isReadScheduled = false
    /// Pieces, of at most 64 KiB each, that are thrown away in one turn.
    private static let piecesPerTurn = 16

    /// Whom the next bytes go to; nil at the end of the stream.
    typealias ReadCompletion = (Result<ByteBuffer?, any Error>) -> Void
    /// Who waits until all bytes of a write are taken.
    typealias WriteCompletion = (Result<Void, any Error>) -> Void

    /// What becomes of what the other end sends.
    private enum InputUse {
        /// The program reads it.
        case program
        /// The program reads no more, and it goes nowhere.
        case nobody
        /// The program has closed the connection whole: bytes reset it, as those to a TCP socket that was closed.
        case refused
    }

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
    func read(_ completion: @escaping ReadCompletion) {
        if let failure { return completion(.failure(failure)) }
        if inputEnded { return completion(.success(nil)) }
        guard reader == nil else { return completion(.failure(TunnelStreamError.concurrentUse)) }
        reader = completion
        onReadable()
    }

    /// Whoever waits for the next bytes wants them no more now; they stay in the stream.
    func stopReading() { reader = nil }

    /// Sends bytes, at least one, as the stream takes them; `completion` is called when all are taken.
    func write(_ bytes: ByteBuffer, _ completion: @escaping WriteCompletion) {
        if let failure { return completion(.failure(failure)) }
        guard !outputEnded else { return completion(.failure(TunnelStreamError.finished)) }
        guard writer == nil else { return completion(.failure(TunnelStreamError.concurrentUse)) }
        writer = (bytes, completion)
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

    /// What the other end still sends goes nowhere. It may go on.
    func closeInput() {
        guard inputUse == .program else { return }
        inputUse = .nobody
        reader = nil
        lead = ByteBuffer()
        onReadable()
    }

    /// The program has closed the connection whole, and hears no more of it. What the stream has taken still goes to the other end,
    /// and then FIN; what a write has left does not.
    func close() {
        user = nil
        reader = nil
        writer = nil
        guard !isOver else { return }
        // Nobody has it yet.
        if isWaiting, early.readableBytes == 0 { return giveUp() }
        guard lead.readableBytes == 0 else { return giveUp() }
        inputUse = .refused
        finish()
        onReadable()
        if !isOver { lingerOn(since: nil) }
    }

    /// Looks from time to time whether a connection that was closed still comes to its end. What the other end has not acknowledged is
    /// waited for, however slow its reader is, as in a connection that is open: the tunnel's idle timeout is its limit. A peer that is
    /// silent is waited for, too, and ends all its connections when it is silent for longer than they bear (`endOutlasted`).
    private func lingerOn(since seen: UInt64?) {
        let progress = channel.transport.progress(of: id)
        let isStuck = progress.map { $0.unacknowledged == 0 && $0.moved == seen } ?? true
        if !isWaiting, seen != nil, isStuck, !channel.isSilent, !channel.isSuspended { return giveUp() }
        let bound = NIOLoopBound(self, eventLoop: core.eventLoop)
        nextLook = core.eventLoop.scheduleTask(in: .nanoseconds(core.tuning.closedPatience.nanoseconds)) {
            if !bound.value.isOver { bound.value.lingerOn(since: progress?.moved ?? 0) }
        }
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
        guard inputUse == .program else { return readForNobody() }
        guard let completion = reader, !isWaiting else { return lookForReset() }
        if lead.readableBytes > 0 {
            let bytes = lead
            lead = ByteBuffer()
            reader = nil
            return completion(.success(bytes))
        }
        switch compression?.read(id, on: channel) ?? channel.read(id) {
        case .none: return
        case .bytes(let bytes):
            keepDestination()
            usage.countToClient(bytes.readableBytes)
            lastActivity = core.latest
            ticket?.countToClient(bytes.readableBytes)
            reader = nil
            completion(.success(bytes))
        case .finished:
            keepDestination()
            inputEnded = true
            reader = nil
            endIfDone()
            completion(.success(nil))
        case .reset(let code): end(resetWith: code)
        }
    }

    /// Nobody waits for bytes. A reset is heard all the same, and by no other way once the other end has all of this direction.
    private func lookForReset() {
        guard !isWaiting, channel.isReset(id), case .reset(let code) = channel.read(id) else { return }
        end(resetWith: code)
    }

    /// The program reads no more.
    private func readForNobody() {
        var count = 0
        while !isOver, !inputEnded, !isWaiting {
            guard count < Self.piecesPerTurn else { return readForNobodyLater() }
            count += 1
            switch compression?.read(id, on: channel) ?? channel.read(id) {
            case .none: return
            case .bytes:
                keepDestination()
                lastActivity = core.latest
                if inputUse == .refused { return giveUp() }
            case .finished:
                keepDestination()
                inputEnded = true
                endIfDone()
            case .reset(let code): return end(resetWith: code)
            }
        }
    }

    /// Others have their turn first: a peer that sends what swells must not have the event loop for itself.
    private func readForNobodyLater() {
        guard !isReadScheduled else { return }
        isReadScheduled = true
        let bound = NIOLoopBound(self, eventLoop: core.eventLoop)
        core.eventLoop.execute {
            bound.value.isReadScheduled = false
            bound.value.readForNobody()
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
        usage.countFromClient(count)
        ticket?.countFromClient(count)
        if waiting.bytes.readableBytes == 0 {
            writer = nil
            if outputEnded {
                channel.finish(id)
                endIfDone()
            }
            waiting.completion(.success(()))
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
    func onStopped(_ code: StreamCode) { end(resetWith: code) }

    /// The channel ended, or the tunnel does: as the record will say.
    func onChannelClosed(_ how: AuditRecord.End) {
        ticket?.end(how)
        fail(.channelClosed)
    }

    /// The other end reset the connection, unless another destination takes it.
    private func end(resetWith code: StreamCode) {
        if asksNext(code) { return }
        ticket?.end(saidBy: code)
        ticket?.end(ticket?.isOrigin ?? true ? .resetByTarget : .resetByClient)
        fail(.reset(TunnelStreamError.Reason(code)))
    }

    private func fail(_ error: TunnelStreamError) {
        guard failure == nil else { return }
        failure = error
        let (reader, writer, user) = (reader, writer, user)
        (self.reader, self.writer, self.user) = (nil, nil, nil)
        if !isOver {
            if isWaiting { opening?.cancel() } else { channel.abort(id, code: .aborted) }
        }
        over()
        reader?(.failure(error))
        writer?.completion(.failure(error))
        user?.bridgeFailed(error)
    }

    private func endIfDone() { if inputEnded && outputEnded && writer == nil { over() } }

    private func over() {
        guard !isOver else { return }
        isOver = true
        ticket?.end(.closed)
        usage.closed()
        usage.idle.remove(self)
        keepDestination()
        // Nothing of it is needed any more, however long the program or a timer knows it.
        compression = nil
        lead = ByteBuffer()
        nextLook?.cancel()
        nextLook = nil
    }

    func measureHeldBytes() -> Int {
        lead.readableBytes &+ early.readableBytes &+ (writer?.bytes.readableBytes ?? 0) &+ (user?.queuedByteCount ?? 0)
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

/// The other side of a `ProgramBridge`, where that is more than one read and one write.
protocol ProgramBridgeUser: AnyObject {
    /// The stream was given up, by whomever. Called once, after whoever waited was told.
    func bridgeFailed(_ error: TunnelStreamError)
    /// Bytes that wait to be written, besides those that were handed over.
    var queuedByteCount: Int { get }
}
