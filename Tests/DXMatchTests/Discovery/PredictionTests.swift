import DXSimulator
import DXWire
import Testing

@testable import DXMatch

@Suite struct PortSamplerTests {
    @Test func everyPortComesOnce() {
        var sampler = PortSampler(range: 5_000...5_999, random: RandomSource(seed: 3))
        var ports: [UInt16] = []
        while let port = sampler.next() { ports.append(port) }
        #expect(ports.count == 1_000)
        #expect(Set(ports) == Set(5_000...5_999))
        #expect(ports != ports.sorted())
    }

    @Test func theSeedIsTheOrder() {
        func first(_ seed: UInt64) -> [UInt16] {
            var sampler = PortSampler(random: RandomSource(seed: seed))
            return (0..<1_024).compactMap { _ in sampler.next() }
        }
        #expect(first(1) == first(1) && first(1) != first(2))
        #expect(Set(first(1)).count == 1_024)
    }

    /// Each port is as likely at each place: the mean of many is the middle of the range.
    @Test func noPortIsPreferred() {
        var sum = 0.0
        for seed in 1...40 {
            var sampler = PortSampler(random: RandomSource(seed: UInt64(seed)))
            for _ in 0..<256 { sum += Double(sampler.next() ?? 0) }
        }
        // Standard deviation of the mean of 10,240 is 184.
        #expect(abs(sum / 10_240 - 33_280) < 800)
    }
}

@Suite struct PortPredictionTests {
    private let target = Endpoint(v4: 0xcb00_710a, port: 30_000)
    private let base = Endpoint(v4: 0xc0a8_010a, port: 7700)

    private func run(
        isOurs: Bool, _ method: NATVerdict.Method, sockets: Int = 1_000
    ) -> [(at: Interval, probe: PortPrediction.Probe)] {
        let start = Instant(nanoseconds: 1_000)
        var run = PortPrediction(
            prediction: .init(isOurs: isOurs, method: method), target: target, base: base,
            random: RandomSource(seed: 5),
            now: start)
        run.opened(sockets: (0..<sockets).map { base.withPort(20_000 + UInt16($0)) })
        var sent: [(at: Interval, probe: PortPrediction.Probe)] = []
        while let due = run.nextTimeout, sent.count < 5_000 {
            while let probe = run.pollProbe(now: due) { sent.append((due - start, probe)) }
        }
        return sent
    }

    @Test func theEasySideGuesses1024PortsAt200ASecond() {
        let sent = run(isOurs: false, .birthday)
        #expect(sent.count == 1_024)
        #expect(Set(sent.map(\.probe.destination.port)).count == 1_024)
        #expect(sent.allSatisfy { $0.probe.base == base && $0.probe.destination.hasSameAddress(as: target) })
        for (left, right) in zip(sent, sent.dropFirst()) { #expect(right.at - left.at == .milliseconds(5)) }
        // Not before the other side has opened all its ports; over within a list's life.
        #expect(sent[0].at == .milliseconds(500 + 256 * 5))
        #expect(sent[1_023].at < .seconds(7))
    }

    @Test func theHardSideOpens256PortsTwice() {
        let sent = run(isOurs: true, .birthday)
        #expect(sent.count == 512)
        #expect(sent.allSatisfy { $0.probe.destination == target })
        #expect(Set(sent.prefix(256).map(\.probe.base)).count == 256)
        #expect(sent.prefix(256).map(\.probe.base) == sent.suffix(256).map(\.probe.base))
    }

    @Test func fewerSocketsAreUsedAsTheyAre() {
        #expect(Set(run(isOurs: true, .birthday, sockets: 10).map(\.probe.base)).count == 10)
        #expect(run(isOurs: true, .birthday, sockets: 0).isEmpty)
    }

    @Test func portsThatFollowAreTriedInWindows() {
        let up = run(isOurs: false, .sequential(step: 2)).map { Int($0.probe.destination.port) - 30_000 }
        #expect(Array(up.prefix(8)) == [2, 4, 6, 8, 10, 12, 14, 16])
        #expect(Array(up[8..<16]) == Array(up[0..<8]) && Array(up[16..<24]) == Array(up[0..<8]))
        #expect(Array(up[24..<32]) == [18, 20, 22, 24, 26, 28, 30, 32])
        #expect(up.count == 72 && Set(up).count == 32)
        let down = run(isOurs: false, .sequential(step: -1)).map { Int($0.probe.destination.port) - 30_000 }
        #expect(Array(down.prefix(3)) == [-1, -2, -3])
        let hard = run(isOurs: true, .sequential(step: 1))
        #expect(hard.count == 36 && Set(hard.map(\.probe.base)).count == 4)
        // Both sides are at it for the same time.
        #expect(hard.last!.at < .seconds(3))
    }

    @Test func portsBeginAnewBehindTheEnd() {
        #expect(PortPrediction.port(65_535, plus: 1) == 1_024)
        #expect(PortPrediction.port(1_024, plus: -1) == 65_535)
        #expect(PortPrediction.port(65_530, plus: 128) == 1_146)
        // A port that no NAT should choose is brought into the range.
        #expect(PortPrediction.port(80, plus: 1) >= 1_024)
    }
}
