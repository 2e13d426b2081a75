import DXWire
import NIOCore
import Testing

@testable import DXSocket

@Suite struct MonotonicClockTests {
    /// `WakeupTimer` hands our instants to SwiftNIO as they are: both must count on the same clock.
    @Test func itIsTheEventLoopsClock() {
        for _ in 0..<100 {
            let before = MonotonicClock.now()
            let deadline = NIODeadline.now()
            let after = MonotonicClock.now()
            #expect(UInt64(before.nanoseconds) <= deadline.uptimeNanoseconds)
            #expect(deadline.uptimeNanoseconds <= UInt64(after.nanoseconds))
        }
    }
}
