import DXWire
import Testing

@testable import DXTunnel

/// When a network is looked at, and what counts as sleep.
@Suite struct NetworkTimesTests {
    private static func at(_ milliseconds: Int64) -> Instant { .zero + .milliseconds(milliseconds) }

    @Test func aHandfulOfNoticesIsOneLook() {
        var debounce = ChangeDebounce()
        #expect(debounce.deadline == nil && debounce.take(now: Self.at(0)) == false)
        for time in [1_000, 1_010, 1_040] as [Int64] { debounce.note(now: Self.at(time)) }
        #expect(debounce.deadline == Self.at(1_090))
        #expect(debounce.take(now: Self.at(1_089)) == false)
        #expect(debounce.take(now: Self.at(1_090)) == true)
        #expect(debounce.deadline == nil && debounce.take(now: Self.at(2_000)) == false)
    }

    @Test func noticesWithoutEndDoNotPutItOff() {
        var debounce = ChangeDebounce()
        for time in stride(from: Int64(0), through: 480, by: 20) { debounce.note(now: Self.at(time)) }
        #expect(debounce.deadline == Self.at(500))
        #expect(debounce.take(now: Self.at(500)) == true)
        debounce.note(now: Self.at(510))
        #expect(debounce.deadline == Self.at(560))
    }

    @Test func sleepIsWhatOneClockDidNotSee() {
        var clock = SleepClock(monotonic: Self.at(1_000), boot: Self.at(5_000))
        #expect(clock.look(monotonic: Self.at(61_000), boot: Self.at(65_000)) == nil)
        // What is shorter than counts adds up: nothing is lost by looking often.
        #expect(clock.look(monotonic: Self.at(62_000), boot: Self.at(67_500)) == nil)
        #expect(clock.look(monotonic: Self.at(63_000), boot: Self.at(69_500)) == .milliseconds(2_500))
        #expect(clock.look(monotonic: Self.at(64_000), boot: Self.at(70_500)) == nil)
        #expect(clock.look(monotonic: Self.at(64_100), boot: Self.at(3_670_500)) == .milliseconds(3_599_900))
    }

    @Test func aTimerThatIsLate() {
        #expect(SleepClock.late(Self.at(1_000), now: Self.at(2_999)) == nil)
        #expect(SleepClock.late(Self.at(1_000), now: Self.at(61_000)) == .seconds(60))
        #expect(SleepClock.late(.distantFuture, now: Self.at(61_000)) == nil)
        #expect(SleepClock.late(Self.at(5_000), now: Self.at(1_000)) == nil)
    }
}
