import CTestSupport
import DXWire
import Glibc
import NIOCore
import NIOPosix
import Testing

@testable import DXSocket

@Suite struct UDPEndpointTests {
    // MARK: Segmentation and coalescing

    /// Sizes of one burst: long runs, a shorter last one, single datagrams in between, one byte, a jumbo.
    static let sizes: [Int] =
        Array(repeating: 1200, count: 70) + [700] + Array(repeating: 1452, count: 20) + [1, 2, 2, 9000, 1]
        + Array(repeating: 64, count: 65) + [65_000] + Array(repeating: 1452, count: 45)

    @Test(arguments: [(true, true), (true, false), (false, true), (false, false)])
    func everyDatagramArrivesWholeWithOrWithoutOffloads(_ gso: Bool, _ gro: Bool) async throws {
        let payloads = Self.sizes.enumerated().map { pattern($0.offset, $0.element) }
        var configuration = SocketConfiguration()
        configuration.usesSegmentationOffload = gso
        configuration.usesReceiveOffload = gro
        let chosen = configuration
        let (sent, heard) = try await onLoop { bench in
            let (target, recorder) = try bench.listen("127.0.0.1:0", chosen)
            let (origin, _) = try bench.listen("127.0.0.1:0", chosen)
            for payload in payloads { origin.sender.append(payload, to: target.localEndpoints[0]) }
            origin.sender.flush()
            let bound = NIOLoopBound((origin, target), eventLoop: bench.eventLoop)
            return recorder.heard(payloads.count, on: bench.eventLoop).map { heard in
                #expect(heard.map(\.bytes) == payloads)
                #expect(heard.allSatisfy { $0.source == bound.value.0.localEndpoints[0] })
                #expect(heard.allSatisfy { $0.local == bound.value.1.localEndpoints[0] })
                return (bound.value.0.statistics, bound.value.1.statistics)
            }
        }
        let total = UInt64(Self.sizes.reduce(0, +))
        #expect(sent.datagramsOut == UInt64(payloads.count))
        #expect(sent.bytesOut == total)
        #expect(heard.datagramsIn == UInt64(payloads.count))
        #expect(heard.bytesIn == total)
        // Runs: 44 and 26 of 1200 with the 700 (65,000 bytes are the limit), 20 of 1452 with the 1, 2 of 2, 64 of 64,
        // and 44 of 1452 (again the limit).
        #expect(sent.segmentRunsOut == (gso ? 7 : 0))
        if gso && gro { #expect(heard.messagesIn < heard.datagramsIn) }
        if !gso && !gro { #expect(heard.messagesIn == heard.datagramsIn) }
    }

    @Test func aDatagramThatFillsItsSlotIsDroppedAndCounted() async throws {
        var configuration = SocketConfiguration()
        configuration.receiveSlotByteCount = 2048
        configuration.usesReceiveOffload = false
        let chosen = configuration
        let statistics = try await onLoop { bench in
            let (target, recorder) = try bench.listen("127.0.0.1:0", chosen)
            let (origin, _) = try bench.listen("127.0.0.1:0")
            for size in [2047, 2048, 3000, 100] {
                origin.sender.append(pattern(size, size), to: target.localEndpoints[0])
            }
            origin.sender.flush()
            let bound = NIOLoopBound(target, eventLoop: bench.eventLoop)
            return recorder.heard(2, on: bench.eventLoop).map { heard in
                #expect(heard.map(\.bytes) == [pattern(2047, 2047), pattern(100, 100)])
                return bound.value.statistics
            }
        }
        #expect(statistics.truncated == 2)
        #expect(statistics.datagramsIn == 2)
    }

    // MARK: Control messages

    @Test(arguments: ["127.0.0.1:0", "[::1]:0"])
    func marksAreCarried(_ address: String) async throws {
        let marks: [ECNMark] = [.notECT, .ect0, .ect0, .ect1, .ce, .notECT]
        try await onLoop { bench in
            let (target, recorder) = try bench.listen(address)
            let (origin, _) = try bench.listen(address)
            for (index, mark) in marks.enumerated() {
                origin.sender.append(pattern(index, 200), to: target.localEndpoints[0], ecn: mark)
            }
            origin.sender.flush()
            return recorder.heard(marks.count, on: bench.eventLoop).map { heard in
                #expect(heard.map(\.ecn) == marks)
                #expect(heard.map(\.bytes) == marks.indices.map { pattern($0, 200) })
            }
        }
    }

    /// A peer that sent to one of several addresses of a host must be answered from that address: any other would be a
    /// new path to it, or dropped by its NAT.
    @Test func anAnswerCanBeSentFromTheAddressThatWasAsked() async throws {
        try await onLoop { bench in
            let (server, serverRecorder) = try bench.listen("0.0.0.0:0")
            let (client, clientRecorder) = try bench.listen("127.0.0.1:0")
            let asked = Endpoint(v4: 0x7f00_0002, port: server.localEndpoints[0].port)
            serverRecorder.onDatagram = { received in
                #expect(received.local == asked)
                server.sender.append(received.bytes, to: received.source, from: received.local, ecn: .ect0)
                server.sender.append(received.bytes, to: received.source)
            }
            serverRecorder.onBatchEnd = { server.sender.flush() }
            client.sender.append([1, 2, 3], to: asked)
            client.sender.flush()
            let bound = NIOLoopBound(serverRecorder, eventLoop: bench.eventLoop)
            return clientRecorder.heard(2, on: bench.eventLoop).map { heard in
                #expect(heard[0].source == asked)
                #expect(heard[0].bytes == [1, 2, 3])
                #expect(heard[1].source == .loopback(asked.port))
                bound.value.onDatagram = nil
                bound.value.onBatchEnd = nil
            }
        }
    }

    // MARK: Listening

    @Test func anyAddressMeansBothFamiliesAtOnePort() async throws {
        try await onLoop { bench in
            let (target, recorder) = try bench.listen(":0")
            let locals = target.localEndpoints
            #expect(locals.map(\.family) == [.v4, .v6])
            #expect(locals[0].port == locals[1].port && locals[0].port != 0)
            #expect(target.capabilities.unavailable == nil)
            let (origin, _) = try bench.listen(":0")
            let originPort = origin.localEndpoints[0].port
            origin.sender.append([4], to: .loopback(locals[0].port))
            origin.sender.append([6], to: .loopbackV6(locals[0].port), from: .loopbackV6(0))
            origin.sender.flush()
            return recorder.heard(2, on: bench.eventLoop).map { heard in
                let v4 = heard.first { $0.bytes == [4] }
                let v6 = heard.first { $0.bytes == [6] }
                #expect(v4?.source == .loopback(originPort))
                #expect(v4?.local == .loopback(locals[0].port))
                #expect(v6?.source == .loopbackV6(originPort))
                #expect(v6?.local == .loopbackV6(locals[0].port))
            }
        }
    }

    @Test func capabilitiesSayWhatTheKernelGranted() async throws {
        try await onLoop { bench in
            let (endpoint, _) = try bench.listen("127.0.0.1:0")
            let capabilities = try #require(endpoint.capabilities.v4)
            #expect(endpoint.capabilities.v6 == nil)
            #expect(capabilities.local.hasSameAddress(as: .loopback(0)))
            #expect(capabilities.receiveOffload == System.supportsUDPReceiveOffload)
            #expect(capabilities.ecn && capabilities.packetInfo)
            // The kernel's floor is a few kilobytes; what more it grants depends on the machine.
            #expect(capabilities.receiveBufferByteCount >= 4096 && capabilities.sendBufferByteCount >= 4096)
            return bench.eventLoop.makeSucceededVoidFuture()
        }
    }

    @Test(arguments: ["127.0.0.1", "0.0.0.0", "[::1]", ""])
    func aPortInUseIsNamed(_ host: String) async throws {
        try await onLoop { bench in
            let (first, _) = try bench.listen("\(host):0")
            let port = first.localEndpoints[0].port
            #expect {
                try bench.listen("\(host):\(port)")
            } throws: { error in
                guard let error = error as? BindError else { return false }
                return error.reason == .portInUse && error.description.contains(":\(port) is in use")
            }
            return bench.eventLoop.makeSucceededVoidFuture()
        }
    }

    @Test func anAddressOfNobodyIsRefused() async throws {
        try await onLoop { bench in
            #expect {
                try bench.listen("192.0.2.77:0")
            } throws: { error in
                (error as? BindError)?.reason == .addressNotAvailable
            }
            return bench.eventLoop.makeSucceededVoidFuture()
        }
    }

    @Test func closingFreesThePort() async throws {
        try await onLoop { bench in
            let (first, _) = try bench.listen(":0")
            let port = first.localEndpoints[0].port
            let bound = NIOLoopBound(bench, eventLoop: bench.eventLoop)
            return first.close().flatMap { Self.listenAgain(on: port, bound, attempts: 500) }
        }
    }

    /// A process that another test starts at this moment has copies of all sockets until its own program begins: then it is free.
    private static func listenAgain(
        on port: UInt16, _ bench: NIOLoopBound<Bench>, attempts: Int
    ) -> EventLoopFuture<Void> {
        let loop = bench.value.eventLoop
        do {
            let (endpoint, _) = try bench.value.listen(":\(port)")
            #expect(endpoint.localEndpoints.map(\.port) == [port, port])
            return loop.makeSucceededVoidFuture()
        } catch let error as BindError where error.reason == .portInUse && attempts > 1 {
            return loop.flatScheduleTask(in: .milliseconds(10)) {
                listenAgain(on: port, bench, attempts: attempts - 1)
            }.futureResult
        } catch {
            return loop.makeFailedFuture(error)
        }
    }

    /// A handler may close its endpoint at any time, also amid a run of coalesced datagrams: it hears no more then.
    @Test func nothingIsDeliveredAfterClosing() async throws {
        try await onLoop { bench in
            let (target, recorder) = try bench.listen("127.0.0.1:0")
            let (origin, _) = try bench.listen("127.0.0.1:0")
            let promise = bench.eventLoop.makePromise(of: Void.self)
            recorder.onDatagram = { _ in
                guard recorder.datagrams.count == 3 else { return }
                target.close().cascade(to: promise)
            }
            for index in 0..<20 { origin.sender.append(pattern(index, 500), to: target.localEndpoints[0]) }
            origin.sender.flush()
            let bound = NIOLoopBound((recorder, target), eventLoop: bench.eventLoop)
            return promise.futureResult.map {
                let (recorder, target) = bound.value
                recorder.onDatagram = nil
                #expect(recorder.datagrams.map(\.bytes) == (0..<3).map { pattern($0, 500) })
                #expect(recorder.batches == 0)
                #expect(target.localEndpoints.isEmpty)
                #expect(target.sender.append([1], to: .loopback(9)) == .noSocket)
                #expect(target.statistics.datagramsIn == 3)
            }
        }
    }

    @Test func anEndpointLetGoWithoutClosingStopsReading() async throws {
        try await onLoop { bench in
            var endpoint: TestEndpoint? = try TestEndpoint(
                listen: ListenAddress(.loopback(0)), on: bench.eventLoop, handler: Recorder())
            let channel = try #require(endpoint?.channel(.v4))
            endpoint = nil
            return channel.closeFuture
        }
    }

    // MARK: Trouble

    @Test func datagramsWithoutASocketOfTheirFamilyAreNotTaken() async throws {
        try await onLoop { bench in
            let (endpoint, _) = try bench.listen("127.0.0.1:0")
            let sender = endpoint.sender
            #expect(sender.append([1], to: .loopbackV6(9)) == .noSocket)
            #expect(sender.append([1], to: .loopback(9), from: .loopbackV6(0)) == .noSocket)
            #expect(sender.append([], to: .loopback(9)) == .empty)
            // What only stands for an address goes nowhere, socket or not.
            let (six, _) = try bench.listen("[::1]:0")
            #expect(six.sender.append([1], to: .forwarded(number: 1)) == .noSocket)
            six.sender.flush()
            #expect(six.statistics.datagramsOut == 0)
            struct Refusal: Error {}
            #expect(throws: Refusal.self) {
                try sender.append(to: .loopback(9), from: nil, ecn: .notECT, maximumByteCount: 10) { _ in
                    throw Refusal()
                }
            }
            #expect(endpoint.statistics == SocketStatistics())
            return bench.eventLoop.makeSucceededVoidFuture()
        }
    }

    /// Should SwiftNIO close the channel under us, the gateway keeps its port and goes on.
    @Test(arguments: ["127.0.0.1:0", "[::1]:0", ":0"])
    func aChannelClosedBySomebodyElseIsOpenedAgainOnTheSamePort(_ address: String) async throws {
        let statistics = try await onLoop { bench in
            let (target, recorder) = try bench.listen(address)
            let (origin, _) = try bench.listen(address)
            let locals = target.localEndpoints
            let first = locals[0].isUnspecified ? .loopback(locals[0].port) : locals[0]
            origin.sender.append([1], to: first)
            origin.sender.flush()
            let bound = NIOLoopBound((origin, target, recorder, bench), eventLoop: bench.eventLoop)
            return recorder.heard(1, on: bench.eventLoop).flatMap { _ -> EventLoopFuture<Void> in
                let (_, target, _, bench) = bound.value
                target.sender.append([9], to: locals[0])
                return EventLoopFuture.andAllSucceed(
                    locals.compactMap { target.channel($0.family)?.close() }, on: bench.eventLoop)
            }.flatMap { () -> EventLoopFuture<[Received]> in
                let (_, target, _, bench) = bound.value
                return Self.untilRebound(target, bench).flatMap {
                    let (origin, _, recorder, bench) = bound.value
                    for local in locals {
                        let host: Endpoint = local.family == .v4 ? .loopback(local.port) : .loopbackV6(local.port)
                        origin.sender.append([2], to: host)
                    }
                    origin.sender.flush()
                    return recorder.heard(1 + locals.count, on: bench.eventLoop)
                }
            }.map { heard in
                let (_, target, _, _) = bound.value
                #expect(heard.map(\.bytes) == [[1]] + locals.map { _ in [2] })
                #expect(target.localEndpoints == locals)
                return target.statistics
            }
        }
        #expect(statistics.rebinds == (address == ":0" ? 2 : 1))
        #expect(statistics.queueDrops == 1)
        #expect(statistics.datagramsIn == statistics.rebinds + 1)
    }

    /// Completes when every family of `endpoint` has a channel again.
    static func untilRebound(_ endpoint: TestEndpoint, _ bench: Bench) -> EventLoopFuture<Void> {
        let promise = bench.eventLoop.makePromise(of: Void.self)
        let bound = NIOLoopBound((endpoint, bench), eventLoop: bench.eventLoop)
        @Sendable func look() {
            let (endpoint, bench) = bound.value
            if endpoint.localEndpoints.allSatisfy({ endpoint.channel($0.family)?.isActive == true }) {
                promise.succeed()
            } else {
                bench.eventLoop.scheduleTask(in: .milliseconds(1), look)
            }
        }
        look()
        return promise.futureResult
    }

    /// A probe of path MTU discovery that is too large for the interface fails alone; DF is set, so nothing is cut up.
    @Test(
        .enabled(if: PrivateNetwork.isAvailable, "needs root, to make a network namespace"),
        arguments: ["127.0.0.1:0", "[::1]:0"])
    func aDatagramAboveTheMTUFailsAlone(_ address: String) async throws {
        let headers = address.hasPrefix("[") ? 48 : 28
        let statistics = try await onLoop(inPrivateNetwork: 1500) { bench in
            let (target, recorder) = try bench.listen(address)
            let (origin, _) = try bench.listen(address)
            let local = target.localEndpoints[0]
            let fits = 1500 - headers
            // A probe between runs; a run above the MTU, whose short end fits; a run at the MTU.
            var expected: [[UInt8]] = []
            func send(_ size: Int, arrives: Bool) {
                let bytes = pattern(expected.count * 7 + size, size)
                origin.sender.append(bytes, to: local)
                if arrives { expected.append(bytes) }
            }
            for _ in 0..<5 { send(1200, arrives: true) }
            send(fits + 1, arrives: false)
            for _ in 0..<5 { send(1200, arrives: true) }
            for _ in 0..<3 { send(fits + 1, arrives: false) }
            send(fits, arrives: true)
            for _ in 0..<6 { send(fits, arrives: true) }
            origin.sender.flush()
            let wanted = expected
            var refusals: [SendRefusal] = []
            while let refusal = origin.sender.pollRefusal() { refusals.append(refusal) }
            #expect(refusals.allSatisfy { $0.reason == .tooLarge && $0.byteCount == fits + 1 })
            #expect(refusals.count == 4)
            #expect(origin.capabilities.v4?.segmentationOffload ?? true)
            #expect(origin.capabilities.v6?.segmentationOffload ?? true)
            let bound = NIOLoopBound(origin, eventLoop: bench.eventLoop)
            return recorder.heard(wanted.count, on: bench.eventLoop).map { heard in
                #expect(heard.map(\.bytes) == wanted)
                return bound.value.statistics
            }
        }
        #expect(statistics.refused == 4)
        #expect(statistics.refusedTooLarge == 4)
        #expect(statistics.datagramsOut == 17)
    }
}
