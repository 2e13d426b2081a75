import DXWire
import NIOCore
import Testing

@testable import DXSocket

/// Endpoints of several event loops at one port, on a real kernel.
@Suite(.timeLimit(.minutes(1))) struct PortSharingTests {
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
            for _ in 1..<loopCount { all.append(try bench.listen("\(target)", Self.configuration(loopCount))) }
            #expect(all.allSatisfy { ($0.endpoint.capabilities.v4 ?? $0.endpoint.capabilities.v6)?.steering == true })
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

    @Test func aPortThatIsNotSharedIsInUse() async throws {
        try await onLoop { bench in
            let alone = try bench.listen("127.0.0.1:0").endpoint
            #expect(alone.capabilities.v4?.steering == false)
            #expect(throws: BindError.self) {
                _ = try bench.listen("\(alone.localEndpoints[0])", Self.configuration(2))
            }
            return bench.eventLoop.makeSucceededVoidFuture()
        }
    }
}
