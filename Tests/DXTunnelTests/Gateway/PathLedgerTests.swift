import DXStream
import DXWire
import Testing

@testable import DXTunnel

@Suite struct PathLedgerTests {
    private func counts(_ packets: UInt64, lost: UInt64 = 0) -> PathCounts {
        var counts = PathCounts()
        counts.packetsSent = packets
        counts.packetsLost = lost
        return counts
    }

    private func path(_ id: UInt64, _ kind: PathKind, _ packets: UInt64) -> (
        id: PathID, kind: PathKind, counts: PathCounts
    ) {
        (PathID(rawValue: id), kind, counts(packets))
    }

    @Test func eachKindHasItsOwn() {
        var ledger = PathLedger()
        ledger.note([path(1, .lan, 10), path(2, .direct, 5)], ended: counts(0))
        ledger.note([path(1, .lan, 12), path(2, .direct, 6)], ended: counts(0))
        #expect(ledger.counts == [.lan: counts(12), .direct: counts(6)])
    }

    /// What a path did between the last look and its end is its kind's, and nothing is counted twice.
    @Test func aPathThatEndsKeepsItsCounts() {
        var ledger = PathLedger()
        ledger.note([path(1, .forwarded, 10), path(2, .direct, 5)], ended: counts(0))
        ledger.note([path(2, .direct, 9)], ended: counts(17, lost: 3))
        #expect(ledger.counts == [.forwarded: counts(17, lost: 3), .direct: counts(9)])
        ledger.note([path(2, .direct, 9)], ended: counts(17, lost: 3))
        #expect(ledger.counts == [.forwarded: counts(17, lost: 3), .direct: counts(9)])
    }

    /// A session that moves to an address of another kind: what it did before stays where it was.
    @Test func aPathThatMovesCountsWhereItIs() {
        var ledger = PathLedger()
        ledger.note([path(1, .lan, 10)], ended: counts(0))
        ledger.note([path(1, .direct, 25)], ended: counts(0))
        #expect(ledger.counts == [.lan: counts(10), .direct: counts(15)])
    }

    /// The next channel counts from zero, with the same numbers of paths.
    @Test func countsNeverFall() {
        var ledger = PathLedger()
        ledger.note([path(1, .direct, 10)], ended: counts(4))
        ledger.channelEnded()
        ledger.note([path(1, .direct, 3)], ended: counts(0))
        ledger.note([], ended: counts(5))
        #expect(ledger.counts == [.direct: counts(19)])
    }
}
