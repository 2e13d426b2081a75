internal import DXWire
internal import Foundation

/// Which seeds a test runs, and what is done when one fails: the same seed runs again with the flow log on, the packet
/// flow is written to a file, and the message names seed, file and the command that replays it.
///
/// | variable | effect |
/// | --- | --- |
/// | `DX_SEED=123` | only that seed, with the flow log written also on success |
/// | `DX_SEEDS=50` | that many seeds in place of the test's own number |
/// | `DX_FULL=1` | ten times the seeds; whole minutes and all mixes in tests of goodput and fairness |
/// | `DX_FLOWS=DIR` | where flow logs are written; `.build/flows` by default |
public enum Replay {
    /// The only seed to run, when one was asked for.
    public static var onlySeed: UInt64? { environment("DX_SEED").flatMap { UInt64($0) } }

    /// Whether the ten-fold run was asked for.
    public static var isFull: Bool { environment("DX_FULL") == "1" }

    /// The seeds of one shard of a test that runs `count` seeds split into `shardCount` shards.
    public static func seeds(count: Int, shard: Int = 0, of shardCount: Int = 1) -> [UInt64] {
        if let onlySeed { return shard == 0 ? [onlySeed] : [] }
        let wanted = environment("DX_SEEDS").flatMap { Int($0) } ?? count * (isFull ? 10 : 1)
        return (1...max(1, wanted)).map { UInt64($0) }.filter { Int($0) % shardCount == shard }
    }

    /// Runs `body` for each seed; throws at the first that fails.
    ///
    /// - Parameters:
    ///   - name: the test's function, for `swift test --filter` and the name of the flow file.
    ///   - body: one simulation. It must depend on its seed alone, and pass `log` to its `Pair`.
    public static func run(
        _ name: String, seeds: [UInt64] = [onlySeed ?? 1],
        body: (_ seed: UInt64, _ log: FlowLog?) throws -> Void
    ) throws {
        for seed in seeds {
            let log = onlySeed == nil ? nil : FlowLog()
            do {
                try body(seed, log)
                if let log { print("seed \(seed) passed; flow: \(try log.write(name: name, seed: seed))") }
            } catch {
                throw SimulationFailure(try explain(error, name: name, seed: seed, log: log, body: body))
            }
        }
    }

    private static func explain(
        _ error: any Error, name: String, seed: UInt64, log: FlowLog?,
        body: (_ seed: UInt64, _ log: FlowLog?) throws -> Void
    ) throws -> String {
        var flow = log
        if flow == nil {
            let second = FlowLog()
            do {
                try body(seed, second)
                return "seed \(seed) of \(name): \(error)\nIt passed when run again: it depends on more than its seed."
            } catch { flow = second }
        }
        let path = try flow?.write(name: name, seed: seed) ?? "none"
        let filter = name.prefix { $0 != "(" }
        return """
            seed \(seed) of \(name): \(error)
            packet flow: \(path)
            replay: DX_SEED=\(seed) swift test --filter \(filter)
            """
    }

    static func environment(_ name: String) -> String? { ProcessInfo.processInfo.environment[name] }
}
