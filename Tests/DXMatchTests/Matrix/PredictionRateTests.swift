import DXMatch
import DXSimulator
import DXWire
import Testing

/// How often a port is guessed, in the whole simulation: probes of the NATs, introduction, checks, guesses
/// (`docs/matchmaking.md` §8 has the figures).
@Suite struct PredictionRateTests {
    /// Runs that found a way at the first try, and within three.
    struct Outcome: Sendable {
        var seedCount = 0
        var first = 0
        var third = 0
        /// The longest that a run took which found one, and the most checks that one side sent.
        var longest = Interval.zero
        var mostChecks = 0

        mutating func add(_ other: Outcome) {
            seedCount += other.seedCount
            first += other.first
            third += other.third
            longest = max(longest, other.longest)
            mostChecks = max(mostChecks, other.mostChecks)
        }
    }

    static func run(_ hard: NetworkKind, _ options: SimulatedNetwork.Options, seed: UInt64) throws -> Outcome {
        var outcome = Outcome(seedCount: 1)
        // Either may be the one that asks for the introduction.
        let network =
            seed % 2 == 0
            ? SimulatedNetwork(hard, .portrestricted, seed: seed, options: options)
            : SimulatedNetwork(.portrestricted, hard, seed: seed, options: options)
        try network.gather()
        for attempt in 1...3 {
            try network.connect()
            outcome.mostChecks = max(outcome.mostChecks, network.a.checkCount, network.b.checkCount)
            if network.isConnected {
                outcome.third = 1
                if attempt == 1 { outcome.first = 1 }
                outcome.longest = network.timeToValid ?? .zero
                break
            }
            try SimulationFailure.unless(
                network.a.failure == .notGuessed || network.b.failure == .notGuessed,
                "\(network.text(network.a)); \(network.text(network.b))")
            try network.gather()
        }
        return outcome
    }

    /// All seeds, shared out over a few tasks.
    static func rate(_ hard: NetworkKind, _ options: SimulatedNetwork.Options, seeds: [UInt64]) async throws -> Outcome
    {
        try await withThrowingTaskGroup(of: Outcome.self) { group in
            for shard in 0..<4 {
                let mine = seeds.enumerated().filter { $0.offset % 4 == shard }.map(\.element)
                group.addTask {
                    var sum = Outcome()
                    for seed in mine { sum.add(try run(hard, options, seed: seed)) }
                    return sum
                }
            }
            var sum = Outcome()
            for try await part in group { sum.add(part) }
            return sum
        }
    }

    /// Hard to easy with ports at random: the formula says 98.3 % for one run (`PortPrediction`), and 99.9995 % for three;
    /// with a twentieth lost on each of two links 97.5 % and 99.998 %.
    @Test(arguments: [0.05, 0]) func theBirthdayMethodGuessesRandomPorts(loss: Double) async throws {
        // The promise is proved over a thousand seeds with loss; without it a few will do.
        let seeds = (1...UInt64(loss > 0 || Replay.isFull ? 1_000 : 100)).map { $0 }
        let outcome = try await Self.rate(.symmetric, .init(loss: loss), seeds: seeds)
        #expect(Double(outcome.first) >= 0.95 * Double(outcome.seedCount), "\(outcome)")
        #expect(Double(outcome.third) >= 0.999 * Double(outcome.seedCount))
        // Three runs of 1,024 and their checks.
        #expect(outcome.mostChecks <= 3 * (PortPrediction.guessLimit + 100))
    }

    /// Ports that follow one another are found although others have taken some meanwhile, up to 28 of them.
    @Test(arguments: [0, 3, 10, 24]) func sequentialPortsAreFollowed(others: Int) async throws {
        let seeds = Replay.seeds(count: 50)
        let outcome = try await Self.rate(.sequential, .init(loss: 0.05, others: others), seeds: seeds)
        #expect(Double(outcome.first) >= 0.95 * Double(outcome.seedCount), "\(outcome)")
        #expect(outcome.third == outcome.seedCount)
    }
}
