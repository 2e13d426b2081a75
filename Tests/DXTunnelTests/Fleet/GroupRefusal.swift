@testable import DXTunnel

extension GroupError {
    /// What `body` is refused with by the group; nil when it is not.
    static func refusal(_ body: () async throws -> Void) async -> GroupError? {
        do {
            try await body()
            return nil
        } catch { return error as? GroupError }
    }
}
