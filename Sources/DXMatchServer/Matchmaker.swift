public import DXMatch
import DXSecure
public import DXSocket
public import DXWire
public import Logging
public import NIOCore

/// A running matchmaker (`docs/matchmaking.md`): sockets, front and machine on one event loop. May be used from any thread.
public final class Matchmaker: Sendable {
    /// What a matchmaker is told when it starts.
    public struct Configuration: Sendable {
        /// Where it listens.
        public var listen: MatchListen
        /// Whose groups it serves.
        public var groups: ServedGroups
        /// Its limits.
        public var limits = MatchServerLimits()
        /// Whether it answers STUN to those who do not know its pin; else it is silent to them.
        public var answersSTUN = true

        /// A configuration of these.
        public init(listen: MatchListen, groups: ServedGroups) {
            self.listen = listen
            self.groups = groups
        }
    }

    /// All that a matchmaker tells of itself, in numbers.
    public struct Status: Sendable {
        /// The machine's and the front's.
        public var front: MatchFrontStatus
        /// What carries registrations to other instances; nil where there are none.
        public var mirror: MirrorStatistics?
        /// The counters of each socket.
        public var sockets: [SocketStatistics]
        /// Answers that the kernel had no room for.
        public var unsent: UInt64
    }

    /// Its pin.
    public let pin: GatewayID
    /// The addresses of its sockets.
    public let localEndpoints: [Endpoint]
    private let eventLoop: any EventLoop
    private let core: NIOLoopBound<MatchmakerCore>
    private let mirror: (any MatchMirror)?

    private init(_ core: MatchmakerCore, pin: GatewayID, mirror: (any MatchMirror)?) {
        self.mirror = mirror
        self.pin = pin
        localEndpoints = core.localEndpoints
        eventLoop = core.eventLoop
        self.core = NIOLoopBound(core, eventLoop: core.eventLoop)
    }

    /// Opens the sockets and serves. Throws `BindError`, `MatchListenError` or `SecureError`.
    ///
    /// - Parameters:
    ///   - mirror: is told what happens here; nil where there are no other instances.
    ///   - eventLoop: one of a `MultiThreadedEventLoopGroup`.
    public static func start(
        _ configuration: Configuration, state: MatchState, mirror: (any MatchMirror)? = nil, logger: Logger,
        on eventLoop: any EventLoop
    ) async throws -> Matchmaker {
        try await eventLoop.submit {
            var front = MatchFrontConfiguration(
                identity: state.identity, secrets: state.secrets, groups: configuration.groups,
                limits: configuration.limits,
                alternatePort: configuration.listen.alternates.first?.port ?? configuration.listen.alternatePort)
            front.answersSTUN = configuration.answersSTUN
            front.isMirrored = mirror != nil
            let core = try MatchmakerCore(front, state: state, logger: logger, on: eventLoop)
            core.onEvent = mirror.map { mirror in { mirror.tell($0) } }
            try core.open(configuration.listen)
            return Matchmaker(core, pin: state.pin, mirror: mirror)
        }.get()
    }

    /// What it holds and has done.
    public func status() async throws -> Status {
        try await onLoop { [mirror] core in
            Status(
                front: core.front.status, mirror: mirror?.statistics, sockets: core.socketStatistics,
                unsent: core.unsent)
        }
    }

    /// Everything it holds of a group tag.
    public func audit(_ tag: GroupTag) async throws -> [MatchAuditEntry] {
        try await onLoop { core in core.front.audit(tag, now: MonotonicClock.now() + core.epoch) }
    }

    /// Serves these groups from now on; those that are not among them lose their registrations.
    public func serve(_ groups: ServedGroups) async throws {
        try await onLoop { core in core.serve(groups) }
    }

    /// The same without waiting for it, in the order of such calls.
    public func serveSoon(_ groups: ServedGroups) { eventLoop.execute { [core] in core.value.serve(groups) } }

    /// Takes nobody new from now on, and tells members to use others.
    public func leave() async throws { try await onLoop { core in core.front.isLeaving = true } }

    // MARK: Other instances

    /// Takes what other instances said, in this order. Waits until it is done, so that whoever hears more than can be taken is slowed
    /// down; not to be called on an event loop.
    public func apply(_ messages: [MirrorMessage]) throws {
        try eventLoop.submit { [core] in
            let core = core.value
            let now = MonotonicClock.now()
            for message in messages { core.front.take(message, now: now + core.epoch) }
            core.settle(now: now)
        }.wait()
    }

    /// Takes what a store has of other instances' registrations. Waits, like `apply`.
    public func apply(kept: [KeptRegistration]) throws {
        try eventLoop.submit { [core] in
            let now = MonotonicClock.now() + core.value.epoch
            for registration in kept { core.value.front.take(registration, now: now) }
        }.wait()
    }

    /// All registrations made here, for the others to be told of. Waits, like `apply`.
    public func ownRegistrations() throws -> [MirroredRegistration] {
        try eventLoop.submit { [core] in
            core.value.front.ownRegistrations(now: MonotonicClock.now() + core.value.epoch)
        }.wait()
    }

    /// All admissions that are held (`docs/matchmaking.md` §4.4), for the others to be told of. Waits, like `apply`.
    public func heldAdmissions() throws -> [MirroredAdmission] {
        try eventLoop.submit { [core] in
            core.value.front.heldAdmissions(now: MonotonicClock.now() + core.value.epoch)
        }.wait()
    }

    /// Closes the sockets. Everything held is forgotten.
    public func stop() async throws { try await onLoop { core in core.close() }.get() }

    private func onLoop<Result: Sendable>(
        _ body: @escaping @Sendable (MatchmakerCore) throws -> Result
    ) async throws -> Result {
        try await eventLoop.submit { [core] in try body(core.value) }.get()
    }
}
