import DXTunnel
import NIOCore
import Testing

/// `dial` and `serve`: streams through real gateways without any TCP port.
@Suite struct ProgramStreamTests {
    @Test func echoesBytesAndEndsOfBothDirections() async throws {
        let pair = try await GatewayPair(target: nil)
        try await pair.cloud.serve("app") { stream in
            Task {
                for try await bytes in stream.inbound { try await stream.write(bytes) }
                stream.finish()
            }
        }
        let stream = try await pair.edge.dial("app")
        let count = 3_000_000
        let sent = ByteBuffer(bytes: (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) })
        async let writing: Void = {
            try await stream.write(sent)
            stream.finish()
        }()
        var received = ByteBuffer()
        for try await bytes in stream.inbound { received.writeImmutableBuffer(bytes) }
        try await writing
        #expect(received.readableBytes == count)
        #expect(received == sent)
        try await pair.stop()
    }
}
