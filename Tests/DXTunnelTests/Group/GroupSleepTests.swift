import DXWire
import Testing

@testable import DXTunnel

/// When a member may have missed something.
@Suite struct GroupSleepTests {
    private static let settle = Interval.seconds(10)

    private func at(_ seconds: Int64) -> Instant { .zero + .seconds(seconds) }

    @Test func anAdminThatStaysEndsIt() {
        var sleep = GroupSleep(now: at(0))
        func note(_ hasAdmin: Bool, _ seconds: Int64) -> Bool {
            sleep.note(hasAdmin: hasAdmin, isAlone: false, settleTime: Self.settle, now: at(seconds))
        }
        #expect(!note(false, 5) && !sleep.isOver && sleep.adminSince == nil)
        #expect(!note(true, 10) && sleep.adminSince == at(10))
        // It went before it can have told all.
        #expect(!note(false, 15) && sleep.adminSince == nil)
        #expect(!note(true, 20) && !note(true, 29))
        #expect(note(true, 30) && sleep.isOver)
        #expect(!note(true, 35))
    }

    /// A member whose network was away is one that slept, though it was never off.
    @Test func whoeverWasAloneMayHaveMissedSomething() {
        var sleep = GroupSleep(now: at(0))
        func note(_ isAlone: Bool, _ seconds: Int64) -> Bool {
            sleep.note(hasAdmin: !isAlone, isAlone: isAlone, settleTime: Self.settle, now: at(seconds))
        }
        #expect(!note(false, 0) && note(false, 10))
        // A channel broke, and is there again.
        #expect(!note(true, 20) && !note(false, 60) && !note(true, 70) && !note(true, 129))
        #expect(sleep.isOver)
        #expect(note(true, 130) && !sleep.isOver && sleep.since == at(130))
        #expect(!note(true, 300))
        #expect(!note(false, 310) && note(false, 320) && sleep.isOver)
    }
}
