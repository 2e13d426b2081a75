import DXWire
import NIOConcurrencyHelpers
import NIOPosix

/// Look-ups of names under way: of one name one at a time, whose result all get who ask meanwhile. So a name of which nobody tells
/// anything takes one thread, however many connections want it, and all others are found.
final class SharedLookUps: Sendable {
    /// What a name leads to.
    typealias Answer = Result<[Endpoint], any Error>

    /// Those of this process.
    static let ofProcess = SharedLookUps()

    /// Eight names without an answer keep others waiting, each for the 5 to 10 s that the system's resolver waits. No part of the pool that
    /// files are written on.
    private static let threadCount = 8

    /// Threads that may block, for look-ups alone; made with the first one and kept.
    let pool: NIOThreadPool
    private let waiting = NIOLockedValueBox<[String: [@Sendable (Answer) -> Void]]>([:])

    init(threadCount: Int = SharedLookUps.threadCount) {
        pool = NIOThreadPool(numberOfThreads: threadCount)
        pool.start()
    }

    /// Runs `work` for this name on a thread that may block, unless that is under way, and hands its result to `done` there.
    func run(
        _ name: String, _ work: @escaping @Sendable () throws -> [Endpoint],
        _ done: @escaping @Sendable (Answer) -> Void
    ) {
        let isFirst = waiting.withLockedValue { waiting in
            waiting[name, default: []].append(done)
            return waiting[name]?.count == 1
        }
        guard isFirst else { return }
        pool.submit { [self] item in
            let answer = Answer {
                guard item == .active else { throw LoopGate.LoopEnded() }
                return try work()
            }
            for done in waiting.withLockedValue({ $0.removeValue(forKey: name) ?? [] }) { done(answer) }
        }
    }
}
