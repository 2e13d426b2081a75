import Synchronization
import Testing

@testable import DXControl

@Suite struct SharedSnapshotTests {
    @Test func isMadeOnceForAllWhoAsk() async throws {
        let made = Mutex(0)
        let snapshot = SharedSnapshot(lifetime: .seconds(3_600)) {
            await Task.yield()
            return made.withLock { made in
                made += 1
                return made
            }
        }
        try await withThrowingTaskGroup(of: Int.self) { tasks in
            for _ in 0..<8 { tasks.addTask { try await snapshot.value() } }
            for try await value in tasks { #expect(value == 1) }
        }
        #expect(try await snapshot.value() == 1)
    }

    @Test func isMadeAnewAfterItsTime() async throws {
        let made = Mutex(0)
        let snapshot = SharedSnapshot(lifetime: .milliseconds(1)) {
            made.withLock { made in
                made += 1
                return made
            }
        }
        while try await snapshot.value() < 3 { try await Task.sleep(for: .milliseconds(1)) }
    }

    @Test func anErrorIsNotKept() async throws {
        struct NotYet: Error {}
        let made = Mutex(0)
        let snapshot = SharedSnapshot(lifetime: .seconds(3_600)) {
            let count = made.withLock { made in
                made += 1
                return made
            }
            guard count > 1 else { throw NotYet() }
            return count
        }
        await #expect(throws: NotYet.self) { try await snapshot.value() }
        #expect(try await snapshot.value() == 2)
    }
}
