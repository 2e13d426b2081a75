import CTestSupport
import DXWire
import NIOCore
import NIOPosix
import Testing

@testable import DXSocket

/// Sending allocates nothing once the endpoint stands: no datagram, batch, refusal or marked and pinned message does.
@Suite struct AllocationTests {
    @Test func theCounterCounts() {
        let before = dx_allocations_of_this_thread()
        withExtendedLifetime([UInt8](repeating: 1, count: Int(before % 7) + 100_000)) {}
        #expect(dx_allocations_of_this_thread() > before)
    }

    @Test func sendingAllocatesNothing() async throws {
        let allocations = try await onLoop { bench in
            let (target, _) = try bench.listen("127.0.0.1:0")
            let (origin, _) = try bench.listen(":0")
            let good = target.localEndpoints[0]
            let bad = Endpoint(v4: 0x7f00_0001, port: 0)
            let source = Endpoint.loopback(0)
            let payload = pattern(1, 1200)
            func turn() {
                for _ in 0..<50 {
                    origin.sender.append(to: good, from: source, ecn: .ect0, maximumByteCount: 1400) { span in
                        unsafe span.write(payload.span.bytes)
                    }
                }
                origin.sender.append(to: bad, from: nil, ecn: .ce, maximumByteCount: 100) { $0.writeZeros(100) }
                origin.sender.append(to: good, from: nil, ecn: .notECT, maximumByteCount: 700) { $0.writeZeros(700) }
                origin.sender.flush()
                while origin.sender.pollRefusal() != nil {}
            }
            for _ in 0..<3 { turn() }
            let before = dx_allocations_of_this_thread()
            for _ in 0..<100 { turn() }
            let allocations = dx_allocations_of_this_thread() - before
            #expect(origin.statistics.datagramsOut == 103 * 51)
            return bench.eventLoop.makeSucceededFuture(allocations)
        }
        #expect(allocations == 0)
    }

    /// SwiftNIO's reads allocate about four boxes per kernel message (its addresses and arrays). With GRO a message
    /// carries up to 44 datagrams, so the price per datagram is small; it must not grow with the number of datagrams.
    @Test func receivingAllocatesPerMessageAndNotPerDatagram() async throws {
        let (allocations, statistics) = try await onLoop { bench in
            let eventLoop = bench.eventLoop
            let counter = CountingHandler()
            let target = try UDPEndpoint(
                listen: try ListenAddress(text: "127.0.0.1:0"), on: eventLoop, handler: counter)
            let (origin, _) = try bench.listen("127.0.0.1:0")
            let destination = target.localEndpoints[0]
            let promise = eventLoop.makePromise(of: (UInt64, SocketStatistics).self)
            counter.onBatch = {
                if counter.datagrams >= 44 * 60 {
                    counter.onBatch = nil
                    let result = (counter.allocations, target.statistics)
                    target.close().map { result }.cascade(to: promise)
                    return
                }
                for _ in 0..<44 {
                    origin.sender.append(to: destination, from: nil, ecn: .ect0, maximumByteCount: 1452) {
                        $0.writeZeros(1452)
                    }
                }
                origin.sender.flush()
            }
            counter.onBatch?()
            return promise.futureResult
        }
        try #require(statistics.messagesIn > 0)
        // One turn of the loop with one message makes about 11 in a debug build; 44 datagrams came in each.
        #expect(allocations <= statistics.messagesIn * 20)
    }

    /// Counts what was allocated between the first and the last datagram.
    final class CountingHandler: DatagramHandler {
        private(set) var datagrams = 0
        private var first: UInt64?
        private var last: UInt64 = 0
        var allocations: UInt64 { last - (first ?? last) }
        var onBatch: (() -> Void)?

        func received(
            _ datagram: inout MutableRawSpan, from source: Endpoint, local: Endpoint?, ecn: ECNMark, now: Instant
        ) {
            datagrams += 1
            last = dx_allocations_of_this_thread()
            if first == nil { first = last }
        }

        func batchEnded(now: Instant) { onBatch?() }

        func becameWritable(now: Instant) {}
    }
}
