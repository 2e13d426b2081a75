import DXSimulator
import DXWire
import NIOCore
import Testing

@testable import DXStream

@Suite struct ChunkStoreTests {
    private func address(_ buffer: ByteBuffer) -> UInt {
        unsafe buffer.withUnsafeReadableBytes { UInt(bitPattern: $0.baseAddress) }
    }

    /// A chunk with its whole length written, and handed out.
    private func handOut(_ store: inout ChunkStore, _ capacity: Int, _ byte: UInt8 = 1) -> ByteBuffer {
        var chunk = store.take(capacity)
        chunk.writeRepeatingByte(byte, count: chunk.writableBytes)
        store.keep(chunk)
        return chunk
    }

    @Test(arguments: [
        (1, 2_048), (2_048, 2_048), (2_049, 4_096), (5_000, 8_192), (16_384, 16_384), (16_385, 32_768),
        (65_535, 65_536),
        (65_536, 65_536), (.max, 65_536), (0, 2_048), (-1, 2_048),
    ])
    func givesPowersOfTwo(capacity: Int, expected: Int) {
        var store = ChunkStore()
        let chunk = store.take(capacity)
        #expect(chunk.writableBytes == expected && chunk.readableBytes == 0)
        #expect(store.byteCount == 0 && store.deadline == nil, "nothing is kept before it is handed out")
    }

    @Test func usesAgainWhatWasLetGo() {
        var store = ChunkStore()
        let first = address(handOut(&store, 65_536))
        #expect(store.byteCount == 65_536)
        var again = store.take(60_000)
        #expect(again.readableBytes == 0 && again.writableBytes == 65_536)
        again.writeInteger(UInt8(1))
        #expect(address(again) == first)
        #expect(store.allocationCount == 1 && store.byteCount == 0)
        // Not for another size.
        store.keep(again)
        #expect(store.take(32_768).writableBytes == 32_768 && store.allocationCount == 2)
    }

    /// While somebody refers to a chunk, or to a slice of it, nobody writes to it.
    @Test func leavesAloneWhatIsHeld() {
        var store = ChunkStore()
        var whole: ByteBuffer? = handOut(&store, 4_096, 7)
        var slice = whole?.getSlice(at: 100, length: 10)
        var other = handOut(&store, 4_096, 8)
        #expect(store.allocationCount == 2)
        #expect(whole == ByteBuffer(repeating: 7, count: 4_096))
        // The application writes to what it was given: that is its own from then on, and the chunk is free.
        other.setInteger(UInt8(9), at: 0)
        _ = handOut(&store, 4_096, 10)
        #expect(store.allocationCount == 2)
        #expect(other.getInteger(at: 0, as: UInt8.self) == 9 && other.getInteger(at: 1, as: UInt8.self) == 8)
        whole = nil
        _ = handOut(&store, 4_096, 11)
        let last = handOut(&store, 4_096, 12)
        _ = handOut(&store, 4_096, 13)
        #expect(slice == ByteBuffer(repeating: 7, count: 10))
        #expect(last == ByteBuffer(repeating: 12, count: 4_096))
        slice = nil
        let before = store.allocationCount
        var taken: [ByteBuffer] = []
        for _ in 0..<store.byteCount / 4_096 - 1 { taken.append(store.take(4_096)) }
        #expect(store.allocationCount == before, "the one that a slice kept is free again")
    }

    /// Whatever is handed out, held and let go, no more is kept than may be, and what is held stays as it was.
    @Test func keepsWithinItsBound() {
        for maximum in [0, 2_047, 2_048, 100_000, ChunkStore.defaultMaximum] {
            var store = ChunkStore(maximumByteCount: maximum)
            var random = RandomSource(seed: UInt64(maximum) + 1)
            var held: [(bytes: ByteBuffer, byte: UInt8)] = []
            for step in 0..<5_000 {
                let byte = UInt8(truncatingIfNeeded: step)
                let chunk = handOut(&store, 1 << Int(random.below(17)), byte)
                if random.chance(0.3) { held.append((chunk, byte)) }
                if held.count > 20 { held.remove(at: Int(random.below(20))) }
                if store.byteCount > maximum || store.byteCount < 0 { break }
                if step % 97 == 0 {
                    #expect(
                        held.allSatisfy { $0.bytes == ByteBuffer(repeating: $0.byte, count: $0.bytes.readableBytes) })
                }
            }
            #expect(store.byteCount >= 0 && store.byteCount <= maximum)
        }
    }

    /// Small chunks get their place although large ones fill the store: the shelf with most gives.
    @Test func noSizeKeepsAnotherOut() {
        var store = ChunkStore()
        var held: [ByteBuffer] = []
        for _ in 0..<30 { held.append(handOut(&store, 65_536)) }
        #expect(store.byteCount == ChunkStore.defaultMaximum)
        held.removeAll()
        _ = handOut(&store, 2_048)
        let before = store.allocationCount
        for _ in 0..<100 {
            _ = handOut(&store, 2_048)
            _ = handOut(&store, 65_536)
        }
        #expect(store.allocationCount == before)
    }

    @Test func refusesWhatIsNoChunk() {
        var store = ChunkStore()
        store.keep(ByteBuffer())
        store.keep(ByteBufferAllocator().buffer(capacity: 1_024))
        store.keep(ByteBufferAllocator().buffer(capacity: 131_072))
        var read = ByteBufferAllocator().buffer(capacity: 4_096)
        read.writeInteger(UInt64(1))
        read.moveReaderIndex(forwardBy: 1)
        store.keep(read)
        #expect(store.byteCount == 0)
        store.keep(ByteBufferAllocator().buffer(capacity: 2_048))
        store.usedAt = Instant(nanoseconds: 7)
        #expect(store.byteCount == 2_048 && store.deadline == Instant(nanoseconds: 7) + .seconds(1))
        store.removeAll()
        #expect(store.byteCount == 0 && store.deadline == nil)
        #expect(store.take(2_048).writableBytes == 2_048)
    }

    // MARK: With a reassembler

    /// A stream that is read as it comes: after a first round nothing is allocated, in order or with every batch turned
    /// round, with short messages and with long ones.
    @Test(arguments: [(40, 1, false), (1_400, 1, false), (16_000, 64, false), (1_400, 64, false), (1_400, 64, true)])
    func aSteadyStreamAllocatesNothing(packet: Int, batch: Int, isReversed: Bool) {
        var store = ChunkStore()
        var reassembler = Reassembler()
        var after: UInt64 = 0
        for round in 0..<200 {
            if round == 100 { after = store.allocationCount }
            let start = round * batch * packet
            for index in 0..<batch {
                let place = start + (isReversed ? batch - 1 - index : index) * packet
                let bytes = Content.bytes(key: 3, offset: UInt64(place), count: packet)
                let wasTaken = reassembler.insert(bytes.readableBytesSpan, at: UInt64(place), store: &store)
                #expect(wasTaken)
            }
            var place = start
            while let bytes = reassembler.read(store: &store) {
                #expect(Content.firstDifference(in: bytes, key: 3, offset: UInt64(place)) == nil)
                place += bytes.readableBytes
            }
            #expect(place == start + batch * packet)
        }
        #expect(after > 0 && store.allocationCount == after)
    }

    /// Single bytes that come early do not get 2 KiB each.
    @Test func tinyPiecesHaveNoChunks() {
        var store = ChunkStore()
        var reassembler = Reassembler()
        for index in 0..<1_000 {
            let byte = Content.bytes(key: 3, offset: 0, count: 1)
            _ = reassembler.insert(byte.readableBytesSpan, at: UInt64(2 * index + 1), store: &store)
        }
        #expect(reassembler.gapCount == 1_000 && store.allocationCount == 0)
    }

    // MARK: With a channel

    private func pair(_ plan: TrafficPlan, keepalive: Interval? = nil) throws -> Pair {
        var setup = Pair.Setup()
        for side in [\Pair.Setup.lower, \Pair.Setup.upper] {
            setup[keyPath: side].keepalive = keepalive
            setup[keyPath: side].idleTimeout = .seconds(3_600)
        }
        let start = setup.clock.now
        let link = Link.steady(megabitsPerSecond: 100, delay: .milliseconds(5), queue: .milliseconds(50))
        let back = Link.steady(megabitsPerSecond: 100, delay: .milliseconds(5), queue: .milliseconds(50))
        return try Pair(
            setup, upward: link, downward: back, lower: Traffic(plan, role: .lower, seed: 1, start: start),
            upper: Traffic(plan, role: .upper, seed: 1, start: start))
    }

    /// Once a transfer is under way it passes without new chunks; a second after its end the channel keeps none, although
    /// nothing else is due, and it has nothing to wake up for.
    @Test func aQuietChannelKeepsNothing() throws {
        var plan = TrafficPlan()
        plan.streams = [.bulk(20_000_000)]
        let pair = try pair(plan)
        try pair.run(until: { $0.upper.channel.statistics.streamBytesReceived >= 10_000_000 })
        let before = pair.upper.channel.chunks.allocationCount
        try pair.run(until: { $0.upper.channel.statistics.streamBytesReceived >= 20_000_000 })
        let chunks = pair.upper.channel.chunks
        #expect(chunks.byteCount > 0 && chunks.byteCount <= ChunkStore.defaultMaximum)
        #expect(before > 0 && chunks.allocationCount == before, "\(chunks.allocationCount), and \(before) before")
        try pair.run(for: .milliseconds(900))
        #expect(pair.upper.channel.chunks.byteCount > 0)
        try pair.run(for: .milliseconds(400))
        for host in pair.hosts {
            #expect(host.channel.chunks.byteCount == 0)
            // The search for the path's MTU and the idle timeout alone.
            #expect(host.channel.nextTimeout.map { $0 > pair.now + .seconds(1) } ?? true)
        }
    }

    /// Two thousand streams that each got a message keep no more than one does, and nothing soon.
    @Test func manyStreamsShareOneStore() throws {
        var plan = TrafficPlan()
        plan.streams = Array(repeating: .bulk(500), count: 2_000)
        let pair = try pair(plan)
        try pair.run(until: { $0.upper.channel.statistics.streamBytesReceived >= 1_000_000 })
        #expect(pair.upper.channel.chunks.byteCount <= ChunkStore.defaultMaximum)
        try pair.run(for: .milliseconds(1_500))
        #expect(pair.upper.channel.chunks.byteCount == 0)
    }

    /// A small channel keeps no more than it may have unread.
    @Test func aSmallChannelKeepsLittle() throws {
        var configuration = ChannelConfiguration()
        configuration.receiveMemory = 100_000
        let channel = MessageChannel(
            role: .lower, configuration: configuration, peerParameters: configuration.parameters,
            random: RandomSource(seed: 1), now: .zero)
        #expect(channel.chunks.maximumByteCount == 100_000)
    }

    /// What is read from a channel that has ended is not kept: nothing would ever let it go.
    @Test func aChannelThatEndedKeepsNothing() throws {
        var plan = TrafficPlan()
        plan.streams = [.bulk(3_000_000)]
        let pair = try pair(plan)
        try pair.run(until: { $0.upper.channel.chunks.byteCount > 0 })
        pair.upper.channel.close(.none, reason: "", now: pair.now)
        #expect(pair.upper.channel.chunks.byteCount == 0 && pair.upper.channel.chunks.maximumByteCount == 0)
    }
}
