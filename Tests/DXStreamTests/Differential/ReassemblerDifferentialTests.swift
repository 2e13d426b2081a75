import DXSimulator
import DXWire
import NIOCore
import Testing

@testable import DXStream

/// `Reassembler` against a map from offset to byte: random pieces in random order with overlaps and repeats, random
/// reads. What is read must be the stream, once and in order, and the counts must be those of the map. Some of what is read
/// is held for a while, and must still be the stream then, although chunks are used again.
@Suite struct ReassemblerDifferentialTests {
    @Test(arguments: [50, 700, 5_000]) func agreesWithAByteMap(length: Int) throws {
        try Replay.run("ReassemblerDifferentialTests", seeds: Replay.seeds(count: 20)) { seed, _ in
            try Self.run(length: length, random: RandomSource(seed: seed &* 77 &+ UInt64(length)))
        }
    }

    private static func run(length: Int, random source: RandomSource) throws {
        var random = source
        var reassembler = Reassembler()
        var reader = Reader()
        var held = [Bool](repeating: false, count: length)
        var heldCount = 0
        var contiguous = 0
        var readCount = 0
        for step in 0..<400 {
            let place = random.chance(0.5) ? contiguous : Int(random.below(UInt64(length)))
            let start = max(0, place - Int(random.below(40)) + Int(random.below(40)))
            let end = min(length, start + 1 + Int(random.below(UInt64(max(60, length / 60)))))
            guard start < end else { continue }
            let piece = Content.bytes(key: 5, offset: UInt64(start), count: end - start)
            let wasTaken = reassembler.insert(piece.readableBytesSpan, at: UInt64(start), store: &reader.store)
            try SimulationFailure.unless(wasTaken, "step \(step): refused below the limit")
            for index in start..<end where !held[index] {
                held[index] = true
                heldCount += 1
            }
            while contiguous < length && held[contiguous] { contiguous += 1 }
            if random.chance(0.3) { readCount += try reader.read(&reassembler, from: readCount) }
            if random.chance(0.1) { try reader.letGo(Int(random.below(4))) }
            let waiting = heldCount - contiguous
            try SimulationFailure.unless(
                reassembler.contiguousOffset == UInt64(contiguous) && reassembler.waitingByteCount == waiting
                    && reassembler.readyByteCount == contiguous - readCount,
                """
                step \(step): contiguous \(reassembler.contiguousOffset), waiting \(reassembler.waitingByteCount), \
                ready \(reassembler.readyByteCount); not \(contiguous), \(waiting), \(contiguous - readCount)
                """)
            if contiguous == length { break }
        }
        while true {
            let count = try reader.read(&reassembler, from: readCount)
            if count == 0 { break }
            readCount += count
        }
        try reader.letGo(.max)
        try SimulationFailure.unless(readCount == contiguous, "\(readCount) bytes came out of \(contiguous)")
    }

    /// An application that holds chunks, in a store that holds few.
    private struct Reader {
        var store = ChunkStore(maximumByteCount: 20_000)
        private var held: [(bytes: ByteBuffer, offset: Int)] = []

        /// Reads a chunk and holds it; the count of its bytes.
        mutating func read(_ reassembler: inout Reassembler, from offset: Int) throws -> Int {
            guard let bytes = reassembler.read(store: &store) else { return 0 }
            try SimulationFailure.unless(bytes.readableBytes > 0, "an empty chunk was read")
            try SimulationFailure.unless(bytes.readableBytes <= Reassembler.maximumChunk, "a chunk beyond 64 KiB")
            held.append((bytes, offset))
            try check(bytes, offset)
            return bytes.readableBytes
        }

        /// Looks at the oldest chunks again, and lets them go.
        mutating func letGo(_ count: Int) throws {
            for (bytes, offset) in held.prefix(count) { try check(bytes, offset) }
            held.removeFirst(min(count, held.count))
        }

        private func check(_ bytes: ByteBuffer, _ offset: Int) throws {
            let difference = Content.firstDifference(in: bytes, key: 5, offset: UInt64(offset))
            try SimulationFailure.unless(difference == nil, "wrong bytes from \(difference ?? 0) on")
        }
    }

    /// A peer that sends every other byte: the list is bounded, what is refused can be sent again and loses nothing.
    @Test func refusesAtTheLimitWithoutLoss() throws {
        var reassembler = Reassembler()
        var reader = Reader()
        var refused: [Int] = []
        let count = Reassembler.maximumGapCount + 50
        for index in 0..<count {
            let place = 2 * index + 1
            let piece = Content.bytes(key: 5, offset: UInt64(place), count: 1)
            if !reassembler.insert(piece.readableBytesSpan, at: UInt64(place), store: &reader.store) {
                refused.append(place)
            }
        }
        #expect(refused.count == 50)
        #expect(reassembler.gapCount == Reassembler.maximumGapCount)
        for index in 0..<count {
            let piece = Content.bytes(key: 5, offset: UInt64(2 * index), count: 1)
            let wasTaken = reassembler.insert(
                piece.readableBytesSpan, at: UInt64(2 * index), store: &reader.store)
            #expect(wasTaken)
        }
        for place in refused {
            let piece = Content.bytes(key: 5, offset: UInt64(place), count: 1)
            let wasTaken = reassembler.insert(piece.readableBytesSpan, at: UInt64(place), store: &reader.store)
            #expect(wasTaken)
        }
        var readCount = 0
        while case let read = try reader.read(&reassembler, from: readCount), read > 0 { readCount += read }
        #expect(readCount == 2 * count)
    }
}
