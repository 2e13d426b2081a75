import DXSimulator
import DXStream
import DXWire
import Testing

/// What part of a link's rate arrives as stream bytes, on links of several kinds: coarse golden figures, so that a change
/// of the transport that costs throughput is seen in review.
///
/// `DX_GOLDEN=write swift test --filter GoodputTests` writes the file anew; review the difference.
@Suite struct GoodputTests {
    private struct Cell: Sendable {
        var name: String
        var megabits: Int64
        var delay: Interval
        var queue: Interval
        var trouble: @Sendable (inout RandomSource) -> [any Node] = { _ in [] }
    }

    private static let cells = [
        Cell(name: "LAN", megabits: 100, delay: .microseconds(200), queue: .milliseconds(10)),
        Cell(name: "clean", megabits: 10, delay: .milliseconds(20), queue: .milliseconds(50)),
        Cell(name: "shallow queue", megabits: 10, delay: .milliseconds(20), queue: .milliseconds(5)),
        Cell(name: "bloated queue", megabits: 5, delay: .milliseconds(20), queue: .milliseconds(1_000)),
        Cell(name: "satellite", megabits: 10, delay: .milliseconds(300), queue: .milliseconds(300)),
        Cell(name: "1 in 10,000 lost", megabits: 10, delay: .milliseconds(20), queue: .milliseconds(50)) {
            [RandomLoss(0.0001, random: RandomSource(seed: $0.next()))]
        },
        Cell(name: "1 in 1,000 lost", megabits: 10, delay: .milliseconds(20), queue: .milliseconds(50)) {
            [RandomLoss(0.001, random: RandomSource(seed: $0.next()))]
        },
        Cell(name: "1 in 100 lost", megabits: 10, delay: .milliseconds(20), queue: .milliseconds(50)) {
            [RandomLoss(0.01, random: RandomSource(seed: $0.next()))]
        },
        Cell(name: "1 in 10 lost", megabits: 10, delay: .milliseconds(20), queue: .milliseconds(50)) {
            [RandomLoss(0.1, random: RandomSource(seed: $0.next()))]
        },
        Cell(name: "1 in 20 late by 10 ms", megabits: 10, delay: .milliseconds(20), queue: .milliseconds(50)) {
            [Reorder(0.05, by: .milliseconds(10), random: RandomSource(seed: $0.next()))]
        },
        Cell(name: "jitter of 10 ms", megabits: 10, delay: .milliseconds(20), queue: .milliseconds(50)) {
            [Jitter(upTo: .milliseconds(10), random: RandomSource(seed: $0.next()))]
        },
        Cell(name: "1 in 20 twice", megabits: 10, delay: .milliseconds(20), queue: .milliseconds(50)) {
            [Duplicate(0.05, copyWithin: .milliseconds(30), random: RandomSource(seed: $0.next()))]
        },
    ]

    @Test func goodput() throws {
        var lines = ["link                       % of the rate, 2 s to 10 s"]
        for cell in Self.cells {
            let percent = try Self.percent(cell)
            lines.append(cell.name + String(repeating: " ", count: 27 - cell.name.count) + Self.coarse(percent))
        }
        try Golden.check(lines.joined(separator: "\n") + "\n", "goodput.txt")
    }

    /// Steps of 5: finer ones would change with every harmless change of timing.
    private static func coarse(_ percent: Int) -> String { "\((percent + 2) / 5 * 5)" }

    private static func percent(_ cell: Cell) throws -> Int {
        var random = RandomSource(seed: 11)
        var setup = Pair.Setup()
        setup.lower.maximumDatagram = 1_452
        setup.upper.maximumDatagram = 1_452
        let start = setup.clock.now
        var plan = TrafficPlan()
        plan.streams = [.bulk(1 << 40)]
        let upper = Traffic(plan, role: .upper, seed: 1, start: start)
        let pair = try Pair(
            setup,
            upward: .steady(
                megabitsPerSecond: cell.megabits, delay: cell.delay, queue: cell.queue, cell.trouble(&random)),
            downward: .steady(megabitsPerSecond: cell.megabits, delay: cell.delay, queue: cell.queue),
            lower: Traffic(plan, role: .lower, seed: 1, start: start), upper: upper)
        // The fast one is measured for a shorter time: it is the simulator's time that counts.
        let divisor: Int64 = cell.megabits >= 100 ? 8 : 1
        try pair.run(for: .seconds(2) / divisor)
        let before = upper.streams[0].readByteCount
        try pair.run(for: .seconds(8) / divisor)
        let bytes = upper.streams[0].readByteCount - before
        return Int(bytes) * 8 * Int(divisor) / (8 * Int(cell.megabits) * 10_000)
    }
}
