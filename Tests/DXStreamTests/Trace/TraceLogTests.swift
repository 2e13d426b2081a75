import DXWire
import Testing

@testable import DXStream

/// The log of a trace: what it holds, what it says of what it does not.
@Suite struct TraceLogTests {
    private func record(_ number: UInt64, at time: Int64 = 0) -> TraceRecord {
        TraceRecord(
            time: Instant(nanoseconds: time), path: PathID(rawValue: 0), event: .packetSpuriouslyLost(number: number))
    }

    private func numbers(_ batch: TraceBatch) -> [UInt64] {
        batch.records.compactMap { if case .packetSpuriouslyLost(let number) = $0.event { number } else { nil } }
    }

    @Test func whatFindsNoRoomIsCounted() {
        var log = TraceLog(limit: 3)
        for number in 1...5 { log.append(record(UInt64(number))) }
        let first = log.take()
        #expect(numbers(first) == [1, 2, 3] && first.lost == 2)
        // There is room again.
        log.append(record(6))
        let second = log.take()
        #expect(numbers(second) == [6] && second.lost == 0)
        let third = log.take()
        #expect(third.records.isEmpty && third.lost == 0)
    }

    @Test func aPacketIsThereWithAllItsFramesOrNotAtAll() {
        var log = TraceLog(limit: 4)
        log.append(record(1))
        log.beginPacket(record(2))
        for number in 3...5 { log.appendPart(record(UInt64(number))) }
        log.endPacket()
        // The packet had no room: nor has what is smaller and comes later, or there would be two gaps.
        log.append(record(6))
        log.beginPacket(record(7))
        log.endPacket()
        let batch = log.take()
        #expect(numbers(batch) == [1] && batch.lost == 3)
        log.beginPacket(record(8))
        log.appendPart(record(9))
        log.endPacket()
        #expect(numbers(log.take()) == [8, 9])
    }

    /// What it costs a channel: nothing while nobody traces, and this much for each record of those that wait.
    @Test func aRecordIsSmall() {
        #expect(MemoryLayout<TraceRecord>.stride <= 128)
        #expect(MemoryLayout<TraceRecord>.stride * MessageChannel.usualTraceLimit <= 4 << 20)
    }
}
