import DXWire
import NIOCore
import Testing

@testable import DXSocket

/// Endpoints of several event loops at one port, on a real kernel.
@Suite struct PortSharingTests {
    private static func configuration(_ loopCount: Int) -> SocketConfiguration {
        var configuration = SocketConfiguration()
        configuration.sharingLoopCount = loopCount
        // A run goes where its first datagram goes.
        configuration.usesSegmentationOffload = false
        return configuration
    }

    /// Whatever the addresses, the first byte decides.
    @Test(arguments: ["127.0.0.1:0", "[::1]:0"], [2, 3, 16])
    func theFirstByteNamesTheLoop(_ address: String, _ loopCount: Int) async throws {
        let payloads = (0..<512).map { number in [UInt8(truncatingIfNeeded: number)] + pattern(number, 40) }
        try await onLoop { bench in
            let first = try bench.listen(address, Self.configuration(loopCount))
            let target = first.endpoint.localEndpoints[0]
            var all = [first]
            var joining = Self.configuration(loopCount)
            joining.joinsPort = true
            for _ in 1..<loopCount { all.append(try bench.listen("\(target)", joining)) }
            let steering = all.map { ($0.endpoint.capabilities.v4 ?? $0.endpoint.capabilities.v6)?.steering }
            #expect(steering.dropFirst().allSatisfy { $0 == true })
            // From several ports, so that a choice by addresses would be seen.
            let origins = try (0..<8).map { _ in try bench.listen(address, Self.configuration(1)).endpoint }
            for (number, payload) in payloads.enumerated() {
                origins[number / 64].sender.append(payload, to: target)
            }
            for origin in origins { origin.sender.flush() }
            let heard = all.enumerated().map { number, end in
                end.recorder.heard(
                    payloads.filter { Int($0[0]) % loopCount == number }.count, on: bench.eventLoop)
            }
            return EventLoopFuture.whenAllSucceed(heard, on: bench.eventLoop).map { lists in
                for (number, list) in lists.enumerated() {
                    let expected = payloads.filter { Int($0[0]) % loopCount == number }
                    #expect(Set(list.map(\.bytes)) == Set(expected) && list.count == expected.count)
                }
            }
        }
    }

    /// Only a gateway's own event loops join; whoever else wants the port is told, although it is shared.
    @Test(arguments: [(1, 1), (2, 1), (1, 2), (3, 4)])
    func aPortInUseIsAnError(_ loopCount: Int, _ stripeCount: Int) async throws {
        try await onLoop { bench in
            var configuration = Self.configuration(loopCount)
            configuration.stripeCount = stripeCount
            let first = try bench.listen("127.0.0.1:0", configuration).endpoint
            for other in [SocketConfiguration(), configuration] {
                #expect {
                    _ = try bench.listen("\(first.localEndpoints[0])", other)
                } throws: { ($0 as? BindError)?.reason == .portInUse }
            }
            return bench.eventLoop.makeSucceededVoidFuture()
        }
    }

    // MARK: Several sockets for one event loop

    /// A datagram as of a session: the loop's number, and a record number, of a fragment or not.
    private static func datagram(loop: Int, number: Int, isFragment: Bool) -> [UInt8] {
        var bytes = [UInt8](repeating: UInt8(loop), count: 1_200)
        bytes[8] = isFragment ? 0x80 : 0
        for place in 0..<5 { bytes[9 + place] = UInt8(truncatingIfNeeded: number >> (32 - 8 * place)) }
        return bytes
    }

    private static func number(_ datagram: [UInt8]) -> Int { datagram[9..<14].reduce(0) { $0 << 8 | Int($1) } }

    /// More arrives at once than one socket holds, whole datagrams and fragments; each loop gets its part, in order.
    @Test(arguments: [(1, 2), (1, 4), (2, 2), (3, 8)])
    func socketsOfALoopHoldMoreAndKeepTheOrder(_ loopCount: Int, _ stripeCount: Int) async throws {
        var configuration = Self.configuration(loopCount)
        configuration.stripeCount = stripeCount
        configuration.receiveBufferByteCount = 64 << 10
        let chosen = configuration
        // A socket takes some 50 of them; 16 in a row go to one.
        let numbers = (0..<(16 * stripeCount)).map { $0 + 5 << 30 }
        try await onLoop { bench in
            let first = try bench.listen("127.0.0.1:0", chosen)
            let target = first.endpoint.localEndpoints[0]
            var joining = chosen
            joining.joinsPort = true
            var all = [first]
            for _ in 1..<loopCount { all.append(try bench.listen("\(target)", joining)) }
            #expect(all.allSatisfy { $0.endpoint.isStriped && $0.endpoint.localEndpoints == [target] })
            let got = first.endpoint.capabilities.v4?.receiveBufferByteCount ?? 0
            #expect(got == stripeCount * (128 << 10))
            let origin = try bench.listen("127.0.0.1:0", Self.configuration(1)).endpoint
            for number in numbers {
                for loop in 0..<loopCount {
                    origin.sender.append(Self.datagram(loop: loop, number: number, isFragment: true), to: target)
                }
                // Or the sender's own queue is what is too small.
                origin.sender.flush()
            }
            let heard = all.map { $0.recorder.heard(numbers.count, on: bench.eventLoop) }
            let bound = NIOLoopBound(all, eventLoop: bench.eventLoop)
            return EventLoopFuture.whenAllSucceed(heard, on: bench.eventLoop).map { lists in
                for (loop, list) in lists.enumerated() {
                    #expect(list.map { Self.number($0.bytes) } == numbers)
                    #expect(list.allSatisfy { $0.bytes[0] == UInt8(loop) })
                }
                // All sockets were read before the batch ended, as far as they had anything by then.
                #expect(bound.value.allSatisfy { $0.recorder.batches < numbers.count })
            }
        }
    }

    /// What is no fragment comes to one socket, so it keeps its order whatever the numbers.
    @Test func wholeDatagramsComeToOneSocket() async throws {
        var configuration = Self.configuration(1)
        configuration.stripeCount = 4
        let chosen = configuration
        try await onLoop { bench in
            let target = try bench.listen("127.0.0.1:0", chosen)
            let origin = try bench.listen("127.0.0.1:0", Self.configuration(1)).endpoint
            let payloads = (0..<100).map { Self.datagram(loop: 0, number: $0 * 16, isFragment: false) }
            for payload in payloads { origin.sender.append(payload, to: target.endpoint.localEndpoints[0]) }
            origin.sender.flush()
            return target.recorder.heard(payloads.count, on: bench.eventLoop).map { heard in
                #expect(heard.map(\.bytes) == payloads)
            }
        }
    }

    /// Each socket is opened again when SwiftNIO gives it up.
    @Test func aSocketThatIsGivenUpComesBack() async throws {
        var configuration = Self.configuration(1)
        configuration.stripeCount = 2
        let chosen = configuration
        try await onLoop { bench in
            let (target, recorder) = try bench.listen("127.0.0.1:0", chosen)
            let origin = try bench.listen("127.0.0.1:0", Self.configuration(1)).endpoint
            let address = target.localEndpoints[0]
            origin.sender.append([1], to: address)
            origin.sender.flush()
            let bound = NIOLoopBound((target, recorder, origin, bench), eventLoop: bench.eventLoop)
            return recorder.heard(1, on: bench.eventLoop).flatMap { _ -> EventLoopFuture<Void> in
                bound.value.0.channel(.v4)?.close() ?? bound.value.0.eventLoop.makeSucceededVoidFuture()
            }.flatMap {
                UDPEndpointTests.untilRebound(bound.value.0, bound.value.3)
            }.flatMap { () -> EventLoopFuture<[Received]> in
                let (target, recorder, origin, _) = bound.value
                #expect(target.localEndpoints == [address])
                for number in 0..<64 {
                    origin.sender.append(Self.datagram(loop: 0, number: number, isFragment: true), to: address)
                }
                origin.sender.flush()
                return recorder.heard(65, on: target.eventLoop)
            }.map { heard in
                #expect(Set(heard.dropFirst().map { Self.number($0.bytes) }) == Set(0..<64))
            }
        }
    }
}
