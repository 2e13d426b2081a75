public import Logging
import Synchronization

/// The least level that a program logs, changed while it runs. Shared by all its loggers; reading it is one load.
public final class LogLevelSwitch: Sendable {
    /// What the program was started with; where it goes back to when a time is over.
    public let usual: Logger.Level
    private let current: Atomic<Int>
    private let change = Mutex(Change())

    private struct Change {
        var number = 0
        var until: ContinuousClock.Instant?
        var timer: Task<Void, Never>?
    }

    /// - Parameter usual: the level that it begins with.
    public init(_ usual: Logger.Level) {
        self.usual = usual
        current = Atomic(Self.number(usual))
    }

    /// The level now.
    public var level: Logger.Level { Logger.Level.allCases[current.load(ordering: .relaxed)] }

    /// How long it stays as it is, in whole seconds; nil: until it is changed.
    public var secondsLeft: Int? {
        change.withLock { change in
            change.until.map { max(0, Int(($0 - ContinuousClock.now).components.seconds)) }
        }
    }

    /// Changes it, for a time or until it is changed again.
    ///
    /// - Parameter duration: after that it is `usual` again, unless it was changed meanwhile; nil: it stays.
    public func set(_ level: Logger.Level, for duration: Duration? = nil) {
        change.withLock { change in
            change.timer?.cancel()
            change.number += 1
            change.until = duration.map { ContinuousClock.now + $0 }
            current.store(Self.number(level), ordering: .relaxed)
            change.timer = duration.map { duration in
                Task { [weak self, number = change.number] in
                    guard (try? await Task.sleep(for: duration)) != nil else { return }
                    self?.end(number)
                }
            }
        }
    }

    /// The time of a change is over.
    private func end(_ number: Int) {
        change.withLock { change in
            guard change.number == number else { return }
            (change.until, change.timer) = (nil, nil)
            current.store(Self.number(usual), ordering: .relaxed)
        }
    }

    /// Its place among all levels.
    private static func number(_ level: Logger.Level) -> Int { Logger.Level.allCases.firstIndex(of: level) ?? 0 }
}

/// The body of `POST /v1/log`.
public struct LogRequest: Codable, Hashable, Sendable {
    /// The least level that is logged: trace, debug, info, notice, warning, error or critical.
    public var level: String
    /// After so many seconds it is the usual one again, 1 to 86,400; absent: it stays until it is changed or the program ends.
    public var seconds: Int?

    /// A request from its parts.
    public init(level: String, seconds: Int? = nil) {
        self.level = level
        self.seconds = seconds
    }

    static let example = "{\"level\": \"debug\", \"seconds\": 600}"

    /// Does what is asked for. Throws `ControlError`.
    func apply(to control: LogLevelSwitch) throws {
        guard let level = Logger.Level(rawValue: level) else {
            throw ControlError(
                code: .badRequest, message: "there is no level \"\(level)\"",
                hint: "name one of \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        guard seconds.map({ (1...86_400).contains($0) }) ?? true else {
            throw ControlError(code: .badRequest, message: "seconds is not 1 to 86400", hint: "as in \(Self.example)")
        }
        control.set(level, for: seconds.map { .seconds($0) })
    }
}

/// The answer to `GET /v1/log` and `POST /v1/log`.
public struct LogReply: Codable, Hashable, Sendable {
    /// The version of this layout.
    public var schema = 1
    /// The least level that is logged now.
    public var level: String
    /// What the program was started with.
    public var usual: String
    /// After so many seconds it is the usual one again; absent: it stays.
    public var secondsLeft: Int?

    private enum CodingKeys: String, CodingKey {
        case schema, level, usual
        case secondsLeft = "seconds_left"
    }

    init(_ control: LogLevelSwitch) {
        level = control.level.rawValue
        usual = control.usual.rawValue
        secondsLeft = control.secondsLeft
    }
}
