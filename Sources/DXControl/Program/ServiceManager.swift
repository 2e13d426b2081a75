internal import CDXSystem
public import Logging
public import ServiceLifecycle

/// The service manager that started this program (systemd; sd_notify(3)), and what it is told: that the program is ready, that it stops,
/// how it is in a line, and that it is alive. A value; telling costs one datagram, and what the manager does not take is lost.
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

    /// It serves from now on.
    public func ready(_ status: String) { send("READY=1\nSTATUS=\(Self.line(status))") }

    /// It is alive, and so.
    public func alive(_ status: String) { send("WATCHDOG=1\nSTATUS=\(Self.line(status))") }

    /// It is ready, and alive, until the task is cancelled, as far as this program's tasks run at all.
    public func tell(_ status: String) -> Task<Void, any Error> {
        Task {
            ready(status)
            while true {
                try await Task.sleep(for: pause)
                alive(status)
            }
        }
    }

    /// It is about to end.
    public func stopping(_ status: String) { send("STOPPING=1\nSTATUS=\(Self.line(status))") }

    /// One line of at most 200 characters: what is told has a name in each line.
    static func line(_ text: String) -> String {
        String(text.prefix(200).map { $0.isNewline || $0 == "\0" ? " " : $0 })
    }

    /// Twice in the time that the manager waits (sd_watchdog_enabled(3)); without a watchdog the line is renewed for people.
    var pause: Duration { min(watchdog.map { $0 / 2 } ?? .seconds(30), .seconds(30)) }

    private func send(_ text: String) {
        let bytes = Array(text.utf8)
        _ = unsafe bytes.withUnsafeBytes { bytes in
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
            while true {
                if let status = try? await look() {
                    manager.ready(status)
                    break
                }
                try await Task.sleep(for: Self.readyPause)
            }
            if let watchdog = manager.watchdog {
                logger.info("the service manager watches", metadata: ["every": "\(watchdog)"])
            }
            while true {
                try await Task.sleep(for: manager.pause)
                manager.alive((try? await look()) ?? "stopping")
            }
        }
        manager.stopping("stopping")
    }
}
