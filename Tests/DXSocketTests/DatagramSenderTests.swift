import CTestSupport
import DXWire
import NIOCore
import NIOPosix
import Testing

@testable import DXSocket

@Suite struct DatagramSenderTests {
    /// Whether the loopback of a private network can be made slow.
    static let canLimitRate: Bool = {
        guard PrivateNetwork.isAvailable else { return false }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let result = try? group.next().submit {
            dx_enter_private_network(1500) == 0 && dx_limit_loopback_rate(100) == 0
        }.wait()
        try? group.syncShutdownGracefully()
        return result ?? false
    }()

    private final class Count {
        var value = 0
    }

    /// The kernel's send buffer fills, the queue fills, the caller is told; later the caller is told again, and every
    /// datagram that was taken arrives once, in order.
    @Test(.enabled(if: canLimitRate, "needs root and tc, to make a slow link"))
    func whenTheKernelIsFullTheCallerIsToldAndNothingIsLost() async throws {
        var configuration = SocketConfiguration()
        configuration.sendBufferByteCount = 64 << 10
        configuration.sendQueueByteCount = 128 << 10
        let chosen = configuration
        try await onLoop(inPrivateNetwork: 1500) { bench in
            #expect(dx_limit_loopback_rate(100) == 0)
            let (target, heard) = try bench.listen("127.0.0.1:0")
            let (origin, told) = try bench.listen("127.0.0.1:0", chosen)
            let destination = target.localEndpoints[0]
            let queued = Count()
            func fill() {
                while origin.sender.append(pattern(queued.value, 1400), to: destination) == .queued {
                    queued.value += 1
                }
            }
            fill()
            #expect(!origin.sender.isWritable)
            #expect(origin.sender.append([1], to: destination) == .queued)
            #expect(origin.statistics.blocked == 1)
            #expect(origin.statistics.queueRefusals == 1)
            let first = queued.value
            told.onWritable = {
                #expect(origin.sender.isWritable)
                guard told.writableCalls == 1 else { return }
                #expect(origin.statistics.datagramsOut == UInt64(first + 1))
                fill()
                #expect(queued.value > first)
            }
            let bound = NIOLoopBound((origin, told, heard, queued), eventLoop: bench.eventLoop)
            let eventLoop = bench.eventLoop
            return heard.heard(first + 2, on: bench.eventLoop).flatMap { _ in
                bound.value.2.heard(bound.value.3.value + 1, on: eventLoop)
            }.map { received in
                let (origin, told, _, queued) = bound.value
                told.onWritable = nil
                #expect(received.map(\.bytes.count).filter { $0 == 1 }.count == 1)
                #expect(received.map(\.bytes).filter { $0.count > 1 } == (0..<queued.value).map { pattern($0, 1400) })
                #expect(origin.statistics.refused == 0 && origin.statistics.queueDrops == 0)
                #expect(told.writableCalls >= 1)
            }
        }
    }

    @Test func theSourceFollowsTheDestinationsFamily() async throws {
        try await onLoop { bench in
            let (target, recorder) = try bench.listen("127.0.0.1:0")
            let (origin, _) = try bench.listen(":0")
            let destination = target.localEndpoints[0]
            // An unspecified source leaves the choice to the kernel; a pinned one's port does not matter.
            #expect(origin.sender.append([1], to: destination, from: Endpoint(v4: 0, port: 5)) == .queued)
            #expect(origin.sender.append([2], to: destination, from: Endpoint(v4: 0x7f00_0003, port: 5)) == .queued)
            #expect(origin.sender.append([3], to: destination, from: .loopbackV6(5)) == .noSocket)
            origin.sender.flush()
            let port = origin.localEndpoints[0].port
            return recorder.heard(2, on: bench.eventLoop).map { heard in
                #expect(heard.map(\.source) == [.loopback(port), Endpoint(v4: 0x7f00_0003, port: port)])
            }
        }
    }

    /// What goes to one destination from different ports of the same pinned address is one way, and one run.
    @Test func thePortOfAPinnedSourceDoesNotSplitRuns() async throws {
        try await onLoop { bench in
            let (target, recorder) = try bench.listen("127.0.0.1:0")
            let (origin, _) = try bench.listen("127.0.0.1:0")
            for port in 1...3 {
                origin.sender.append([UInt8(port)], to: target.localEndpoints[0], from: .loopback(UInt16(port)))
            }
            origin.sender.flush()
            if origin.capabilities.v4?.segmentationOffload == true {
                #expect(origin.statistics.segmentRunsOut == 1)
            }
            return recorder.heard(3, on: bench.eventLoop).map { #expect($0.map(\.bytes) == [[1], [2], [3]]) }
        }
    }
}
