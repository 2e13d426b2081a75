import DXStream
import DXWire
import NIOCore
import NIOPosix

/// Joins one connection of an application, TCP or a unix socket, and one stream, both ways, with backpressure end to end and FIN
/// and RST as they are.
///
/// Reads from TCP only while the stream takes bytes; reads from the stream only while TCP takes them. So the memory of a
/// connection is bounded by the stream's windows, one socket read, and the water mark. One exception is SwiftNIO's: when TCP's FIN
/// arrives it reads what the kernel still holds at once, so up to one kernel buffer (tcp_rmem) is added at the end.
///
/// In a tunnel with a rate a read is held here until the tunnel's limiter has let all of it go; only then the next one is
/// made. The rate may come, change and go meanwhile.
///
/// A unix socket has no RST: its application sees the end where a TCP one sees a reset, unless something that it sent was not read
/// (ECONNRESET then). And it has no FIN alone when its application closes it whole: see `endWithApplication`.
///
/// Where the tunnel has several destinations nothing is sent before one has taken the stream, and what is sent is kept until the
/// target has said something, or is more than `maximumEarly`: a destination whose target refuses is replaced by the next one
/// (`TunnelOpening`).
final class TCPBridge: ChannelInboundHandler, RateLimitedSender, TunnelConnection {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private(set) var channel: PeerChannel
    private(set) var id: StreamID
    let usage: TunnelUsage
    /// Where the client came in; nil at a destination.
    let entrance: ListenerPlace?
    private let isUnix: Bool
    /// Of a stream that is compressed; what is held is not yet.
    private var compression: StreamCompression?
    /// When a byte last came or went.
    private(set) var lastActivity: Instant
    /// What the audit record will tell of the connection; nil where none is kept.
    private let ticket: AuditTicket?
    private var context: ChannelHandlerContext?
    /// What goes to the application before all that the stream has.
    private var lead: ByteBuffer
    /// What was read from TCP and waits for the tunnel's rate.
    private var held = ByteBuffer()
    var isWaitingForTurn = false
    /// Chooses the stream, as long as there is a choice.
    private var opening: TunnelOpening?
    /// No destination has the connection yet: nothing is sent.
    private var isWaiting = false
    /// What was sent and may have to be sent again, to another destination.
    private var early = ByteBuffer()
    private var isReading = false
    /// The application's connection may hold bytes that the kernel has not taken.
    private var mayHaveUnwritten = false
    /// Memory is short, and the kernel has not taken the last piece: no further one is read from the stream.
    private var isHoldingBack = false
    /// TCP's FIN came, and is passed on after what is held; or the stream wants no more.
    private var inputEnded = false
    /// The stream's FIN came and was passed on.
    private var outputEnded = false
    private var isOutputClosed = false
    /// TCP has closed in good order while something was held.
    private var isDraining = false
    /// The application has closed a unix socket whole, in good order, and takes no more.
    private var isApplicationGone = false
    private var hasFailed = false
    private var isOver = false

    /// Up to 256 KiB a read, as much as four GSO runs take, less for connections that carry little.
    static let maximumRead = 262_144
    /// How connections of a tunnel are read: with a limiter at most what it lets go at once. One that was open before the rate
    /// came goes on as it began, and may hold a larger read.
    private static func reads(_ usage: TunnelUsage) -> ConnectionReads {
        ConnectionReads(maximum: usage.limiter?.maximumRead ?? maximumRead)
    }
    /// One: SwiftNIO keeps as many receive buffers for each connection, and a stream may be full after the first.
    static let messagesPerRead: UInt = 1
    /// At 256 KiB of bytes that the kernel has not taken the stream is read no more; again below 64 KiB.
    static let waterMark = ChannelOptions.Types.WriteBufferWaterMark(low: 65_536, high: 262_144)

    /// A request and its headers. Whoever sends more before the target answers is heard by it.
    static let maximumEarly = 16_384

    /// - Parameters:
    ///   - isUnix: whether the application is at a unix socket.
    ///   - opening: what finds the stream that takes it; nil when this is the one.
    ///   - lead: what goes to the application before all that the stream has.
    ///   - compression: of a stream that is compressed.
    init(
        channel: PeerChannel, id: StreamID, usage: TunnelUsage, entrance: ListenerPlace? = nil, isUnix: Bool,
        opening: TunnelOpening? = nil, lead: ByteBuffer = ByteBuffer(), compression: StreamCompression?,
        ticket: AuditTicket? = nil
    ) {
        self.ticket = ticket
        self.opening = opening
        isWaiting = opening != nil
        self.channel = channel
        self.id = id
        self.usage = usage
        self.entrance = entrance
        self.isUnix = isUnix
        self.lead = lead
        self.compression = compression
        lastActivity = channel.core.currentTime()
        usage.opened()
    }

    // MARK: From TCP

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        // What SwiftNIO uses otherwise takes more memory, and nothing else.
        try? context.channel.syncOptions?.setOption(.recvAllocator, value: Self.reads(usage))
        if context.channel.isActive { begin() }
    }

    func channelActive(context: ChannelHandlerContext) {
        begin()
        context.fireChannelActive()
    }

    private func begin() {
        lastActivity = channel.core.currentTime()
        usage.idle.add(self)
        pump()
        requestRead()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        guard !inputEnded else { return }
        usage.countFromClient(bytes.readableBytes)
        ticket?.countFromClient(bytes.readableBytes)
        guard usage.limiter != nil || held.readableBytes > 0 || isWaiting else { return write(bytes) }
        lastActivity = channel.core.currentTime()
        // More than one read is held only when SwiftNIO reads all there is because TCP's FIN came.
        if held.readableBytes == 0 { held = bytes } else { held.writeImmutableBuffer(bytes) }
        if !isWaiting { sendHeld() }
    }

    private func write(_ bytes: ByteBuffer) {
        if opening != nil {
            if early.readableBytes + bytes.readableBytes > Self.maximumEarly {
                keepDestination()
            } else {
                early.writeImmutableBuffer(bytes)
            }
        }
        if let compression {
            guard let packed = compression.pack(bytes) else {
                ticket?.end(.refused, StreamCompression.noMemory)
                return abortConnection()
            }
            channel.write(packed, to: id)
        } else {
            channel.write(bytes, to: id)
        }
        lastActivity = channel.core.latest
    }

    /// There is no other destination for it any more.
    private func keepDestination() {
        opening = nil
        early = ByteBuffer()
    }

    /// Sends what is held, as the rate allows; without one, which there was when it was read, as the stream takes it.
    private func sendHeld() {
        if let limiter = usage.limiter { limiter.submit(self) } else { _ = send(atMost: .max) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        requestRead()
    }

    /// Asks TCP for more when the stream has room.
    private func requestRead() {
        guard !isReading, !inputEnded, !isOver, !isWaiting, held.readableBytes == 0, let context,
            channel.writableByteCount(id) > 0
        else { return }
        isReading = true
        context.read()
    }

    var sendableByteCount: Int {
        // Asked only when there is something: the question asks to be told of room, too.
        held.readableBytes > 0 && !isWaiting && channel.writableByteCount(id) > 0 ? held.readableBytes : 0
    }

    func send(atMost limit: Int) -> Int {
        guard let part = held.readSlice(length: min(limit, sendableByteCount)) else { return 0 }
        write(part)
        if held.readableBytes == 0 {
            // Lets the memory go.
            held = ByteBuffer()
            if inputEnded { finishInput() } else { requestRead() }
        }
        return part.readableBytes
    }

    /// TCP's FIN came: it goes on after what is held.
    private func endInput() {
        guard !inputEnded else { return }
        inputEnded = true
        if held.readableBytes == 0, !isWaiting { finishInput() }
    }

    private func finishInput() {
        channel.finish(id)
        closeIfDone()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? NIOCore.ChannelEvent, event == .inputClosed {
            endInput()
            closeIfDone()
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { pump() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A reset by the application, a time-out: channelInactive follows and tells the peer.
        hasFailed = true
        context.close(promise: nil)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        // Never active: the system had no means for one more.
        guard !isOver, !isDraining else { return }
        giveStreamUp()
        over(isHere: true)
    }

    func channelInactive(context: ChannelHandlerContext) {
        guard !isOver else { return }
        if isUnix, inputEnded, !isOutputClosed, !hasFailed { return endWithApplication() }
        guard isOutputClosed && !hasFailed else {
            giveStreamUp()
            return over(isHere: true)
        }
        // SwiftNIO tells of a FIN that comes after our own by closing the connection.
        self.context = nil
        isDraining = true
        endInput()
        closeIfDone()
    }

    /// The application closed its unix socket, and all that it sent was read. The kernel says so at once; of TCP it would say FIN,
    /// and reset only who sends to an application that is gone. So it is here: what was read goes on, and the stream has until its end
    /// to say nothing.
    private func endWithApplication() {
        context = nil
        isDraining = true
        isApplicationGone = true
        if outputEnded { isOutputClosed = true }
        readForNobody()
        closeIfDone()
    }

    private func readForNobody() {
        guard !isOver, !outputEnded else { return }
        switch readStream() {
        case .none: break
        case .finished:
            outputEnded = true
            isOutputClosed = true
            closeIfDone()
        // As TCP would answer to what comes for nobody.
        case .bytes: abortConnection(isHere: true)
        case .reset(let code): wasReset(code)
        }
    }

    /// The other end reset the stream: another destination may take it, else it is over.
    private func wasReset(_ code: StreamCode) {
        if asksNext(code) { return }
        ticket?.end(saidBy: code)
        abortConnection()
    }

    // MARK: From the stream

    /// What the application gets next.
    private func readStream() -> StreamRead { compression?.read(id, on: channel) ?? channel.read(id) }

    /// The stream has something to read.
    func onReadable() {
        pump()
        lookForReset()
    }

    /// Where TCP takes nothing at the moment: a reset does not wait for that.
    private func lookForReset() {
        guard !isOver, !isWaiting, !isApplicationGone, !outputEnded, channel.isReset(id),
            case .reset(let code) = channel.read(id)
        else { return }
        wasReset(code)
    }

    /// The stream takes bytes again.
    func onWritable() {
        guard !isWaiting else { return }
        if held.readableBytes > 0 { sendHeld() } else { requestRead() }
    }

    /// The peer wants no more: its application reset, or went away.
    func onStopped(_ code: StreamCode) {
        if asksNext(code) { return }
        inputEnded = true
        ticket?.end(saidBy: code)
        // A connection of which one half was refused is of no use to its application: it is reset, as TCP would.
        abortConnection()
    }

    /// The channel ended, or the tunnel does: as the record will say.
    func onChannelClosed(_ how: AuditRecord.End) {
        ticket?.end(how)
        abortConnection()
    }

    /// It is over before the target was reached: as the record will say, if nothing was said before.
    func onGivenUp(_ how: AuditRecord.End) { ticket?.end(how) }

    /// Moves bytes from the stream to TCP while TCP takes them.
    private func pump() {
        if isApplicationGone { return readForNobody() }
        guard let context, !isOver, !isWaiting, context.channel.isActive, !outputEnded else { return }
        guard !isHoldingBack else { return }
        var wrote = lead.readableBytes > 0
        if wrote {
            context.write(wrapOutboundOut(lead), promise: nil)
            lead = ByteBuffer()
        }
        loop: while context.channel.isWritable, !isHoldingBack {
            switch readStream() {
            case .none: break loop
            case .bytes(let bytes):
                keepDestination()
                usage.countToClient(bytes.readableBytes)
                lastActivity = channel.core.latest
                ticket?.countToClient(bytes.readableBytes)
                context.write(wrapOutboundOut(bytes), promise: channel.core.memory.isShort ? holdBack(context) : nil)
                wrote = true
            case .finished:
                keepDestination()
                outputEnded = true
                wrote = false
                closeOutput(context)
                break loop
            case .reset(let code):
                // What was written has bound it to this destination.
                if wrote { context.flush() }
                return wasReset(code)
            }
        }
        if wrote {
            mayHaveUnwritten = true
            context.flush()
        }
    }

    /// Memory is short: reads no more of the stream until the kernel has what is written with this promise, so that a connection
    /// whose application does not read holds one piece, at most 64 KiB, and not `waterMark`.
    private func holdBack(_ context: ChannelHandlerContext) -> EventLoopPromise<Void> {
        isHoldingBack = true
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.whenComplete { _ in
            bound.value.isHoldingBack = false
            bound.value.pump()
        }
        return written
    }

    func measureHeldBytes() -> Int {
        var count = held.readableBytes &+ lead.readableBytes &+ early.readableBytes
        count &+= compression?.heldByteCount ?? 0
        if mayHaveUnwritten, let context {
            let unwritten = (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
            mayHaveUnwritten = unwritten > 0
            count &+= unwritten
        }
        return count
    }

    /// Sends FIN once everything is written. SwiftNIO closes a connection whose input has ended whole, with all that waits
    /// to be written, so the output is closed only when nothing waits.
    private func closeOutput(_ context: ChannelHandlerContext) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.whenSuccess {
            let (bridge, context) = bound.value
            guard !bridge.isOver else { return }
            bridge.isOutputClosed = true
            bridge.closeIfDone()
            if !bridge.isOver { context.close(mode: .output, promise: nil) }
        }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: written)
    }

    private func closeIfDone() {
        guard inputEnded, held.readableBytes == 0, isOutputClosed, !isOver else { return }
        let context = context
        ticket?.end(.closed)
        over()
        context?.close(promise: nil)
    }

    /// Resets the TCP connection, and the stream with it.
    ///
    /// - Parameter isHere: as for `over`.
    private func abortConnection(isHere: Bool = false) {
        guard !isOver, context != nil || isDraining else { return }
        let context = context
        giveStreamUp()
        over(isHere: isHere)
        if let context { TCPReset.close(context.channel) }
    }

    /// The peer hears that the connection is no more; all of those that were asked for it.
    private func giveStreamUp() {
        if isWaiting { opening?.cancel() } else { channel.abort(id, code: .aborted) }
    }

    /// - Parameter isHere: the application beside this gateway ended it; else the one at the other did.
    private func over(isHere: Bool = false) {
        isOver = true
        ticket?.end(isHere == ticket?.isOrigin ? .resetByClient : .resetByTarget)
        usage.closed()
        usage.idle.remove(self)
        context = nil
        held = ByteBuffer()
        lead = ByteBuffer()
        keepDestination()
    }

    /// What can be seen of it now.
    var glance: ConnectionGlance {
        ConnectionGlance(
            channel: channel, stream: id, isPlaceless: isWaiting, isOver: isOver, end: ticket?.ending,
            isAnswered: ticket?.isAnswered ?? false)
    }

    // MARK: Several destinations

    var owner: PeerChannel.StreamOwner { .tcp(self) }

    func settle(on channel: PeerChannel, _ id: StreamID, _ compression: StreamCompression?) {
        (self.channel, self.id, self.compression) = (channel, id, compression)
        ticket?.settle(with: channel.peer.name)
        isWaiting = false
    }

    func resume() {
        guard !isOver, !isWaiting, isApplicationGone || context?.channel.isActive ?? false else { return }
        if held.readableBytes > 0 { sendHeld() } else if inputEnded { finishInput() }
        guard !isOver else { return }
        // It has sent all and gone, before anybody took it.
        if isApplicationGone { readForNobody() } else { begin() }
    }

    func refuse(_ code: StreamCode) {
        // Without a stream of its own any more.
        opening = nil
        ticket?.end(.refused, "no destination took it: \(code)")
        abortConnection()
    }

    /// The destination says that its target has not got the connection: asks the next one, if there is one.
    private func asksNext(_ code: StreamCode) -> Bool {
        guard let opening, !isWaiting, !isOver, opening.retry(channel, id, code) else { return false }
        isWaiting = true
        early.writeImmutableBuffer(held)
        held = early
        early = ByteBuffer()
        return true
    }
}

extension TCPBridge: IdleConnection {
    func onIdle() {
        ticket?.end(.idle)
        abortConnection()
    }
}

@available(*, unavailable)
extension TCPBridge: Sendable {}
