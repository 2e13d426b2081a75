import DXSimulator
import DXWire
import NIOCore
import Testing

@testable import DXStream

/// `Reassembler` against a map from offset to byte: random pieces in random order with overlaps and repeats, random
/// reads. What is read must be the stream, once and in order, and the counts must be those of the map.
@Suite struct ReassemblerDifferentialTests {
    @Test(arguments: [50, 700, 5_000]) func agreesWithAByteMap(length: Int) throws {
        try Replay.run("ReassemblerDifferentialTests", seeds: Replay.seeds(count: 20)) { seed, _ in
            try Self.run(length: length, random: RandomSource(seed: seed &* 77 &+ UInt64(length)))
        }
    }

    private static func run(length: Int, random source: RandomSource) throws {
        var random = source
        var reassembler = Reassembler()
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
            let wasTaken = reassembler.insert(piece.readableBytesSpan, at: UInt64(start))
            try SimulationFailure.unless(wasTaken, "step \(step): refused below the limit")
            for index in start..<end where !held[index] {
                held[index] = true
                heldCount += 1
            }
            while contiguous < length && held[contiguous] { contiguous += 1 }
            if random.chance(0.3) { readCount += try read(&reassembler, from: readCount) }
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
            let count = try read(&reassembler, from: readCount)
            if count == 0 { break }
            readCount += count
        }
        try SimulationFailure.unless(readCount == contiguous, "\(readCount) bytes came out of \(contiguous)")
    }

    private static func read(_ reassembler: inout Reassembler, from offset: Int) throws -> Int {
        guard let bytes = reassembler.read() else { return 0 }
        try SimulationFailure.unless(bytes.readableBytes > 0, "an empty chunk was read")
        try SimulationFailure.unless(bytes.readableBytes <= Reassembler.maximumChunk, "a chunk beyond 64 KiB")
        let difference = Content.firstDifference(in: bytes, key: 5, offset: UInt64(offset))
        try SimulationFailure.unless(difference == nil, "wrong bytes from \(difference ?? 0) on")
        return bytes.readableBytes
    }

    /// A peer that sends every other byte: the list is bounded, what is refused can be sent again and loses nothing.
    @Test func refusesAtTheLimitWithoutLoss() throws {
        var reassembler = Reassembler()
        var refused: [Int] = []
        let count = Reassembler.maximumGapCount + 50
        for index in 0..<count {
            let place = 2 * index + 1
            let piece = Content.bytes(key: 5, offset: UInt64(place), count: 1)
            if !reassembler.insert(piece.readableBytesSpan, at: UInt64(place)) { refused.append(place) }
        }
        #expect(refused.count == 50)
        #expect(reassembler.gapCount == Reassembler.maximumGapCount)
        for index in 0..<count {
            let piece = Content.bytes(key: 5, offset: UInt64(2 * index), count: 1)
            let wasTaken = reassembler.insert(piece.readableBytesSpan, at: UInt64(2 * index))
            #expect(wasTaken)
        }
        for place in refused {
            let piece = Content.bytes(key: 5, offset: UInt64(place), count: 1)
            let wasTaken = reassembler.insert(piece.readableBytesSpan, at: UInt64(place))
            #expect(wasTaken)
        }
        var readCount = 0
        while case let read = try Self.read(&reassembler, from: readCount), read > 0 { readCount += read }
        #expect(readCount == 2 * count)
    }
}
