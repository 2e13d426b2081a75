public import ArgumentParser
import Glibc

/// How both programs begin and end.
extension AsyncParsableCommand {
    /// Runs the program with its arguments; it ends with one of `ExitStatus`, and says why on standard error as `NAME: …`.
    public static func runProgram(_ name: String) async {
        do {
            var command = try await asyncParseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let failure as CommandFailure {
            Output.error("\(name): \(failure.message)")
            Glibc.exit(failure.code.rawValue)
        } catch {
            leave(error)
        }
    }

    /// Ends the program for what is not a `CommandFailure`: help, the version, wrong usage.
    private static func leave(_ error: any Error) -> Never {
        let message = fullMessage(for: error)
        switch exitCode(for: error) {
        case .success:
            Output.line(message)
            Glibc.exit(ExitStatus.done.rawValue)
        case .validationFailure:
            // 64 (EX_USAGE) is the argument parser's own; ours is 2.
            Output.error(message)
            Glibc.exit(ExitStatus.usage.rawValue)
        default:
            // A verb that ends with 1 and has said all has no message.
            if !message.isEmpty { Output.error(message) }
            Glibc.exit(ExitStatus.failed.rawValue)
        }
    }
}
