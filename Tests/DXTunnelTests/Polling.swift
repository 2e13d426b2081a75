/// Asking until there is an answer. A bound on the number of times stands in for a clock.
enum Polling {
    /// There was no answer.
    struct TimedOut: Error, CustomStringConvertible {
        let what: String
        var description: String { "waited in vain for \(what)" }
    }

    /// Two minutes on an idle machine.
    private static let maximumAttempts = 12_000
    /// So many follow soon: most of what is waited for comes within a fifth of a second. Asking as often for seconds takes the time of those
    /// who are to answer.
    private static let quickAttempts = 100

    /// Calls `body` until it returns something; throws what it throws.
    @discardableResult
    static func wait<Result>(for what: String, _ body: () async throws -> Result?) async throws -> Result {
        for attempt in 0..<maximumAttempts {
            if let result = try await body() { return result }
            // At first at once, for what is just coming.
            if attempt < 8 {
                await Task.yield()
            } else {
                try await Task.sleep(for: .milliseconds(attempt < quickAttempts ? 2 : 10))
            }
        }
        throw TimedOut(what: what)
    }

    /// Calls `body` until it is true.
    static func wait(until what: String, _ body: () async throws -> Bool) async throws {
        try await wait(for: what) { try await body() ? () : nil }
    }
}
