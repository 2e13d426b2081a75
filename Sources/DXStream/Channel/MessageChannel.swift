public import DXWire
internal import DequeModule
internal import NIOCore

/// One end of the message channel between two gateways: streams, control bytes and unreliable messages over one or more
/// paths, each a session that seals packets. A machine: no socket, clock, task or randomness of its own.
///
/// Created when a BIND was exchanged (`docs/wire-format.md` §4). Methods are of four kinds:
/// - state: properties;
/// - inputs: `receive`, `timeoutFired`, `pathHeardFromNewAddress`;
/// - commands: paths, streams, control, messages, `close`;
/// - outputs: after any input or command, poll `pollTransmit` until nil, then `pollEvent` until nil, then read
///   `nextTimeout`. Inputs of one receive batch may come in a row before that, which is what makes one ACK per batch.
///
/// `now` must not go back. Errors: nothing that arrives can trap; a peer that breaks the protocol gets the channel closed
/// with a code; misuse throws and changes nothing. Limits: `ChannelConfiguration`, `maximumPaths`, `SentPackets`.
public struct MessageChannel: ~Copyable {
    /// Which end this is.
    public let role: ChannelRole
    /// How it behaves.
    public private(set) var configuration: ChannelConfiguration
    let peerParameters: TransportParameters
    let peerMaximumAckDelay: Interval
    let idleTimeout: Interval?

    var phase: Phase = .open
    var random: RandomSource
    var paths: [Path] = []
    var activeIndex: Int?

    // Streams and the channel's flow control.
    var streams = StreamTable()
    var scheduler = StreamScheduler()
    /// Places of streams with small frames to send; a place may have been freed or used again since.
    var service: Deque<Int32> = []
    var writers = WaitingWriters()
    var window: ReceiveWindow
    /// Chunks of received bytes, for use again.
    var chunks: ChunkStore
    /// The sum of the stream windows that peers' data may fill.
    var grantedStreamWindow: UInt64 = 0
    var peerMaximumData: UInt64
    var sentData: UInt64 = 0
    /// Stream bytes written and not acknowledged.
    var bufferedByteCount = 0
    /// What of `sendMemory` is used now: less when the memory that channels share runs out.
    var sendBudget: Int
    /// The largest window that a stream is given when it is announced; nil: as it grows.
    var streamWindowCap: UInt64?
    /// How many streams the peer lets us open, and we the peer; whether to tell it.
    var peerMaximumStreams: UInt64
    var maximumStreams: UInt64
    var announcedMaximumStreams: UInt64
    var isMaxStreamsDue = false
    var isWaitingForStreams = false

    var control = ControlStream()
    var messages: Deque<QueuedMessage> = []
    var messageByteCount = 0
    /// Messages were first in the packet before: streams, if they wait, are first in the next one.
    var haveMessagesGone = false
    var retirements: Deque<PathID> = []
    /// Paths that the peer retired and this end did not have, the newest last: over a slow way a session may be complete here after that.
    var retiredEarly: Deque<PathID> = []

    var events: Deque<ChannelEvent> = []
    var lastReceivedAt: Instant
    /// How long silence is borne beyond the idle timeout; nil: not at all.
    public private(set) var hold: Interval?
    /// How many stream bytes had been received when the last PING asked what became of a transfer, or kept the path open.
    var bytesReceivedAtPing: UInt64 = 0
    /// When the first ack-eliciting packet after the last receipt was sent: the idle timeout restarts there too.
    var firstSentSinceReceived: Instant?
    var counters = ChannelStatistics()
    /// What paths counted that were forgotten.
    var endedPaths = PathStatistics()
    var closing = ClosingState()
    /// Where stream or control data of the peer came last.
    var peerDataPath: PathID?
    /// All paths were asked which of them works, and none has answered yet, nor has the one in use since it took over.
    var isSearching = false
    /// When that began.
    var searchedAt: Instant = .zero
    /// What the packet being applied carried of that kind.
    var carriesData = false
    /// What interactive streams sent and is to go on a second path too.
    var mirrored: Deque<MirroredChunk> = []
    var lastNow: Instant
    /// What is noted while somebody traces the channel.
    var trace: TraceLog?

    /// Where the channel is in its life.
    enum Phase: UInt8 {
        /// In use.
        case open
        /// A CLOSE was sent or is due; what arrives is answered with it.
        case closing
        /// Nothing more happens.
        case closed
    }

    /// What a STREAM frame carried.
    struct MirroredChunk {
        var slot: Int32
        var id: StreamID
        var chunk: SendStream.Chunk
    }

    /// An unreliable message that waits.
    struct QueuedMessage {
        var flow: UInt64
        var bytes: ByteBuffer
    }

    /// Early pieces of all streams together; see `Reassembler.maximumGapCount` for one.
    var gapCount = 0

    /// A channel has at most this many paths at a time: Ethernet, Wi-Fi and LTE in both IP versions, and one being
    /// replaced.
    public static let maximumPaths = 8
    /// Unreliable messages that may wait, in bytes; at the limit the oldest is dropped.
    static let maximumMessageQueue = 256 << 10

    /// A channel without a path; nothing is sent before `addPath`.
    public init(
        role: ChannelRole, configuration: ChannelConfiguration, peerParameters: TransportParameters,
        random: RandomSource, now: Instant
    ) {
        self.role = role
        self.configuration = configuration
        self.peerParameters = peerParameters
        self.random = random
        peerMaximumAckDelay = peerParameters.maximumAckDelay
        switch (configuration.idleTimeout, peerParameters.idleTimeout) {
        case (let own?, let theirs?): idleTimeout = min(own, theirs)
        case (let own?, nil): idleTimeout = own
        case (nil, let theirs): idleTimeout = theirs
        }
        window = ReceiveWindow(
            size: configuration.receiveMemory, maximumSize: configuration.receiveMemory, isShared: true)
        chunks = ChunkStore(
            maximumByteCount: Int(min(configuration.receiveMemory, UInt64(ChunkStore.defaultMaximum))))
        sendBudget = configuration.sendMemory
        peerMaximumData = peerParameters.initialChannelWindow
        peerMaximumStreams = peerParameters.initialStreamCount
        maximumStreams = configuration.maximumStreams
        announcedMaximumStreams = configuration.maximumStreams
        lastReceivedAt = now
        lastNow = now
    }

    /// After so long without sending a PING goes out; nil: none does. Otherwise as the channel was made.
    public mutating func setKeepalive(_ interval: Interval?) { configuration.keepalive = interval }

    /// Bears silence for so long, if that is more than the idle timeout; nil: no longer than that. A command of this end alone.
    public mutating func setHold(_ interval: Interval?) { hold = interval }

    // MARK: State

    /// Since when nothing has arrived that was to be expected: what the idle timeout counts from.
    public var silentSince: Instant { max(lastReceivedAt, firstSentSinceReceived ?? lastReceivedAt) }
    /// When something arrived last; when the channel began, if nothing has.
    public var lastHeard: Instant { lastReceivedAt }
    /// How long nothing may arrive, as both ends agreed; nil is for ever.
    public var agreedIdleTimeout: Interval? { idleTimeout }
    /// Whether the channel has ended; nothing more will come out of it.
    public var isClosed: Bool { phase == .closed }
    /// Whether the channel is in use: streams may be opened.
    public var isOpen: Bool { phase == .open }
    /// The path that data goes to.
    public var activePath: PathID? { activeIndex.map { paths[$0].id } }
    /// Bytes of unreliable messages that wait to be sent.
    public var queuedMessageByteCount: Int { messageByteCount }
    /// How many streams are open.
    public var streamCount: Int { streams.count }
    /// Counts since the channel began.
    public var statistics: ChannelStatistics { counters }
    /// Counts of paths that were forgotten, added up.
    public var endedPathStatistics: PathStatistics { endedPaths }
    /// What each path is like now.
    public var pathSnapshots: [PathSnapshot] {
        paths.indices.map { index in
            let path = paths[index]
            return PathSnapshot(
                id: path.id, isActive: index == activeIndex, roundTrip: path.rtt.hasSample ? path.rtt.smoothed : nil,
                minimumRoundTrip: path.rtt.hasSample ? path.rtt.minimum : nil, variation: path.rtt.variation,
                windowBytes: path.congestion.windowBytes, bytesInFlight: path.congestion.bytesInFlight,
                slowStartThreshold: path.congestion.slowStartThreshold, algorithm: path.congestion.activeAlgorithm,
                deliveryRate: path.congestion.deliveryRate, ambientLoss: path.congestion.ambientLoss,
                mtu: path.mtu.current,
                marksECN: path.ecn.marksPackets, probeCount: path.loss.probeCount, preference: path.isPreferred,
                isDown: path.liveness.state == .down, statistics: path.statistics)
        }
    }
    /// Bytes held for streams, written and not acknowledged, and received and not read; and unreliable messages that wait. For
    /// memory accounting.
    public var heldByteCount: Int {
        // What came against the window of a channel that is closing for it was not counted, and may be read all the same.
        let unread = window.highestReceived &- min(window.consumed, window.highestReceived)
        return bufferedByteCount &+ Int(unread) &+ messageByteCount
    }

    // MARK: Time

    /// Notes the time of an input; it must not go back. In a release build an owner that errs costs a wrong measurement, not
    /// the gateway.
    mutating func advance(to now: Instant) {
        assert(now >= lastNow, "time does not go back")
        lastNow = max(lastNow, now)
    }

    /// The place of a path; nil when there is none with this id.
    ///
    /// Mutating, though it changes nothing: where the channel is only lent, reading one field of a path copies all of it, and with a
    /// closure anywhere. This is asked twice for each packet.
    mutating func index(of id: PathID) -> Int? {
        for index in paths.indices where paths[index].id == id { return index }
        return nil
    }

    // MARK: Events

    /// The next event; nil when there is none. Poll it after `pollTransmit` ran dry.
    public mutating func pollEvent() -> ChannelEvent? {
        guard let event = events.popFirst() else { return nil }
        switch event {
        case .readable(let id):
            if case .found(let slot) = streams.find(id) { streams[slot].isReadableQueued = false }
        case .controlReadable: control.isReadableQueued = false
        case .streamOpened, .streamAccepted, .writable, .stopped, .streamEnded, .streamsAvailable, .message,
            .pathDoubted, .pathSuspect, .pathDown, .pathUp, .pathValidated, .pathRetired, .closed:
            break
        }
        return event
    }

    /// Queues a `readable` event unless one waits.
    mutating func queueReadable(_ slot: Int32) {
        guard !streams[slot].isReadableQueued, streams[slot].opening != .awaited else { return }
        streams[slot].isReadableQueued = true
        events.append(.readable(streams[slot].id))
    }
}
