import NIOConcurrencyHelpers
import NIOCore
import Synchronization

/// One connection through a micro-tunnel as a channel of SwiftNIO, on the gateway's own event loop: between the pipeline and the
/// stream there is no task and no other thread. Every protocol that is made of channel handlers runs over it.
///
/// It behaves as NIO's TCP channels do, with these differences:
///
/// * it has no addresses, and of the options those of `TunnelChannel+Options`; any other throws `ChannelError.operationUnsupported`;
/// * `close(mode: .output)` sends what was flushed before, also when the input has ended already;
/// * each piece that is read has a `channelReadComplete` of its own: there is no `maxMessagesPerRead`;
/// * the triggered event `TunnelChannelEvent.reset` gives the connection up as TCP's RST does;
/// * errors of the stream are `TunnelStreamError`s; writes that wait fail with the same.
///
/// A reset by the other end, the loss of the peer and the end of the gateway close it at once, also while nothing is read. After
/// `close()` the stream goes on by itself: what it had taken and FIN still reach the other end (`ProgramBridge.close`).
///
/// `isActive`, `isWritable`, `allocator` and `pipeline` may be asked from anywhere; everything else that changes is touched on the event loop only.
final class TunnelChannel: Channel, @unchecked Sendable {
    let eventLoop: any EventLoop
    let bridge: ProgramBridge
    /// May be asked for from anywhere, and set by an option.
    private let lockedAllocator = NIOLockedValueBox(ByteBufferAllocator())
    /// Set by `init`, and never again.
    private var madePipeline: ChannelPipeline?
    private let closePromise: EventLoopPromise<Void>
    private let activity = Atomic<Bool>(false)
    private let writability = Atomic<Bool>(true)

    private var phase = Phase.new
    private var wasActive = false
    var isAutoReading = true
    var allowsRemoteHalfClosure = false
    private(set) var writes = PendingWrites()

    /// Somebody called `read`, and nothing has come since.
    private var wantsRead = false
    /// The bridge was asked for bytes and has not answered.
    private var isReading = false
    private var isPumpingReads = false
    private var isPumpScheduled = false
    /// Pieces, of at most 64 KiB each, that are read before others on the event loop have their turn: those that wait may swell to any
    /// number when they are decompressed.
    private static let piecesPerTurn = 16
    private var isInputClosed = false
    /// The first write was handed to the bridge, which has not taken all of it.
    private var isWriting = false
    private var isPumpingWrites = false
    /// What the pipeline has heard of `isWritable`.
    private var toldWritability = true
    private var output = Output.open
    /// Who waits for the output to be closed.
    private var outputPromise: EventLoopPromise<Void>?
    /// Why the stream was given up.
    private var failure: TunnelStreamError?

    private enum Phase {
        /// Its pipeline is being made.
        case new
        /// The pipeline hears that it is registered.
        case registered
        case active
        case closed
    }

    private enum Output {
        case open
        /// It takes no more, and ends with what waits.
        case closing
        case closed
    }

    /// A channel that is not active yet. On the event loop.
    init(_ bridge: ProgramBridge, on eventLoop: any EventLoop) {
        self.bridge = bridge
        self.eventLoop = eventLoop
        closePromise = eventLoop.makePromise()
        madePipeline = ChannelPipeline(channel: self)
        bridge.user = self
    }

    /// Has the pipeline made, and then begins.
    ///
    /// - Parameter promise: gets what `initializer` has made, once the channel is active.
    func begin<Output: Sendable>(
        _ initializer: (any Channel) -> EventLoopFuture<Output>, promise: EventLoopPromise<Output>
    ) {
        initializer(self).hop(to: eventLoop).whenComplete { [self] result in
            switch result {
            case .success(let made):
                becomeActive(promise: nil)
                if wasActive { return promise.succeed(made) }
                // It was closed meanwhile. What was made is let go after its handlers: an async channel traps otherwise.
                closeFuture.whenSuccess { withExtendedLifetime(made) {} }
            case .failure(let error):
                promise.fail(error)
                close0(error: error, mode: .all, promise: nil)
            }
        }
        // Whoever makes the pipeline may not come to an end. What comes second is ignored.
        closeFuture.whenSuccess { [self] in promise.fail(failure ?? .channelClosed) }
    }

    // MARK: Channel

    var closeFuture: EventLoopFuture<Void> { closePromise.futureResult }
    var pipeline: ChannelPipeline {
        guard let madePipeline else { preconditionFailure("made by init") }
        return madePipeline
    }
    var localAddress: SocketAddress? { nil }
    var remoteAddress: SocketAddress? { nil }
    var parent: (any Channel)? { nil }
    var isActive: Bool { activity.load(ordering: .relaxed) }
    var isWritable: Bool { writability.load(ordering: .relaxed) }
    var allocator: ByteBufferAllocator {
        get { lockedAllocator.withLockedValue { $0 } }
        set { lockedAllocator.withLockedValue { $0 = newValue } }
    }
    var _channelCore: any ChannelCore { self }

    /// Whether it was closed.
    var isClosed: Bool { phase == .closed }

    func setWaterMark(_ waterMark: ChannelOptions.Types.WriteBufferWaterMark) {
        noteWritability(writes.setWaterMark(waterMark))
    }

    func setAutoReading(_ isOn: Bool) {
        guard isOn != isAutoReading else { return }
        isAutoReading = isOn
        guard phase == .active else { return }
        if isOn { pipeline.syncOperations.read() } else { pauseReading() }
    }

    // MARK: Beginning

    private func becomeActive(promise: EventLoopPromise<Void>?) {
        guard phase == .new else {
            promise?.fail(phase == .closed ? ChannelError.ioOnClosedChannel : .inappropriateOperationForState)
            return
        }
        phase = .registered
        promise?.succeed()
        pipeline.syncOperations.fireChannelRegistered()
        guard phase == .registered else { return }
        phase = .active
        wasActive = true
        activity.store(true, ordering: .relaxed)
        pipeline.syncOperations.fireChannelActive()
        guard phase == .active else { return }
        pumpWrites()
        if wantsRead { pumpReads() } else { readOn() }
    }

    // MARK: Reading

    /// Asks for more, where that happens by itself.
    private func readOn() { if isAutoReading, phase == .active, !isInputClosed { pipeline.syncOperations.read() } }

    private func pauseReading() {
        wantsRead = false
        isReading = false
        bridge.stopReading()
    }

    /// Reads while somebody wants to and the stream has something. What is read has somebody want more: in a loop, not one inside the
    /// other.
    private func pumpReads() {
        guard !isPumpingReads, !isPumpScheduled else { return }
        isPumpingReads = true
        defer { isPumpingReads = false }
        var count = 0
        while wantsRead, !isReading, !isInputClosed, phase == .active {
            guard count < Self.piecesPerTurn else { return pumpReadsLater() }
            count += 1
            isReading = true
            bridge.read { [self] in onRead($0) }
        }
    }

    private func pumpReadsLater() {
        isPumpScheduled = true
        eventLoop.execute { [self] in
            isPumpScheduled = false
            pumpReads()
        }
    }

    private func onRead(_ result: Result<ByteBuffer?, any Error>) {
        guard isReading, phase == .active else { return }
        isReading = false
        // Bytes may come from the stream by themselves: what a handler asks for while it has them comes after them, too.
        let isOutermost = !isPumpingReads
        isPumpingReads = true
        switch result {
        // `bridgeFailed` is called for it, too.
        case .failure: wantsRead = false
        case .success(nil): endInput()
        case .success(let bytes?):
            wantsRead = false
            pipeline.syncOperations.fireChannelRead(NIOAny(bytes))
            if phase == .active { pipeline.syncOperations.fireChannelReadComplete() }
            readOn()
        }
        guard isOutermost else { return }
        isPumpingReads = false
        pumpReads()
    }

    /// The other end sends no more.
    private func endInput() {
        wantsRead = false
        // NIO ends a round of reading with this, whatever it found.
        pipeline.syncOperations.fireChannelReadComplete()
        guard phase == .active, !isInputClosed else { return }
        guard allowsRemoteHalfClosure else { return close0(error: ChannelError.eof, mode: .all, promise: nil) }
        closeInput(promise: nil)
    }

    private func closeInput(promise: EventLoopPromise<Void>?) {
        guard !isInputClosed else {
            promise?.fail(ChannelError.inputClosed)
            return
        }
        guard output != .closed else { return close0(error: ChannelError.eof, mode: .all, promise: promise) }
        isInputClosed = true
        pauseReading()
        bridge.closeInput()
        promise?.succeed()
        if phase == .active { pipeline.syncOperations.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
    }

    // MARK: Writing

    /// Hands what was flushed to the bridge, one write after the other.
    private func pumpWrites() {
        guard !isPumpingWrites else { return }
        isPumpingWrites = true
        while phase == .active, !isWriting, let bytes = writes.nextFlushed {
            isWriting = true
            if bytes.readableBytes > 0 {
                bridge.write(bytes) { [self] in onWritten($0) }
            } else {
                onWritten(.success(()))
            }
        }
        isPumpingWrites = false
        closeOutputIfDone()
    }

    private func onWritten(_ result: Result<Void, any Error>) {
        guard isWriting, phase == .active, case .success = result else { return }
        isWriting = false
        let (promise, hasChanged) = writes.removeFirst()
        // Before the writer hears that it was taken: it may ask whether there is room for the next one, and write that.
        if hasChanged { writability.store(writes.isWritable, ordering: .relaxed) }
        promise?.succeed()
        if phase == .active { tellWritability() }
        pumpWrites()
    }

    private func noteWritability(_ hasChanged: Bool) { if hasChanged { tellWritability() } }

    /// Tells the pipeline, unless that is what it has heard last.
    private func tellWritability() {
        writability.store(writes.isWritable, ordering: .relaxed)
        guard writes.isWritable != toldWritability else { return }
        toldWritability = writes.isWritable
        pipeline.syncOperations.fireChannelWritabilityChanged()
    }

    private func closeOutput(promise: EventLoopPromise<Void>?) {
        switch output {
        case .open:
            output = .closing
            outputPromise = promise
            closeOutputIfDone()
        case .closing:
            guard let promise else { return }
            if let outputPromise { outputPromise.futureResult.cascade(to: promise) } else { outputPromise = promise }
        case .closed: promise?.fail(ChannelError.outputClosed)
        }
    }

    private func closeOutputIfDone() {
        guard output == .closing, writes.isEmpty, phase == .active, !isPumpingWrites else { return }
        let promise = outputPromise
        outputPromise = nil
        output = .closed
        guard !isInputClosed else { return close0(error: ChannelError.outputClosed, mode: .all, promise: promise) }
        bridge.finish()
        promise?.succeed()
        if phase == .active { pipeline.syncOperations.fireUserInboundEventTriggered(ChannelEvent.outputClosed) }
    }

    // MARK: Ending

    private func end(error: any Error, promise: EventLoopPromise<Void>?) {
        let ended = phase
        phase = .closed
        activity.store(false, ordering: .relaxed)
        writability.store(false, ordering: .relaxed)
        if failure == nil { bridge.close() }
        let (left, outputPromise) = (writes.removeAll(), outputPromise)
        self.outputPromise = nil
        let cause: any Error = failure ?? error
        for promise in left { promise.fail(cause) }
        outputPromise?.fail(cause)
        promise?.succeed()
        if ended == .active { pipeline.syncOperations.fireChannelInactive() }
        if ended != .new { pipeline.syncOperations.fireChannelUnregistered() }
        // Later, as a handler may be at work in the pipeline.
        eventLoop.execute { [self] in
            removeHandlers(pipeline: pipeline)
            closePromise.succeed()
        }
    }
}

extension TunnelChannel: ProgramBridgeUser {
    var queuedByteCount: Int {
        // The first one is the bridge's by now.
        writes.byteCount - (isWriting ? writes.nextFlushed?.readableBytes ?? 0 : 0)
    }

    func bridgeFailed(_ error: TunnelStreamError) {
        guard phase != .closed else { return }
        failure = error
        if phase != .new { pipeline.syncOperations.fireErrorCaught(error) }
        close0(error: error, mode: .all, promise: nil)
    }
}

extension TunnelChannel: ChannelCore {
    func localAddress0() throws -> SocketAddress { throw ChannelError.unknownLocalAddress }

    func remoteAddress0() throws -> SocketAddress { throw ChannelError.operationUnsupported }

    func register0(promise: EventLoopPromise<Void>?) { becomeActive(promise: promise) }

    func registerAlreadyConfigured0(promise: EventLoopPromise<Void>?) { becomeActive(promise: promise) }

    func bind0(to: SocketAddress, promise: EventLoopPromise<Void>?) { promise?.fail(ChannelError.operationUnsupported) }

    func connect0(to: SocketAddress, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }

    func write0(_ data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard phase != .closed else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        guard output == .open else {
            promise?.fail(ChannelError.outputClosed)
            return
        }
        guard case .byteBuffer(let bytes)? = tryUnwrapData(data, as: IOData.self) else {
            promise?.fail(ChannelError.operationUnsupported)
            return
        }
        noteWritability(writes.append(.init(bytes: bytes, promise: promise)))
    }

    func flush0() {
        guard phase != .closed else { return }
        writes.flush()
        if phase == .active { pumpWrites() }
    }

    func read0() {
        guard phase != .closed, !isInputClosed else { return }
        wantsRead = true
        if phase == .active { pumpReads() }
    }

    func close0(error: any Error, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard phase != .closed else {
            promise?.fail(ChannelError.alreadyClosed)
            return
        }
        switch mode {
        case .all: end(error: error, promise: promise)
        case .input: closeInput(promise: promise)
        case .output: closeOutput(promise: promise)
        }
    }

    func triggerUserOutboundEvent0(_ event: Any, promise: EventLoopPromise<Void>?) {
        guard event is TunnelChannelEvent else {
            promise?.fail(ChannelError.operationUnsupported)
            return
        }
        guard phase != .closed else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        failure = .reset(.aborted)
        bridge.user = nil
        bridge.reset()
        end(error: TunnelStreamError.reset(.aborted), promise: promise)
    }

    func channelRead0(_ data: NIOAny) {}

    // Nobody in the pipeline wanted it; the channel closes by itself where the error was the stream's.
    func errorCaught0(error: any Error) {}
}
