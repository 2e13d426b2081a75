import DXWire
import Testing

@Suite struct FragmentAssemblerTests {
    /// A record's datagrams, and the datagram that it would have been in one piece.
    private struct Record {
        let fragments: [[UInt8]]
        let whole: [UInt8]

        init(id: UInt64 = 0x0a0b_0c0d_0e0f_1011, number: UInt64, body: Int, datagram: Int = 1_472) {
            var random = RandomSource(seed: number &* 31 &+ UInt64(body))
            let bytes = (0..<body).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            let slice = datagram - FragmentHeader.byteCount
            let count = FragmentHeader.count(body: body, datagramByteCount: datagram)
            let connectionID = ConnectionID(rawValue: id)
            fragments = (0..<count).map { index in
                let header = FragmentHeader(
                    connectionID: connectionID, recordNumber: number, index: index, isLast: index == count - 1,
                    bodyByteCount: body)
                return encoded(capacity: FragmentHeader.byteCount) { header.write(to: &$0) }
                    + bytes[(index * slice)..<min(body, (index + 1) * slice)]
            }
            whole =
                encoded(capacity: 14) { output in
                    output.write(id)
                    output.write(UInt16(number >> 32))
                    output.write(UInt32(truncatingIfNeeded: number))
                } + bytes
        }
    }

    /// The record that a fragment completes.
    private func receive(
        _ fragment: [UInt8], _ assembler: inout FragmentAssembler, ecn: ECNMark = .notECT
    ) -> (FragmentAssembler.Outcome, [UInt8]?) {
        let outcome = assembler.receive(fragment.rawBytes, ecn: ecn)
        guard case .complete(let place) = outcome else { return (outcome, nil) }
        return (outcome, assembler.withRecord(at: place) { [UInt8](copying: $0.bytes) })
    }

    @Test(arguments: [1, 511, 1_456, 1_457, 2_912, 15_000, 16_016, 16_408])
    func inOrder(body: Int) {
        var assembler = FragmentAssembler()
        for number: UInt64 in [0, 1, 0xff_ffff_ffff] {
            let record = Record(number: number, body: body)
            for fragment in record.fragments.dropLast() {
                #expect(receive(fragment, &assembler).0 == .incomplete)
            }
            #expect(receive(record.fragments.last ?? [], &assembler).1 == record.whole)
        }
    }

    /// 400 records in random orders, up to sixteen at a time, with duplicates: all come out whole.
    @Test func inAnyOrder() {
        var random = RandomSource(seed: 3)
        var assembler = FragmentAssembler()
        for round in 0..<25 as Range<UInt64> {
            let records = (0..<FragmentAssembler.maximumRecords).map { index in
                Record(
                    id: random.below(3), number: round * 16 + UInt64(index), body: 1 + Int(random.below(16_408)),
                    datagram: 528 + Int(random.below(9_000)))
            }
            var queue = records.indices.flatMap { index in records[index].fragments.map { (index, $0) } }
            // Copies before the record is whole; after it they would begin another.
            queue = queue.map { (random.next(), $0) }.sorted { $0.0 < $1.0 }.map(\.1)
            var missing = records.map { Set($0.fragments) }
            for (index, fragment) in queue {
                if missing[index].count > 1, random.chance(0.1), !missing[index].contains(fragment) { continue }
                let (outcome, whole) = receive(fragment, &assembler)
                missing[index].remove(fragment)
                #expect(outcome != .rejected)
                #expect(whole == (missing[index].isEmpty ? records[index].whole : nil))
                if !missing[index].isEmpty {
                    #expect(receive(fragment, &assembler).0 == .incomplete)
                }
            }
        }
    }

    @Test func factsOfAllItsDatagrams() {
        var assembler = FragmentAssembler()
        let record = Record(number: 7, body: 4_000)
        for marked in [nil, 0, 1, 2] as [Int?] {
            var place = -1
            for (index, fragment) in record.fragments.enumerated() {
                let ecn: ECNMark = index == marked ? .ce : .ect0
                if case .complete(let found) = assembler.receive(fragment.rawBytes, ecn: ecn) { place = found }
            }
            let facts = assembler.facts(at: place)
            #expect(facts.wireByteCount == 4_000 + 3 * FragmentHeader.byteCount)
            #expect(facts.ecn == (marked == nil ? .notECT : .ce))
        }
    }

    /// What got nothing for the longest time goes when a seventeenth record begins.
    @Test func theOldestGivesWay() {
        var assembler = FragmentAssembler()
        let records = (0..<18 as Range<UInt64>).map { Record(number: $0, body: 2_000) }
        for record in records[..<16] { _ = receive(record.fragments[0], &assembler) }
        // The first is touched again by a copy, so the second is the oldest.
        _ = receive(records[0].fragments[0], &assembler)
        _ = receive(records[16].fragments[0], &assembler)
        #expect(receive(records[0].fragments[1], &assembler).1 == records[0].whole)
        #expect(receive(records[1].fragments[1], &assembler).0 == .incomplete)
        #expect(receive(records[1].fragments[0], &assembler).1 == records[1].whole)
        for record in records[3..<17] { #expect(receive(record.fragments[1], &assembler).1 == record.whole) }
    }

    /// Fragments that contradict one another are dropped, and the true ones still make the record.
    @Test func contradictions() {
        let record = Record(number: 9, body: 4_000)
        func changed(_ index: Int, _ change: (inout FragmentHeader) -> Void, size: Int? = nil) -> [UInt8] {
            var header = FragmentHeader(
                connectionID: ConnectionID(rawValue: 0x0a0b_0c0d_0e0f_1011), recordNumber: 9, index: index,
                isLast: index == 2, bodyByteCount: 4_000)
            change(&header)
            let data = record.fragments[index].dropFirst(FragmentHeader.byteCount)
            return encoded(capacity: FragmentHeader.byteCount) { header.write(to: &$0) }
                + (size.map { [UInt8](repeating: 0, count: $0) } ?? Array(data))
        }
        let wrong: [[UInt8]] = [
            changed(1, { $0.bodyByteCount = 4_001 }), changed(1, { $0.index = 2 }), changed(1, { $0.isLast = true }),
            changed(1, { $0.index = 63 }), changed(1, { _ in }, size: 1_455), changed(1, { _ in }, size: 511),
            changed(1, { _ in }, size: 4_000), changed(2, { $0.index = 1 }), changed(2, { $0.index = 3 }),
            changed(2, { _ in }, size: 1_087), changed(2, { _ in }, size: 1_089), changed(2, { $0.isLast = false }),
            changed(0, { $0.isLast = true }, size: 4_001),
        ]
        for fragment in wrong {
            for order in [[0, 1, 2], [2, 1, 0], [2, 0, 1]] {
                var assembler = FragmentAssembler()
                #expect(receive(record.fragments[order[0]], &assembler).0 == .incomplete)
                #expect(receive(fragment, &assembler).0 == .rejected, "\(fragment.prefix(16)) after \(order[0])")
                #expect(receive(record.fragments[order[1]], &assembler).0 == .incomplete)
                #expect(receive(record.fragments[order[2]], &assembler).1 == record.whole)
            }
        }
    }
}
