import DXSimulator
import DXStream
import DXWire
import Testing

/// Bulk streams divide the channel by their shares.
@Suite struct ShareTests {
    @Test func hundredStreamsGetWhatTheirSharesSay() throws {
        let start = VirtualClock().now
        let shares: [UInt16] = [1, 2, 4, 8]
        var plan = TrafficPlan()
        for index in 0..<100 {
            var stream = TrafficPlan.StreamPlan.bulk(20_000_000)
            stream.share = shares[index % shares.count]
            plan.streams.append(stream)
        }
        let upper = Traffic(plan, role: .upper, seed: 1, start: start)
        let pair = try Pair(
            Pair.Setup(), upward: .steady(megabitsPerSecond: 60, delay: .milliseconds(15), queue: .milliseconds(40)),
            downward: .steady(megabitsPerSecond: 60, delay: .milliseconds(15), queue: .milliseconds(40)),
            lower: Traffic(plan, role: .lower, seed: 1, start: start), upper: upper)
        try pair.run(for: .seconds(1))
        let before = upper.streams.map(\.readByteCount)
        try pair.run(for: .seconds(6))
        let rates = zip(upper.streams, before).enumerated().map { index, pair in
            Double(pair.0.readByteCount - pair.1) / Double(shares[index % shares.count])
        }
        let mean = rates.reduce(0, +) / Double(rates.count)
        let worst = rates.map { abs($0 - mean) / mean }.max()!
        let sums = shares.indices.map { index in
            stride(from: index, to: 100, by: shares.count).reduce(0) { $0 + Int(rates[$1]) } / 25
        }
        #expect(worst < 0.15, "bytes per share of 1, 2, 4 and 8: \(sums)")
    }

    /// A stream that has little to send does not wait for those that have much.
    @Test func aShortStreamIsDoneInItsTurn() throws {
        let start = VirtualClock().now
        var plan = TrafficPlan()
        plan.streams = (0..<10).map { _ in .bulk(5_000_000) }
        var short = TrafficPlan.StreamPlan.bulk(20_000)
        short.opensAfter = .seconds(1)
        plan.streams.append(short)
        let upper = Traffic(plan, role: .upper, seed: 1, start: start)
        let pair = try Pair(
            Pair.Setup(), upward: .steady(megabitsPerSecond: 50, delay: .milliseconds(10), queue: .milliseconds(40)),
            downward: .steady(megabitsPerSecond: 50, delay: .milliseconds(10), queue: .milliseconds(40)),
            lower: Traffic(plan, role: .lower, seed: 1, start: start), upper: upper)
        try pair.run(until: { _ in upper.streams[10].receivingEnd != nil })
        // 20 kB of eleven equal parts of 50 Mbit/s are 35 ms; a round trip with a full queue is 60 ms.
        #expect(pair.now - start < .milliseconds(1_150), "done \(pair.now - start) after the start")
    }
}
