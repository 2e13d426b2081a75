import DXWire
import Testing

@Suite struct FlowAssemblerTests {
    private static func part(
        _ index: Int, id: UInt32 = 1, of size: Int, in slice: Int, flow: UInt64 = 3
    ) -> (header: FlowHeader, data: [UInt8]) {
        let part = FlowHeader.Part(id: id, datagramByteCount: size, sliceByteCount: slice, index: index)
        let data = (0..<part.byteCount).map { UInt8(truncatingIfNeeded: part.offset + $0) }
        return (FlowHeader(internalPort: 1, flow: flow, part: part), data)
    }

    private static func whole(_ size: Int) -> [UInt8] { (0..<size).map { UInt8(truncatingIfNeeded: $0) } }

    private func feed(
        _ assembler: inout FlowAssembler, _ part: (header: FlowHeader, data: [UInt8]), of direction: UInt64 = 3,
        at now: Instant = .zero
    ) -> FlowAssembler.Outcome { assembler.receive(part.header, of: direction, part.data.rawBytes, now: now) }

    @Test(arguments: [(1_025, 512), (65_507, 512), (65_507, 1_100), (4_096, 4_095)])
    func partsInAnyOrderMakeTheDatagram(size: Int, slice: Int) {
        var random = RandomSource(seed: 5)
        let count = (size + slice - 1) / slice
        var order = Array(0..<count)
        for index in order.indices { order.swapAt(index, Int(random.below(UInt64(count)))) }
        var assembler = FlowAssembler()
        for index in order.dropLast() {
            #expect(feed(&assembler, Self.part(index, of: size, in: slice)) == .incomplete)
            // Again: it is there already.
            #expect(feed(&assembler, Self.part(index, of: size, in: slice)) == .incomplete)
        }
        #expect(assembler.count == 1 && assembler.heldByteCount == size)
        #expect(feed(&assembler, Self.part(order[count - 1], of: size, in: slice)) == .complete(Self.whole(size)))
        #expect(assembler.count == 0 && assembler.heldByteCount == 0 && assembler.nextDeadline == nil)
        #expect(assembler.abandoned == 0)
    }

    /// Datagrams of two flows, two directions and two ids at once do not meet.
    @Test func datagramsDoNotMix() {
        var assembler = FlowAssembler()
        let kinds: [(id: UInt32, flow: UInt64, direction: UInt64)] = [(1, 3, 3), (2, 3, 3), (1, 4, 3), (1, 3, 4)]
        for kind in kinds {
            let part = Self.part(0, id: kind.id, of: 600, in: 512, flow: kind.flow)
            #expect(feed(&assembler, part, of: kind.direction) == .incomplete)
        }
        #expect(assembler.count == 4)
        for kind in kinds {
            let part = Self.part(1, id: kind.id, of: 600, in: 512, flow: kind.flow)
            #expect(feed(&assembler, part, of: kind.direction) == .complete(Self.whole(600)))
        }
    }

    @Test func contradictionsAreRefused() {
        var assembler = FlowAssembler()
        #expect(feed(&assembler, Self.part(0, of: 2_000, in: 512)) == .incomplete)
        #expect(feed(&assembler, Self.part(1, of: 2_001, in: 512)) == .rejected)
        #expect(feed(&assembler, Self.part(1, of: 2_000, in: 600)) == .rejected)
        let (header, data) = Self.part(1, of: 2_000, in: 512)
        #expect(feed(&assembler, (header, Array(data.dropLast()))) == .rejected)
        #expect(feed(&assembler, (FlowHeader(internalPort: 1, flow: 3), [1])) == .rejected)
        #expect(assembler.count == 1 && assembler.heldByteCount == 2_000)
        for index in 1..<3 { #expect(feed(&assembler, Self.part(index, of: 2_000, in: 512)) == .incomplete) }
        #expect(feed(&assembler, Self.part(3, of: 2_000, in: 512)) == .complete(Self.whole(2_000)))
    }

    /// A peer that begins datagrams without end makes this gateway hold no more than the limits say.
    @Test(arguments: [1_000, 65_507])
    func whatIsNeverWholeIsBounded(size: Int) {
        var assembler = FlowAssembler()
        for id in 0..<500 as Range<UInt32> {
            #expect(feed(&assembler, Self.part(0, id: id, of: size, in: 512)) == .incomplete)
            #expect(assembler.count <= FlowAssembler.maximumDatagrams)
            #expect(assembler.heldByteCount <= FlowAssembler.maximumByteCount)
        }
        #expect(assembler.abandoned == 500 - UInt64(assembler.count))
        // The newest are still there.
        #expect(feed(&assembler, Self.part(1, id: 499, of: size, in: 512)) != .rejected)
    }

    @Test func whatWaitsForTooLongGoes() {
        var assembler = FlowAssembler()
        #expect(feed(&assembler, Self.part(0, of: 1_000, in: 512)) == .incomplete)
        let later = Instant.zero + .seconds(1)
        #expect(feed(&assembler, Self.part(0, id: 2, of: 1_000, in: 512), at: later) == .incomplete)
        #expect(assembler.nextDeadline == Instant.zero + FlowAssembler.patience)
        assembler.expire(now: .zero + FlowAssembler.patience)
        #expect(assembler.count == 1 && assembler.abandoned == 1)
        // Its other part comes too late and begins it anew.
        let last = Instant.zero + FlowAssembler.patience
        #expect(feed(&assembler, Self.part(1, of: 1_000, in: 512), at: last) == .incomplete)
        #expect(feed(&assembler, Self.part(1, id: 2, of: 1_000, in: 512), at: last) == .complete(Self.whole(1_000)))
    }
}
