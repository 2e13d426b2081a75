import DXWire
import Testing

@testable import DXTunnel

/// How often a file is written whose loss costs little.
@Suite struct WritePaceTests {
    /// A day in which something changes each second: the first four writes, and then one an hour.
    @Test func constantChangeIsAWriteAnHour() {
        var pace = WritePace(now: .zero)
        var writes: [Instant] = []
        for second in 0..<86_400 {
            let now = Instant(nanoseconds: Int64(second) * 1_000_000_000)
            pace.want(now: now)
            guard let due = pace.due, due <= now else { continue }
            pace.wrote(now: now)
            writes.append(now)
        }
        #expect(writes.count == 24 + Int(WritePace.burst) - 1)
        for (earlier, later) in zip(writes.dropFirst(4), writes.dropFirst(5)) {
            #expect(later - earlier >= WritePace.interval)
        }
    }

    @Test func whatComesTogetherIsWrittenTogether() {
        var pace = WritePace(now: .zero)
        #expect(pace.due == nil)
        let start = Instant.zero + .seconds(100)
        pace.want(now: start)
        pace.want(now: start + .seconds(20))
        #expect(pace.due == start + WritePace.settleTime)
        pace.want(isUrgent: true, now: start + .seconds(21))
        #expect(pace.due == start + .seconds(21))
        pace.wrote(now: start + .seconds(21))
        #expect(pace.due == nil)
    }

    /// Not even what is urgent may wear the disk: a matchmaker that gives tickets all the time.
    @Test func whatIsUrgentIsLimitedToo() {
        var pace = WritePace(now: .zero)
        var count = 0
        for second in 0..<36_000 {
            let now = Instant(nanoseconds: Int64(second) * 1_000_000_000)
            pace.want(isUrgent: true, now: now)
            if let due = pace.due, due <= now {
                pace.wrote(now: now)
                count += 1
            }
        }
        #expect(count == 10 + Int(WritePace.burst) - 1)
    }
}
