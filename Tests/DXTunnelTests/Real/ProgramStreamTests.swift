import NIOCore
import Testing

@testable import DXTunnel

extension GatewayTests {
    /// `dial` and `serve`: streams through real gateways without any TCP port.
    @Suite struct ProgramStreamTests {
        /// More than any window takes.
        private static let manyBytes = 40_000_000

        /// A pair whose destination is the program, and the streams that come out.
        private func pair(limit: Int = 1_024) async throws -> (pair: GatewayPair, accepted: AcceptedStreams) {
            var plan = GatewayPair.Plan([GatewayPair.tunnel(target: nil, listen: nil)])
            plan.cloudTunnels = [GatewayPair.tunnel(target: nil, listen: nil) { $0.maximumConnections = limit }]
            let pair = try await GatewayPair(plan)
            try await pair.waitUntilActive()
            let accepted = AcceptedStreams()
            try await pair.cloud.serve("app") { accepted.append($0) }
            return (pair, accepted)
        }

        private func readAll(_ stream: TunnelStream) async throws -> ByteBuffer {
            var all = ByteBuffer()
            for try await bytes in stream.inbound { all.writeImmutableBuffer(bytes) }
            return all
        }

        @Test func echoesBytesAndEndsOfBothDirections() async throws {
            let (pair, accepted) = try await pair()
            let stream = try await pair.edge.dial("app")
            let sent = ByteBuffer(bytes: Pattern.bytes(3_000_000, seed: 1))
            async let writing: Void = stream.write(sent)
            async let reading = readAll(stream)
            let other = try await accepted.next()
            let echoing = Task {
                for try await bytes in other.inbound { try await other.write(bytes) }
                other.finish()
            }
            try await writing
            stream.finish()
            #expect(try await reading == sent)
            try await echoing.value
            // The end stays the end.
            #expect(try await stream.read() == nil)
            #expect(try await stream.read() == nil)
            try await Polling.wait(until: "the stream to end at both gateways") {
                let (origin, destination) = try await (pair.originStatus(), pair.destinationStatus())
                return origin.openConnections == 0 && destination.openConnections == 0
            }
            try await pair.stop()
        }

        /// A read and a write that are known to wait.
        private func waitingReadAndWrite(
            _ stream: TunnelStream
        ) async throws -> (read: Task<ByteBuffer?, any Error>, write: Task<Void, any Error>) {
            let read = Task { try await stream.read() }
            let write = Task { try await stream.write(ByteBuffer(repeating: 5, count: Self.manyBytes)) }
            try await Polling.wait(until: "both to wait") { try await stream.isReadingAndWriting() }
            return (read, write)
        }

        @Test func takesOneReadAndOneWriteAtATime() async throws {
            let (pair, accepted) = try await pair()
            let stream = try await pair.edge.dial("app")
            let other = try await accepted.next()
            let (read, write) = try await waitingReadAndWrite(stream)
            await #expect(throws: TunnelStreamError.concurrentUse) { try await stream.read() }
            await #expect(throws: TunnelStreamError.concurrentUse) { try await stream.write(ByteBuffer(bytes: [1])) }
            try await other.write(ByteBuffer(bytes: [7]))
            #expect(try await read.value == ByteBuffer(bytes: [7]))
            async let all = readAll(other)
            try await write.value
            stream.finish()
            #expect(try await all.readableBytes == Self.manyBytes)
            try await pair.stop()
        }

        /// What a write still holds when `finish` comes from another task is sent before the end.
        @Test func finishesAfterAWriteThatWaits() async throws {
            let (pair, accepted) = try await pair()
            let stream = try await pair.edge.dial("app")
            let other = try await accepted.next()
            let (read, write) = try await waitingReadAndWrite(stream)
            stream.finish()
            await #expect(throws: TunnelStreamError.finished) { try await stream.write(ByteBuffer(bytes: [1])) }
            // The other direction ends while the write waits.
            other.finish()
            #expect(try await read.value == nil)
            #expect(try await pair.originStatus().openConnections == 1)
            let all = try await readAll(other)
            try await write.value
            #expect(all.readableBytes == Self.manyBytes)
            try await pair.stop()
        }

        @Test func aResetEndsBothSidesWithItsReason() async throws {
            let (pair, accepted) = try await pair()
            let stream = try await pair.edge.dial("app")
            let other = try await accepted.next()
            stream.reset()
            await #expect(throws: TunnelStreamError.reset(.aborted)) { try await other.read() }
            await #expect(throws: TunnelStreamError.reset(.aborted)) { try await other.write(ByteBuffer(bytes: [1])) }
            await #expect(throws: TunnelStreamError.reset(.aborted)) { try await stream.read() }
            try await pair.stop()
        }

        @Test func lettingAStreamGoResetsIt() async throws {
            let (pair, accepted) = try await pair()
            do {
                let stream = try await pair.edge.dial("app")
                try await stream.write(ByteBuffer(bytes: [1]))
            }
            let other = try await accepted.next()
            await #expect(throws: TunnelStreamError.reset(.aborted)) { try await readAll(other) }
            try await Polling.wait(until: "no stream to be open") {
                try await pair.originStatus().openConnections == 0
            }
            try await pair.stop()
        }

        @Test func refusalsHaveTheirReasons() async throws {
            let (pair, accepted) = try await pair(limit: 1)
            let stream = try await pair.edge.dial("app")
            let other = try await accepted.next()
            let second = try await pair.edge.dial("app")
            await #expect(throws: TunnelStreamError.reset(.limit)) { try await second.read() }
            other.reset()
            await #expect(throws: TunnelStreamError.reset(.aborted)) { try await stream.read() }
            await #expect(throws: GatewayError.unknownTunnel("nothing")) { try await pair.edge.dial("nothing") }
            await #expect(throws: GatewayError.unknownTunnel("app")) { try await pair.cloud.dial("app") }
            await #expect(throws: GatewayError.unknownTunnel("app")) { try await pair.edge.serve("app") { _ in } }
            try await pair.stop()
        }

        /// The reason is known whenever the program asks: before a read, during one, or after.
        @Test func aTunnelThatNobodyServesRefuses() async throws {
            let pair = try await GatewayPair(target: nil)
            let stream = try await pair.edge.dial("app")
            await #expect(throws: TunnelStreamError.reset(.refused)) { try await stream.read() }
            let second = try await pair.edge.dial("app")
            try await Polling.wait(until: "the refusal to have come") {
                try await pair.originStatus().openConnections == 0
            }
            await #expect(throws: TunnelStreamError.reset(.refused)) { try await second.read() }
            await #expect(throws: TunnelStreamError.reset(.refused)) { try await second.write(ByteBuffer(bytes: [1])) }
            #expect(try await pair.destinationStatus().refusedConnections == 2)
            try await pair.stop()
        }

        @Test func aTargetThatFailsIsNamed() async throws {
            let pair = try await GatewayPair(targetPort: try TCPServer.unusedPort())
            let stream = try await pair.edge.dial("app")
            await #expect(throws: TunnelStreamError.reset(.refused)) { try await stream.read() }
            try await pair.stop()
            let nowhere = try await GatewayPair(target: HostAddress(host: "nowhere.invalid", port: 1))
            let other = try await nowhere.edge.dial("app")
            await #expect(throws: TunnelStreamError.reset(.unreachable)) { try await other.read() }
            try await nowhere.stop()
        }

        /// An origin that asks for what it was never given.
        @Test func anUnknownInternalPortIsRefused() async throws {
            let (pair, accepted) = try await pair()
            let stream = try await pair.edge.onLoop { core in
                guard let channel = core.peers[0].channel else { throw GatewayError.notConnected("cloud") }
                var made: [ProgramBridge] = []
                let count = ConnectionCount(maximum: 1)
                let usage = TunnelUsage(ofTunnel: count, ofGateway: count)
                _ = try channel.openStream(internalPort: 1, streamClass: .bulk, share: 1) { id in
                    made.append(ProgramBridge(channel: channel, id: id, usage: usage, core: core))
                    return .program(made[0])
                }
                return TunnelStream(bridge: made[0], gate: core.gate)
            }
            await #expect(throws: TunnelStreamError.reset(.refused)) { try await stream.read() }
            #expect(try await pair.cloud.status().drops["unknown_internal_port"] == 1)
            // What it was given still works.
            let good = try await pair.edge.dial("app")
            try await good.write(ByteBuffer(bytes: [1]))
            #expect(try await accepted.next().read() == ByteBuffer(bytes: [1]))
            try await pair.stop()
        }

        @Test func dialingADestinationThatIsDownFailsAtOnce() async throws {
            let (pair, _) = try await pair()
            let stream = try await pair.edge.dial("app")
            try await pair.cloudRunner.stop()
            await #expect(throws: TunnelStreamError.channelClosed) { try await stream.read() }
            await #expect(throws: GatewayError.notConnected("cloud")) { try await pair.edge.dial("app") }
            await #expect(throws: GatewayError.notRunning) { try await pair.cloud.dial("app") }
            await #expect(throws: GatewayError.notRunning) { try await pair.cloud.status() }
            await #expect(throws: GatewayError.notRunning) { try await pair.cloud.ping("edge") }
            try await pair.stop()
        }

        /// A program may hold a stream for longer than the gateway runs, and use it in any state.
        @Test func aStreamOutlivesItsGateway() async throws {
            let (pair, accepted) = try await pair()
            let open = try await pair.edge.dial("app")
            let other = try await accepted.next()
            let finished = try await pair.edge.dial("app")
            let otherFinished = try await accepted.next()
            finished.finish()
            otherFinished.finish()
            #expect(try await finished.read() == nil)
            let waiting = Task { try await open.read() }
            try await pair.stop()
            await #expect(throws: TunnelStreamError.channelClosed) { try await waiting.value }
            for stream in [open, other, finished] {
                await #expect(throws: TunnelStreamError.channelClosed) { try await stream.read() }
                await #expect(throws: TunnelStreamError.channelClosed) {
                    try await stream.write(ByteBuffer(bytes: [1]))
                }
                stream.finish()
                stream.reset()
            }
        }

        /// Acceptors that are there before the gateway runs miss nothing.
        @Test func servesFromTheStart() async throws {
            let (pair, _) = try await pair()
            try await pair.cloudRunner.stop()
            let accepted = AcceptedStreams()
            try await pair.cloudRunner.start(serve: ["app": { accepted.append($0) }])
            try await pair.waitUntilActive()
            let stream = try await pair.edge.dial("app")
            try await stream.write(ByteBuffer(bytes: [3]))
            #expect(try await accepted.next().read() == ByteBuffer(bytes: [3]))
            try await pair.stop()
        }
    }
}
