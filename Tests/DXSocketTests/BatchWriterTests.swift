import DXWire
import Glibc
import Testing

@testable import DXSocket

/// A kernel that does as the script says, and remembers every datagram it took.
final class ScriptedKernel {
    /// A message the kernel took.
    struct Message: Hashable {
        var destination: Endpoint
        var source: Endpoint?
        var ecn: ECNMark
        var segments: [[UInt8]]
    }

    /// The errno to refuse a message with; 0 takes it.
    var verdict: (Message) -> Int32 = { _ in 0 }
    /// The most messages that one call takes.
    var callLimit = Int.max
    private(set) var taken: [Message] = []
    private(set) var calls = 0
    /// All datagrams taken, in order.
    var datagrams: [[UInt8]] { taken.flatMap(\.segments) }
    fileprivate var prepared: [Int: Message] = [:]

    fileprivate func send(first: Int, count: Int) -> SendOutcome {
        calls += 1
        var sent = 0
        while sent < min(count, callLimit) {
            guard let message = prepared[first + sent] else { return .refused(EFAULT) }
            let code = verdict(message)
            if code != 0 { return sent > 0 ? .sent(sent) : .refused(code) }
            taken.append(message)
            sent += 1
        }
        return .sent(sent)
    }
}

/// The door to it.
struct ScriptedSystem: SendSystem {
    let kernel: ScriptedKernel

    func set(_ index: Int, _ run: SendRun, bytes: UnsafeRawPointer) {
        var segments: [[UInt8]] = []
        var offset = 0
        while offset < run.byteCount {
            let count = min(run.segmentSize, run.byteCount - offset)
            let slice = unsafe UnsafeRawBufferPointer(start: bytes + offset, count: count)
            unsafe segments.append([UInt8](slice))
            offset += count
        }
        kernel.prepared[index] = .init(
            destination: run.destination, source: run.source, ecn: run.ecn, segments: segments)
    }

    func send(first: Int, count: Int) -> SendOutcome { kernel.send(first: first, count: count) }
}

@Suite struct BatchWriterTests {
    /// A writer on a scripted kernel.
    final class Rig {
        let kernel = ScriptedKernel()
        var writer: BatchWriter<ScriptedSystem>

        init(byteCount: Int = 65_536, runCount: Int = 64, usesSegmentation: Bool = true) {
            writer = BatchWriter(
                system: ScriptedSystem(kernel: kernel), usesSegmentation: usesSegmentation, byteCount: byteCount,
                runCount: runCount)
        }

        deinit { writer.destroy() }

        /// Queues `bytes`; false when there is no room.
        func append(
            _ bytes: [UInt8], to destination: Endpoint = .loopback(1), from source: Endpoint? = nil,
            ecn: ECNMark = .notECT
        ) -> Bool {
            guard let memory = unsafe writer.reserve(bytes.count) else { return false }
            unsafe memory.copyMemory(from: bytes, byteCount: bytes.count)
            writer.commit(bytes.count, to: destination, from: source, ecn: ecn)
            return true
        }

        /// Queues `bytes` as datagrams of `size` bytes; false when there is no room.
        func append(_ bytes: [UInt8], of size: Int, to destination: Endpoint = .loopback(1)) -> Bool {
            let datagrams = (bytes.count + size - 1) / size
            guard let memory = unsafe writer.reserve(bytes.count, datagrams: datagrams) else { return false }
            unsafe memory.copyMemory(from: bytes, byteCount: bytes.count)
            writer.commit(bytes.count, of: size, to: destination, from: nil, ecn: .notECT)
            return true
        }

        var statistics: SocketStatistics {
            var total = SocketStatistics()
            writer.statistics.add(to: &total)
            return total
        }
    }

    static let bad = Endpoint(v4: 0x7f00_0001, port: 0)

    @Test func equalDatagramsBecomeOneRun() {
        let rig = Rig()
        for index in 0..<5 { #expect(rig.append(pattern(index, 100))) }
        #expect(rig.append(pattern(5, 40)))
        #expect(rig.append(pattern(6, 40)))
        rig.writer.flush()
        #expect(rig.kernel.taken.map(\.segments.count) == [6, 1])
        #expect(rig.kernel.datagrams == (0..<7).map { pattern($0, $0 < 5 ? 100 : 40) })
        #expect(rig.kernel.calls == 1)
        #expect(rig.writer.queuedByteCount == 0 && rig.writer.queuedDatagramCount == 0)
    }

    /// Datagrams appended together are what they would be one by one.
    @Test(arguments: [true, false])
    func manyAtOnce(usesSegmentation: Bool) {
        var random = RandomSource(seed: 5)
        let one = Rig(byteCount: 1 << 20, runCount: 600, usesSegmentation: usesSegmentation)
        let many = Rig(byteCount: 1 << 20, runCount: 600, usesSegmentation: usesSegmentation)
        for index in 0..<60 {
            let size = random.chance(0.8) ? 1_472 : 1_200
            let bytes = pattern(index, 1 + Int(random.below(16_000)))
            let destination = random.chance(0.9) ? Endpoint.loopback(1) : .loopback(2)
            #expect(many.append(bytes, of: size, to: destination))
            for start in stride(from: 0, to: bytes.count, by: size) {
                #expect(one.append(Array(bytes[start..<min(start + size, bytes.count)]), to: destination))
            }
        }
        one.writer.flush()
        many.writer.flush()
        #expect(many.kernel.taken == one.kernel.taken)
        #expect(many.kernel.taken.allSatisfy { $0.segments.count <= 64 })
        #expect(many.statistics == one.statistics)
    }

    /// Where the list of messages is too short for all of them, the queue is emptied first.
    @Test func manyAtOnceFindRoom() {
        let rig = Rig(byteCount: 65_536, runCount: 16, usesSegmentation: false)
        for index in 0..<20 { #expect(rig.append(pattern(index, 10_000), of: 1_000)) }
        rig.writer.flush()
        #expect(rig.kernel.datagrams.count == 200 && rig.statistics.queueRefusals == 0)
        rig.kernel.verdict = { _ in EAGAIN }
        #expect(rig.append(pattern(0, 10_000), of: 1_000))
        #expect(!rig.append(pattern(0, 10_000), of: 1_000))
    }

    @Test func withoutSegmentationEachDatagramIsAMessage() {
        let rig = Rig(usesSegmentation: false)
        for index in 0..<5 { #expect(rig.append(pattern(index, 100))) }
        rig.writer.flush()
        #expect(rig.kernel.taken.map(\.segments.count) == [1, 1, 1, 1, 1])
        #expect(rig.statistics.segmentRunsOut == 0)
    }

    /// Whatever the errno, and wherever the refused message stands, everything else goes out, once and in order.
    @Test(arguments: [EINVAL, EACCES, EPERM, ENETUNREACH, EHOSTUNREACH, EMSGSIZE, EIO, EADDRNOTAVAIL, 9999])
    func aRefusedDatagramCostsItself(_ code: Int32) {
        for position in 0..<6 {
            let rig = Rig()
            rig.kernel.verdict = { $0.destination == Self.bad ? code : 0 }
            for index in 0..<6 {
                #expect(rig.append(pattern(index, 90 + index), to: index == position ? Self.bad : .loopback(1)))
            }
            rig.writer.flush()
            #expect(rig.kernel.datagrams == (0..<6).filter { $0 != position }.map { pattern($0, 90 + $0) })
            #expect(rig.statistics.refused == 1)
            #expect(rig.statistics.refusedByErrno == [min(code, 133): 1])
            #expect(rig.statistics.refusedTooLarge == (code == EMSGSIZE ? 1 : 0))
            #expect(rig.writer.usesSegmentation)
            let refusal = rig.writer.pollRefusal()
            #expect(refusal?.destination == Self.bad && refusal?.errnoCode == code)
            #expect(refusal?.byteCount == 90 + position)
            #expect(rig.writer.pollRefusal() == nil)
        }
    }

    @Test(arguments: [EIO, EINVAL])
    func aRefusedRunGoesOutOneByOneAndSegmentationEndsForGood(_ code: Int32) {
        let rig = Rig()
        rig.kernel.verdict = { $0.segments.count > 1 ? code : 0 }
        #expect(rig.append(pattern(100, 50)))
        for index in 0..<5 { #expect(rig.append(pattern(index, 100))) }
        #expect(rig.append(pattern(5, 30)))
        #expect(rig.append(pattern(6, 200)))
        rig.writer.flush()
        let sizes = [50, 100, 100, 100, 100, 100, 30, 200]
        #expect(rig.kernel.datagrams.map(\.count) == sizes)
        #expect(rig.kernel.datagrams.dropFirst().dropLast(2) == (0..<5).map { pattern($0, 100) }[...])
        #expect(!rig.writer.usesSegmentation)
        #expect(rig.statistics.refused == 0 && rig.statistics.segmentRunsSplit == 1)
        for index in 0..<3 { #expect(rig.append(pattern(index, 100))) }
        rig.writer.flush()
        #expect(rig.kernel.taken.suffix(3).allSatisfy { $0.segments.count == 1 })
        #expect(rig.statistics.segmentRunsSplit == 1)
    }

    /// A run to port 0 is refused with the same EINVAL as a run on a device that can not segment. A hostile candidate
    /// must not be able to switch GSO off.
    @Test func aHostileDestinationDoesNotEndSegmentation() {
        let rig = Rig()
        rig.kernel.verdict = { $0.destination == Self.bad ? EINVAL : 0 }
        for index in 0..<4 { #expect(rig.append(pattern(index, 100), to: Self.bad)) }
        for index in 0..<4 { #expect(rig.append(pattern(index, 100))) }
        rig.writer.flush()
        #expect(rig.writer.usesSegmentation)
        #expect(rig.kernel.taken.map(\.segments.count) == [4])
        #expect(rig.statistics.refused == 4)
    }

    @Test func aRunAboveTheMTULosesOnlyWhatIsTooLarge() {
        let rig = Rig()
        rig.kernel.verdict = { message in message.segments.contains { $0.count > 1400 } ? EMSGSIZE : 0 }
        for index in 0..<3 { #expect(rig.append(pattern(index, 1452))) }
        #expect(rig.append(pattern(3, 200)))
        rig.writer.flush()
        #expect(rig.kernel.datagrams == [pattern(3, 200)])
        #expect(rig.writer.usesSegmentation)
        #expect(rig.statistics.refusedTooLarge == 3)
    }

    @Test func whatTheKernelHasNoRoomForWaitsInOrder() {
        let rig = Rig()
        var room = 3
        rig.kernel.verdict = { _ in
            guard room > 0 else { return EAGAIN }
            room -= 1
            return 0
        }
        for index in 0..<10 { #expect(rig.append(pattern(index, 100 + index))) }
        rig.writer.flush()
        #expect(rig.writer.isBlocked)
        #expect(rig.kernel.taken.count == 3)
        #expect(rig.writer.queuedDatagramCount == 7)
        for index in 10..<12 { #expect(rig.append(pattern(index, 100 + index))) }
        rig.writer.flush()
        #expect(rig.writer.isBlocked)
        room = .max
        rig.writer.flush()
        #expect(!rig.writer.isBlocked)
        #expect(rig.kernel.datagrams == (0..<12).map { pattern($0, 100 + $0) })
        #expect(rig.statistics.blocked == 2)
        #expect(rig.writer.queuedByteCount == 0)
    }

    /// A run that is being sent one by one when room ends goes on where it stopped.
    @Test func aSplitRunThatIsBlockedGoesOnWhereItStopped() {
        let rig = Rig()
        var room = 2
        rig.kernel.verdict = { message in
            if message.segments.count > 1 { return EIO }
            guard room > 0 else { return EAGAIN }
            room -= 1
            return 0
        }
        for index in 0..<5 { #expect(rig.append(pattern(index, 100))) }
        #expect(rig.append(pattern(5, 300)))
        rig.writer.flush()
        #expect(rig.writer.isBlocked && rig.writer.queuedDatagramCount == 4)
        room = .max
        rig.writer.flush()
        #expect(rig.kernel.datagrams == (0..<6).map { pattern($0, $0 < 5 ? 100 : 300) })
    }

    @Test func theQueueIsBoundedAndSaysSo() {
        let rig = Rig(byteCount: 65_536, runCount: 64)
        rig.kernel.verdict = { _ in EAGAIN }
        var queued = 0
        while rig.append(pattern(queued, 1000)) { queued += 1 }
        #expect(queued == 65)
        #expect(rig.writer.isBlocked)
        #expect(rig.statistics.queueRefusals == 1)
        #expect(!rig.append(pattern(queued, 1000)))
        rig.kernel.verdict = { _ in 0 }
        rig.writer.flush()
        #expect(rig.kernel.datagrams == (0..<queued).map { pattern($0, 1000) })
        #expect(rig.append(pattern(0, 1000)))
    }

    @Test func theNumberOfMessagesIsBoundedToo() {
        let rig = Rig(runCount: 4)
        rig.kernel.verdict = { _ in EAGAIN }
        for index in 0..<4 { #expect(rig.append(pattern(index, 10 + index))) }
        #expect(!rig.append(pattern(4, 14)))
        #expect(rig.writer.isBlocked)
    }

    /// A full queue whose kernel is not blocked flushes by itself.
    @Test func aFullQueueFlushesByItself() {
        let rig = Rig(byteCount: 65_536, runCount: 8)
        for index in 0..<1000 { #expect(rig.append(pattern(index, 1 + index % 1400))) }
        rig.writer.flush()
        #expect(rig.kernel.datagrams == (0..<1000).map { pattern($0, 1 + $0 % 1400) })
    }

    /// Random refusals, shortages, sizes and destinations: what is taken is what was queued, less what was refused, in
    /// order, and nothing is lost or sent twice.
    @Test(arguments: 0..<16)
    func mixedTroubleLosesNothingElse(_ seed: UInt64) {
        var random = RandomSource(seed: seed)
        let rig = Rig(byteCount: 65_536, runCount: 16)
        var kernelRandom = RandomSource(seed: seed ^ 0x5eed)
        rig.kernel.callLimit = 5
        rig.kernel.verdict = { message in
            if message.destination == Self.bad { return EINVAL }
            if message.segments.count > 20 { return EIO }
            return kernelRandom.chance(0.2) ? EAGAIN : 0
        }
        var expected: [[UInt8]] = []
        var refused: UInt64 = 0
        for index in 0..<400 {
            let size = random.chance(0.7) ? 1200 : 1 + Int(random.below(3000))
            let isBad = random.chance(0.1)
            let bytes = pattern(index, size)
            if rig.append(bytes, to: isBad ? Self.bad : .loopback(1), ecn: random.chance(0.9) ? .ect0 : .ce) {
                if isBad { refused += 1 } else { expected.append(bytes) }
            }
            if random.chance(0.05) { rig.writer.flush() }
        }
        rig.kernel.verdict = { $0.destination == Self.bad ? EINVAL : 0 }
        rig.writer.flush()
        #expect(rig.kernel.datagrams == expected)
        #expect(rig.statistics.refused == refused)
        #expect(rig.statistics.datagramsOut == UInt64(expected.count))
        #expect(rig.statistics.bytesOut == UInt64(expected.reduce(0) { $0 + $1.count }))
    }

    /// ENOBUFS may be about one message; it must not stop the socket for ever.
    @Test func aShortageThatDoesNotEndCostsTheMessage() {
        let rig = Rig()
        rig.kernel.verdict = { $0.destination == Self.bad ? ENOBUFS : 0 }
        #expect(rig.append(pattern(0, 100), to: Self.bad))
        #expect(rig.append(pattern(1, 100)))
        var flushes = 0
        repeat {
            rig.writer.flush()
            flushes += 1
        } while rig.writer.isBlocked && flushes < 100
        #expect(flushes == 33)
        #expect(rig.kernel.datagrams == [pattern(1, 100)])
        #expect(rig.statistics.queueDrops == 1)
    }

    @Test func refusalsAreKeptUpToABound() {
        let rig = Rig()
        rig.kernel.verdict = { _ in EPERM }
        for index in 0..<200 {
            #expect(rig.append([UInt8(index % 250)], to: .loopback(UInt16(index))))
        }
        rig.writer.flush()
        var ports: [UInt16] = []
        while let refusal = rig.writer.pollRefusal() { ports.append(refusal.destination.port) }
        #expect(ports == Array(0..<64))
        #expect(rig.statistics.refused == 200)
        #expect(rig.append([1], to: .loopback(7)))
        rig.writer.flush()
        #expect(rig.writer.pollRefusal()?.destination == .loopback(7))
        #expect(rig.writer.pollRefusal() == nil)
    }

    @Test func aDroppedQueueIsCounted() {
        let rig = Rig()
        for index in 0..<3 { #expect(rig.append(pattern(index, 100))) }
        rig.writer.dropQueue()
        rig.writer.flush()
        #expect(rig.kernel.taken.isEmpty)
        #expect(rig.statistics.queueDrops == 3)
    }
}
