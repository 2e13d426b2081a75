internal import CDXSystem
import Glibc
public import Logging
public import ServiceLifecycle

/// The service manager that started this program (systemd; sd_notify(3)), and what it is told: that the program is ready, that it stops,
/// how it is in a line, and that it is alive. A value; telling costs one datagram. A manager that has no room for it is told again a few
/// times; what it does not take then is lost.
public struct ServiceManager: Sendable {
    private let path: String
    /// How often the manager wants to hear that the program is alive, at least; nil: it does not.
    public let watchdog: Duration?

    /// The manager that the environment names (`NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`); nil when there is none.
    ///
    /// - Parameter process: this process's id: the watchdog may be another's.
    public init?(environment: [String: String], process: Int32) {
        guard let path = environment["NOTIFY_SOCKET"], path.utf8.count > 1, path.hasPrefix("/") || path.hasPrefix("@")
        else {
            return nil
        }
        self.path = path
        let isOurs = environment["WATCHDOG_PID"].map { $0 == "\(process)" } ?? true
        watchdog = environment["WATCHDOG_USEC"].flatMap { UInt32($0) }.flatMap { microseconds in
            microseconds > 0 && isOurs ? .microseconds(Int64(microseconds)) : nil
        }
    }

    /// It serves from now on; true when the manager took it. Says that it is alive too: the manager counts from the start, and what comes
    /// before may have taken most of its patience.
    @discardableResult
    public func ready(_ status: String) async -> Bool {
        await send("READY=1\nWATCHDOG=1\nSTATUS=\(Self.line(status))")
    }

    /// It is alive, and so; true when the manager took it.
    @discardableResult
    public func alive(_ status: String) async -> Bool { await send("WATCHDOG=1\nSTATUS=\(Self.line(status))") }

    /// It is ready, and alive, until the task is cancelled, as far as this program's tasks run at all.
    public func tell(_ status: String) -> Task<Void, any Error> { Task { try await tell(status) { status } } }

    /// The same with a line that is made anew each time. That it is ready is said until the manager takes it: without it the manager
    /// would end the program when the time for starting is over.
    func tell(_ first: String, then status: () async -> String) async throws {
        var line = first
        while !(await ready(line)) {
            try await Task.sleep(for: min(pause, Self.readyPause))
            line = await status()
        }
        while true {
            try await Task.sleep(for: pause)
            await alive(status())
        }
    }

    /// So long it waits before it says again that it is ready.
    private static let readyPause = Duration.seconds(1)

    /// Another start of the program is the one to watch from now on. Said until the manager takes it, for a minute at most: it would take
    /// the end of this one for the program's.
    public func handOver(to process: Int32) async {
        let end = ContinuousClock.now + .seconds(60)
        while !(await send("MAINPID=\(process)")), ContinuousClock.now < end {
            guard (try? await Task.sleep(for: Self.readyPause)) != nil else { return }
        }
    }

    /// It is about to end.
    public func stopping(_ status: String) async { await send("STOPPING=1\nSTATUS=\(Self.line(status))") }

    /// One line of at most 200 characters: what is told has a name in each line.
    static func line(_ text: String) -> String {
        String(text.prefix(200).map { $0.isNewline || $0 == "\0" ? " " : $0 })
    }

    /// Four times in the time that the manager waits (sd_watchdog_enabled(3) has two): one that is lost or late does not end the program.
    /// Without a watchdog the line is renewed for people.
    var pause: Duration { min(watchdog.map { $0 / 4 } ?? .seconds(30), .seconds(30)) }

    /// A manager that reads again after so many waits is one that is busy, not one that is gone.
    private static let mostTries = 5
    private static let retryPause = Duration.milliseconds(50)

    /// Tells it; true when the manager took it.
    @discardableResult
    private func send(_ text: String) async -> Bool {
        for attempt in 1...Self.mostTries {
            let result = sendOnce(text)
            // Its queue is full, or the kernel has no room for the datagram.
            guard result == -EAGAIN || result == -ENOBUFS, attempt < Self.mostTries else { return result == 0 }
            guard (try? await Task.sleep(for: Self.retryPause)) != nil else { return false }
        }
        return false
    }

    private func sendOnce(_ text: String) -> Int32 {
        let bytes = Array(text.utf8)
        return unsafe bytes.withUnsafeBytes { bytes in
            unsafe path.withCString { path in
                unsafe dx_notify(path, bytes.bindMemory(to: CChar.self).baseAddress, bytes.count)
            }
        }
    }
}

/// Tells the service manager, as long as the program runs, that it is ready and alive. A service of the program's group; without
/// a manager it does nothing.
public struct ServiceManagerReporter: Service {
    /// How often it is asked whether the program is ready yet.
    static let readyPause = Duration.milliseconds(20)

    private let manager: ServiceManager?
    private let look: @Sendable () async throws -> String
    private let logger: Logger

    /// - Parameters:
    ///   - manager: nil: nobody is told.
    ///   - look: says in a line how the program is, and throws while it does not serve yet. It has to go through what could hang: if
    ///     it does not return, the manager hears nothing, and ends the program when its patience is over.
    public init(_ manager: ServiceManager?, logger: Logger, look: @escaping @Sendable () async throws -> String) {
        self.manager = manager
        self.look = look
        self.logger = logger
    }

    /// Returns at the graceful shutdown.
    public func run() async throws {
        guard let manager else {
            try? await gracefulShutdown()
            return
        }
        try? await cancelWhenGracefulShutdown {
            var first: String?
            while first == nil {
                first = try? await look()
                if first == nil { try await Task.sleep(for: Self.readyPause) }
            }
            if let watchdog = manager.watchdog {
                logger.info("the service manager watches", metadata: ["every": "\(watchdog)"])
            }
            try await manager.tell(first ?? "") { (try? await look()) ?? "stopping" }
        }
        await manager.stopping("stopping")
    }
}
