/// How a program ends.
public enum ExitStatus: Int32, Sendable {
    /// What was asked for is done.
    case done = 0
    /// It was refused, or it failed.
    case failed = 1
    /// The arguments make no sense.
    case usage = 2
    /// Nothing is running that could be asked.
    case notRunning = 3
}

/// The end of a command that did not do what was asked.
public struct CommandFailure: Error {
    /// How the program ends.
    public let code: ExitStatus
    /// What is wrong and what to do; several lines where there are several problems.
    public let message: String

    /// A failure for this reason.
    public init(_ code: ExitStatus = .failed, _ message: String) {
        self.code = code
        self.message = message
    }

    /// What became of asking a running program.
    public init(_ error: ControlClientError) {
        switch error {
        case .notRunning, .ended: self.init(.notRunning, "\(error)")
        case .noPermission, .timedOut, .broken, .malformed, .refused: self.init(.failed, "\(error)")
        }
    }
}
