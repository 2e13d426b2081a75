import DXWire
import Testing

@testable import DXTunnel

@Suite struct ReconnectMachineTests {
    private let start = Instant(nanoseconds: 1_000_000_000)

    @Test func attemptsWhenWantedAndOnce() {
        var machine = ReconnectMachine()
        #expect(machine.nextAttempt == nil)
        #expect(machine.takeAttempt(now: start) == false)
        machine.want(at: start)
        #expect(machine.takeAttempt(now: start - .nanoseconds(1)) == false)
        #expect(machine.takeAttempt(now: start) == true)
        #expect(machine.takeAttempt(now: start + .seconds(100)) == false)
        #expect(machine.nextAttempt == nil)
    }

    @Test func keepsTheEarlierWish() {
        var machine = ReconnectMachine()
        machine.want(at: start + .seconds(5))
        machine.want(at: start + .seconds(2))
        machine.want(at: start + .seconds(9))
        #expect(machine.nextAttempt == start + .seconds(2))
    }

    /// 0.5 s, doubling to 8 s, each with less than a quarter more.
    @Test(arguments: 0..<64 as Range<UInt64>)
    func pausesGrowWithinBounds(seed: UInt64) {
        var machine = ReconnectMachine()
        var random = RandomSource(seed: seed)
        var now = start
        for pause in [500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000] as [Int64] {
            machine.onFailed(random: &random, now: now)
            guard let next = machine.nextAttempt else {
                Issue.record("no attempt after a failure")
                return
            }
            #expect(next - now >= .milliseconds(pause))
            #expect(next - now < .milliseconds(pause + pause / 4))
            now = next
            #expect(machine.takeAttempt(now: now) == true)
        }
    }

    @Test func pausesDifferFromGatewayToGateway() {
        let attempts = (0..<32 as Range<UInt64>).map { seed in
            var machine = ReconnectMachine()
            var random = RandomSource(seed: seed)
            machine.onFailed(random: &random, now: start)
            return machine.nextAttempt
        }
        #expect(Set(attempts).count == attempts.count)
    }

    @Test func startsOverOnceConnected() {
        var machine = ReconnectMachine()
        var random = RandomSource(seed: 1)
        for _ in 0..<6 { machine.onFailed(random: &random, now: start) }
        machine.onConnected()
        #expect(machine.nextAttempt == nil)
        machine.onFailed(random: &random, now: start)
        #expect(machine.nextAttempt.map { $0 - start < .milliseconds(625) } ?? false)
    }
}
