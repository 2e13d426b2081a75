/// One value for all who ask within a second: however many collectors and watchdogs ask, it is made once at a time, and not more than
/// about once a second. A snapshot of a large gateway takes milliseconds of each of its event loops.
public actor SharedSnapshot<Value: Sendable> {
    private let make: @Sendable () async throws -> Value
    private let lifetime: Duration
    /// What is being made, or was just now.
    private var current: Task<Value, any Error>?
    private var number: UInt64 = 0

    /// - Parameters:
    ///   - lifetime: for how long after it is made it is given to others.
    ///   - make: makes it; an error is for those who wait at the time, and is not kept.
    public init(lifetime: Duration = .seconds(1), _ make: @escaping @Sendable () async throws -> Value) {
        self.lifetime = lifetime
        self.make = make
    }

    /// The value; throws what `make` throws. It goes on being made when who asks is cancelled, as others may wait for it.
    public func value() async throws -> Value {
        if let current { return try await current.value }
        number &+= 1
        let own = number
        let task = Task { [make] in try await make() }
        current = task
        let result = await task.result
        if case .success = result {
            // Let go of afterwards: it may be megabytes, and nobody may ask again.
            Task { [lifetime] in
                try? await Task.sleep(for: lifetime)
                forget(own)
            }
        } else {
            forget(own)
        }
        return try result.get()
    }

    private func forget(_ made: UInt64) { if made == number { current = nil } }
}
