public import DXMatch
public import DXMatchServer
public import DXSecure
import DXSocket
public import DXWire
import Glibc
public import Logging
import NIOConcurrencyHelpers
import NIOPosix

/// Shares a matchmaker's registrations with other instances through Redis (`docs/matchmaking.md` §4.3).
///
/// All of Redis is on a thread of its own, which may wait. Without Redis the matchmaker goes on alone, the thread tries to reach it again
/// and again, and when it is back each instance tells what it holds and hears what the others hold. Everything in Redis is
/// sealed under the secrets of the instances: who reads it learns sizes and times, who writes it is not believed.
public final class RedisMirror: MatchMirror {
    private let address: RedisAddress
    private let names: RedisNames
    private let logger: Logger
    /// This instance among the others: random, another one at each start; never 0.
    public let instance = UInt32.random(in: 1 ... .max)
    private let shared = NIOLockedValueBox(Shared())
    private let pool = NIOThreadPool(numberOfThreads: 1)
    /// Written when the thread has something to do: read end, write end.
    private let wakeRead: Int32
    private let wakeWrite: Int32

    private struct Shared {
        var statistics = MirrorStatistics()
        /// What the others are to be told.
        var queue: [RegistryEvent] = []
        /// Whether anybody takes it: not while Redis is away.
        var isTaken = false
        /// More happened than the queue holds: all that is held is told instead.
        var hasOverflowed = false
        var isStopping = false
    }

    /// Events that wait for Redis. At a hundred thousand a second, which Redis can take, two thirds of a second.
    private static let queueCapacity = 65_536
    /// Messages that are handed to the matchmaker at a time: a few milliseconds of its event loop.
    private static let batch = 256
    /// Between signs of life.
    private static var pingInterval: Interval { .seconds(5) }
    /// Without any, the connection is taken for dead.
    private static var patience: Interval { .seconds(15) }
    /// What is held is not told again more often, should Redis go on forgetting.
    private static var resyncInterval: Interval { .seconds(30) }
    /// Waits between attempts double from the first to the last.
    private static let retryMilliseconds: (first: Int32, last: Int32) = (200, 5_000)

    /// A mirror that is not started.
    public init(_ address: RedisAddress, pin: GatewayID, secrets: MatchSecrets, logger: Logger) {
        self.address = address
        self.logger = logger
        names = RedisNames(pin: pin, secrets: secrets)
        var ends: [Int32] = [-1, -1]
        let isMade = unsafe pipe(&ends) == 0
        precondition(isMade, "a program that starts has two file descriptors")
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        (wakeRead, wakeWrite) = (ends[0], ends[1])
    }

    deinit {
        close(wakeRead)
        close(wakeWrite)
    }

    // MARK: MatchMirror

    /// What it has done.
    public var statistics: MirrorStatistics { shared.withLockedValue { $0.statistics } }

    /// Queues an event; counted as lost while Redis is away.
    public func tell(_ event: RegistryEvent) {
        let isFirst = shared.withLockedValue { shared in
            guard shared.isTaken, !shared.hasOverflowed else {
                shared.statistics.lost += 1
                return false
            }
            guard shared.queue.count < Self.queueCapacity else {
                shared.statistics.lost += UInt64(shared.queue.count) + 1
                shared.queue.removeAll()
                shared.hasOverflowed = true
                return false
            }
            shared.queue.append(event)
            return shared.queue.count == 1
        }
        if isFirst { wake() }
    }

    private func wake() {
        var byte: UInt8 = 1
        // A full pipe wakes too.
        _ = unsafe write(wakeWrite, &byte, 1)
    }

    // MARK: Life

    /// Begins. The matchmaker was started with this mirror.
    public func start(_ matchmaker: Matchmaker) {
        pool.start()
        pool.submit { [self] _ in run(matchmaker) }
    }

    /// Tells the others that this instance ends, if Redis is there, and waits for the thread.
    public func stop() async throws {
        shared.withLockedValue { $0.isStopping = true }
        wake()
        try await pool.shutdownGracefully()
    }

    private var isStopping: Bool { shared.withLockedValue { $0.isStopping } }

    private func run(_ matchmaker: Matchmaker) {
        var delay = Self.retryMilliseconds.first
        var isFirst = true
        while !isStopping {
            do {
                let session = try RedisSession(address, names, instance: instance)
                try begin(session, matchmaker, isFirst: isFirst)
                delay = Self.retryMilliseconds.first
                isFirst = false
                try serve(session, matchmaker)
                try session.end(try matchmaker.ownRegistrations())
            } catch {
                let wasConnected = disconnected()
                if wasConnected || isFirst {
                    logger.warning(
                        "the registry is away: going on alone",
                        metadata: ["registry": "\(address)", "reason": "\(error)"])
                    isFirst = false
                }
                wait(milliseconds: delay, for: nil)
                delay = min(delay * 2, Self.retryMilliseconds.last)
            }
        }
        _ = disconnected()
    }

    /// What is not told from now on is lost.
    private func disconnected() -> Bool {
        shared.withLockedValue { shared in
            let wasConnected = shared.statistics.isConnected
            shared.statistics.isConnected = false
            shared.isTaken = false
            shared.statistics.lost += UInt64(shared.queue.count)
            shared.queue.removeAll()
            shared.hasOverflowed = false
            return wasConnected
        }
    }

    /// Hears what the others hold, tells what is held here. From the beginning on events are queued: none is missed.
    private func begin(_ session: RedisSession, _ matchmaker: Matchmaker, isFirst: Bool) throws {
        shared.withLockedValue { $0.isTaken = true }
        try session.load { registrations, others in
            try matchmaker.apply(others)
            try matchmaker.apply(kept: registrations)
        }
        try tellAll(session, matchmaker)
        shared.withLockedValue { shared in
            shared.statistics.isConnected = true
            if !isFirst { shared.statistics.reconnects += 1 }
        }
        logger.info("registry connected", metadata: ["registry": "\(address)", "instance": "\(instance)"])
    }

    private func tellAll(_ session: RedisSession, _ matchmaker: Matchmaker) throws {
        shared.withLockedValue { $0.hasOverflowed = false }
        for admission in try matchmaker.heldAdmissions() { try session.send(.admitted(admission)) }
        for registration in try matchmaker.ownRegistrations() { try session.send(registration) }
        try session.finish()
        session.hasForgotten = false
    }

    /// Carries what is said both ways until it is to stop, or Redis fails.
    private func serve(_ session: RedisSession, _ matchmaker: Matchmaker) throws {
        var (pinged, heard) = (MonotonicClock.now(), MonotonicClock.now())
        var told = heard
        while true {
            try hear(session, matchmaker)
            let (events, mustTellAll) = shared.withLockedValue { shared in
                defer { shared.queue.removeAll() }
                return (shared.queue, shared.hasOverflowed)
            }
            for event in events { try session.send(event) }
            try session.finish()
            let now = MonotonicClock.now()
            if mustTellAll || session.hasForgotten && now - told >= Self.resyncInterval {
                try tellAll(session, matchmaker)
                told = now
            }
            takeCounts(session)
            if isStopping { return }
            if now - pinged >= Self.pingInterval {
                try session.ping()
                pinged = now
            }
            guard now - heard < Self.patience else { throw RedisError(description: "it is silent") }
            if wait(milliseconds: 1_000, for: session) {
                try session.read()
                heard = MonotonicClock.now()
            }
        }
    }

    /// Hands the matchmaker what was read.
    private func hear(_ session: RedisSession, _ matchmaker: Matchmaker) throws {
        while true {
            let (messages, isAll) = try session.heard(atMost: Self.batch)
            if !messages.isEmpty { try matchmaker.apply(messages) }
            if isAll { return }
        }
    }

    private func takeCounts(_ session: RedisSession) {
        shared.withLockedValue { shared in
            shared.statistics.sent += session.counts.sent
            shared.statistics.received += session.counts.received
            shared.statistics.unreadable += session.counts.unreadable
        }
        session.counts = MirrorStatistics()
    }

    /// Waits until somebody wakes this thread or the time is over; whether the session can be read.
    @discardableResult
    private func wait(milliseconds: Int32, for session: RedisSession?) -> Bool {
        var polled = [pollfd(fd: wakeRead, events: Int16(POLLIN), revents: 0)]
        if let session { polled.append(pollfd(fd: session.descriptor, events: Int16(POLLIN), revents: 0)) }
        guard unsafe poll(&polled, nfds_t(polled.count), milliseconds) > 0 else { return false }
        if polled[0].revents != 0 {
            var bytes = [UInt8](repeating: 0, count: 64)
            while unsafe read(wakeRead, &bytes, bytes.count) > 0 {}
        }
        return polled.count > 1 && polled[1].revents != 0
    }
}
