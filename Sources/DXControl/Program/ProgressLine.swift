import Glibc

/// Says what a program waits for, on the last line of the terminal at standard error; nothing where that is no terminal.
public enum ProgressLine {
    /// What takes less is not worth a line: a second, within which an answer still seems to come at once.
    private static let patience = Duration.seconds(1)

    /// Does `work`; when it takes longer than a second, says meanwhile how long: `asking match.example, 3 s`.
    public static func during<Result, Failure: Error>(
        _ what: String, isShown: Bool = isTerminal, _ work: () async throws(Failure) -> Result
    ) async throws(Failure) -> Result {
        guard isShown else { return try await work() }
        let line = Task {
            var seconds = 0
            while (try? await Task.sleep(for: patience)) != nil {
                seconds += 1
                Output.status("\(what), \(seconds) s")
            }
            // Cleared before anything else is written.
            if seconds > 0 { Output.status("") }
        }
        do throws(Failure) {
            let result = try await work()
            line.cancel()
            await line.value
            return result
        } catch {
            line.cancel()
            await line.value
            throw error
        }
    }

    /// Whether standard error is a terminal.
    public static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }
}
