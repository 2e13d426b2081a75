import DXWire
import NIOCore
import Testing

@testable import DXTunnel

/// DEFLATE on one connection (`docs/wire-format.md` §7.3).
@Suite struct StreamCompressionTests {
    private func unpackAll(_ compression: StreamCompression, _ bytes: ByteBuffer) -> (bytes: [UInt8], isBroken: Bool) {
        var all: [UInt8] = []
        compression.add(bytes)
        while true {
            switch compression.next() {
            case .none: return (all, false)
            case .broken: return (all, true)
            case .piece(let piece):
                #expect(piece.readableBytes <= StreamCompression.pieceByteCount)
                all.append(contentsOf: Array(buffer: piece))
            }
        }
    }

    /// Text that compresses well, and differs by seed.
    private func text(_ count: Int, seed: UInt64) -> [UInt8] {
        var random = RandomSource(seed: seed)
        let words = ["temperature=", "21.5", " pressure=", "1013", " ok\n", "valve:", "open"]
        var bytes: [UInt8] = []
        while bytes.count < count { bytes += Array(words[Int(random.below(7))].utf8) }
        return Array(bytes.prefix(count))
    }

    @Test(arguments: [1, 2, 100, 65_535, 65_536, 65_537, 262_144, 1_000_003])
    func whatIsPackedIsUnpacked(count: Int) throws {
        let (one, other) = (StreamCompression(), StreamCompression())
        for bytes in [text(count, seed: 1), Pattern.bytes(count, seed: 2).prefix(count).map { $0 }] {
            let packed = try #require(one.pack(ByteBuffer(bytes: bytes)))
            let (found, isBroken) = unpackAll(other, packed)
            #expect(found == bytes && !isBroken)
        }
    }

    /// Every piece is whole at the other end before the next one is given: an answer does not wait.
    @Test func eachPieceIsLetGoAtOnce() throws {
        let (one, other) = (StreamCompression(), StreamCompression())
        var random = RandomSource(seed: 3)
        for round in 0..<300 {
            let bytes = text(1 + Int(random.below(2_000)), seed: UInt64(round))
            let packed = try #require(one.pack(ByteBuffer(bytes: bytes)))
            #expect(unpackAll(other, packed).bytes == bytes)
        }
    }

    /// However the bytes are cut on their way.
    @Test func arrivesInPieces() throws {
        let (one, other) = (StreamCompression(), StreamCompression())
        let bytes = text(10_000, seed: 4)
        let packed = Array(buffer: try #require(one.pack(ByteBuffer(bytes: bytes))))
        var found: [UInt8] = []
        for byte in packed { found += unpackAll(other, ByteBuffer(bytes: [byte])).bytes }
        #expect(found == bytes)
    }

    @Test func makesTextFewerBytesAndNoiseHardlyMore() throws {
        let compression = StreamCompression()
        let text = try #require(compression.pack(ByteBuffer(bytes: text(100_000, seed: 5))))
        #expect(text.readableBytes < 40_000)
        let noise = try #require(compression.pack(ByteBuffer(bytes: Pattern.bytes(100_000, seed: 6))))
        #expect(noise.readableBytes < 100_200)
    }

    /// What swells comes in pieces, as many as are asked for; the rest stays as it came.
    @Test func aBombIsNoBomb() throws {
        let (one, other) = (StreamCompression(), StreamCompression())
        let packed = try #require(one.pack(ByteBuffer(repeating: 0, count: 32 << 20)))
        #expect(packed.readableBytes < 400_000)
        other.add(packed)
        var total = 0
        while case .piece(let piece) = other.next() {
            #expect(piece.readableBytes <= StreamCompression.pieceByteCount)
            total += piece.readableBytes
        }
        #expect(total == 32 << 20)
    }

    /// Two connections share nothing: the same bytes are packed alike whatever another one carries.
    @Test func connectionsDoNotMeet() throws {
        let secret = text(5_000, seed: 7)
        let (first, second) = (StreamCompression(), StreamCompression())
        let alone = try #require(first.pack(ByteBuffer(bytes: secret)))
        let beside = try #require(second.pack(ByteBuffer(bytes: secret)))
        #expect(alone == beside)
        // In one connection the second time is shorter: what the threat model warns of.
        let again = try #require(first.pack(ByteBuffer(bytes: secret)))
        #expect(again.readableBytes < alone.readableBytes)
    }

    /// No bytes trap; what is no DEFLATE, and an end of the stream, is broken.
    @Test func refusesWhatIsNotCompressed() {
        // A block of the reserved type; a last block.
        for bytes: [UInt8] in [[0x07], [0x03, 0x00, 0x01]] {
            #expect(unpackAll(StreamCompression(), ByteBuffer(bytes: bytes)).isBroken)
        }
        var random = RandomSource(seed: 8)
        for _ in 0..<3_000 {
            let bytes = (0..<random.below(200)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            _ = unpackAll(StreamCompression(), ByteBuffer(bytes: bytes))
        }
    }

    @Test func holdsWhatItPromisesForEveryChangedBit() throws {
        let packed = Array(buffer: try #require(StreamCompression().pack(ByteBuffer(bytes: text(200, seed: 9)))))
        for index in packed.indices {
            for bit in 0..<8 {
                var bytes = packed
                bytes[index] ^= 1 << UInt8(bit)
                _ = unpackAll(StreamCompression(), ByteBuffer(bytes: bytes))
            }
        }
    }
}
