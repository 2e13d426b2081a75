import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import DXTunnel

/// What other threads bring to an event loop, before and after its end.
@Suite struct LoopGateTests {
    @Test func workElsewhereComesBackToTheLoop() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        let gate = LoopGate(loop)
        let isThere = try await loop.flatSubmit {
            gate.run(on: .singleton) { 7 }.map { $0 == 7 && loop.inEventLoop }
        }.get()
        #expect(isThere)
        await #expect(throws: GatewayError.self) {
            try await loop.flatSubmit { gate.run(on: .singleton) { throw GatewayError.notRunning } }.get()
        }
    }

    /// As a look-up that takes longer than its gateway lives: whoever waits is told, and the late result goes nowhere.
    @Test func workThatOutlivesTheLoopIsDropped() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        // Of its own: the one that all share has few threads, and tests beside this one need them.
        let pool = NIOThreadPool(numberOfThreads: 1)
        pool.start()
        let gate = LoopGate(group.next())
        let latch = ConditionLock(value: false)
        let ended = Mutex(false)
        let result = try await group.next().submit {
            gate.run(on: pool) {
                latch.lock(whenValue: true)
                latch.unlock()
                ended.withLock { $0 = true }
            }
        }.get()
        gate.close()
        await #expect(throws: LoopGate.LoopEnded.self) { try await result.get() }
        try await group.shutdownGracefully()
        latch.lock()
        latch.unlock(withValue: true)
        try await Polling.wait(until: "the work has ended") { ended.withLock { $0 } }
        #expect(!gate.execute {})
        try await pool.shutdownGracefully()
    }

    @Test func nothingIsRunForAClosedGate() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        let gate = LoopGate(loop)
        gate.close()
        let isRun = Mutex(false)
        await #expect(throws: LoopGate.LoopEnded.self) {
            try await loop.flatSubmit { gate.run(on: .singleton) { isRun.withLock { $0 = true } } }.get()
        }
        #expect(!isRun.withLock { $0 })
    }
}
