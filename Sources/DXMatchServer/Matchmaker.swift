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
        /// Whether it answers STUN.
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

    private init(_ core: MatchmakerCore, pin: GatewayID) {
        self.pin = pin
        localEndpoints = core.localEndpoints
        eventLoop = core.eventLoop
        self.core = NIOLoopBound(core, eventLoop: core.eventLoop)
    }

    /// Opens the sockets and serves. Throws `BindError`, `MatchListenError` or `SecureError`.
    ///
    /// - Parameter eventLoop: one of a `MultiThreadedEventLoopGroup`.
    public static func start(
        _ configuration: Configuration, state: MatchState, logger: Logger, on eventLoop: any EventLoop
    ) async throws -> Matchmaker {
        try await eventLoop.submit {
            var front = MatchFrontConfiguration(
                identity: state.identity, secrets: state.secrets, groups: configuration.groups,
                limits: configuration.limits,
                alternatePort: configuration.listen.alternates.first?.port ?? configuration.listen.alternatePort)
            front.answersSTUN = configuration.answersSTUN
            let core = try MatchmakerCore(front, state: state, logger: logger, on: eventLoop)
            try core.open(configuration.listen)
            return Matchmaker(core, pin: state.pin)
        }.get()
    }

    /// What it holds and has done.
    public func status() async throws -> Status {
        try await onLoop { core in
            Status(front: core.front.status, sockets: core.socketStatistics, unsent: core.unsent)
        }
    }

    /// Everything it holds of a group tag.
    public func audit(_ tag: GroupTag) async throws -> [MatchAuditEntry] {
        try await onLoop { core in core.front.audit(tag, now: MonotonicClock.now() + core.epoch) }
    }

    /// Serves these groups from now on; those that are not among them lose their registrations.
    public func serve(_ groups: ServedGroups) async throws {
        try await onLoop { core in
            core.front.groups = groups
            core.settle(now: MonotonicClock.now())
        }
    }

    /// Takes nobody new from now on, and tells members to use others.
    public func leave() async throws { try await onLoop { core in core.front.isLeaving = true } }

    /// Closes the sockets. Everything held is forgotten.
    public func stop() async throws { try await onLoop { core in core.close() }.get() }

    private func onLoop<Result: Sendable>(
        _ body: @escaping @Sendable (MatchmakerCore) throws -> Result
    ) async throws -> Result {
        try await eventLoop.submit { [core] in try body(core.value) }.get()
    }
}
