import DXWire
import NIOConcurrencyHelpers
import NIOPosix
import Synchronization
import Testing

@testable import DXTunnel

/// Names that many want at once.
@Suite struct SharedLookUpsTests {
    private let endpoint = Endpoint(v4: 0xc000_0201, port: 0)

    @Test func aNameWithoutAnswerKeepsNoOtherWaiting() async throws {
        let lookUps = SharedLookUps(threadCount: 2)
        let latch = ConditionLock(value: false)
        let begun = Mutex(0)
        let answers = Mutex(0)
        // As many connections as like want a name of which nobody tells anything.
        for _ in 0..<100 {
            lookUps.run("dead") {
                begun.withLock { $0 += 1 }
                latch.lock(whenValue: true)
                latch.unlock()
                throw LoopGate.LoopEnded()
            } _: { answer in
                if case .failure = answer { answers.withLock { $0 += 1 } }
            }
        }
        let found = Mutex<[Endpoint]>([])
        lookUps.run("live") { [endpoint] in
            [endpoint]
        } _: { answer in
            found.withLock { $0 = (try? answer.get()) ?? [] }
        }
        try await Polling.wait(until: "the other name to be found") { found.withLock { !$0.isEmpty } }
        #expect(begun.withLock { $0 } <= 1 && answers.withLock { $0 } == 0)
        latch.lock()
        latch.unlock(withValue: true)
        // One look-up answers all, and the next one who asks has one of its own.
        try await Polling.wait(until: "all to be answered") { answers.withLock { $0 } == 100 }
        #expect(begun.withLock { $0 } == 1)
        lookUps.run("dead") { [endpoint] in
            [endpoint]
        } _: { answer in
            found.withLock { $0 += (try? answer.get()) ?? [] }
        }
        try await Polling.wait(until: "it to be found") { found.withLock { $0.count == 2 } }
        try await lookUps.pool.shutdownGracefully()
    }
}
