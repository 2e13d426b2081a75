import DXSimulator
import DXWire
import Testing

@Suite struct ReplayTests {
    @Test func shardsCoverEverySeedOnce() {
        guard Replay.onlySeed == nil else { return }
        let shards = (0..<3).flatMap { Replay.seeds(count: 10, shard: $0, of: 3) }
        #expect(shards.sorted() == Replay.seeds(count: 10))
        #expect(Set(shards).count == shards.count)
    }

    @Test func aFailureNamesSeedAndCommand() throws {
        guard Replay.onlySeed == nil else { return }
        var message = ""
        do {
            try Replay.run("example", seeds: [1, 2, 3]) { seed, log in
                log?.note("lower", at: .zero, "began")
                if seed == 2 { throw SimulationFailure("two is wrong") }
            }
        } catch let failure as SimulationFailure {
            message = failure.description
        }
        #expect(message.contains("two is wrong"))
        #expect(message.contains("DX_SEED=2 swift test --filter example"))
        #expect(message.contains("example-2.md"))
    }

    @Test func flowLogDrawsWhatArrivedAndWhatDidNot() {
        let log = FlowLog()
        log.sent(number: 1, from: "lower", to: "upper", at: .zero, text: "PING")
        log.sent(number: 2, from: "lower", to: "upper", at: .zero, text: "PING; #2")
        log.arrived(number: 1, at: .zero + .milliseconds(5))
        log.note("upper", at: .zero, "readable 0")
        #expect(
            log.mermaid == """
                sequenceDiagram
                    participant lower
                    participant upper
                    lower->>upper: @0ns +5.000ms №1 PING
                    lower--xupper: @0ns lost №2 PING, №2
                    Note over upper: @0ns readable 0

                """)
    }
}
