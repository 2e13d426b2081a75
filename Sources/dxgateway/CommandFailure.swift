import DXControl
import DXTunnel

/// How the program ends.
enum ExitStatus: Int32 {
    /// What was asked for is done.
    case done = 0
    /// It was refused, or it failed.
    case failed = 1
    /// The arguments make no sense.
    case usage = 2
    /// No gateway is running that could be asked.
    case notRunning = 3
}

/// The end of a command that did not do what was asked.
struct CommandFailure: Error {
    let code: ExitStatus
    /// What is wrong and what to do; several lines where there are several problems.
    let message: String

    init(_ code: ExitStatus = .failed, _ message: String) {
        self.code = code
        self.message = message
    }

    init(_ error: ControlClientError) {
        switch error {
        case .notRunning: self.init(.notRunning, "\(error)")
        case .noPermission, .timedOut, .broken, .malformed, .refused: self.init(.failed, "\(error)")
        }
    }
}
