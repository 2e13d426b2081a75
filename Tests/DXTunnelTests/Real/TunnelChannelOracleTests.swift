import DXWire
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix
import Testing

@testable import DXTunnel

extension GatewayTests {
    /// A channel over a tunnel beside one over TCP: the same is done to both, and the same is seen.
    @Suite struct TunnelChannelOracleTests {
        /// What is done to an end.
        private enum Step {
            case write(count: Int, pieces: Int)
            case pause
            case resume
            case read
            case closeOutput
            case misuse
        }

        /// What is known of an end, whatever carries it.
        private struct Model {
            var sent: [UInt8] = []
            var isOutputClosed = false
            var isReading = true
        }

        private func step(_ random: inout RandomSource, _ model: Model, other: Model) -> Step {
            switch random.next() % 16 {
            case 0..<8:
                return model.isOutputClosed
                    ? .misuse : .write(count: Int(random.next() % 3_000), pieces: 1 + Int(random.next() % 3))
            case 8, 9: return model.isReading ? .pause : .resume
            case 10: return model.isReading ? .misuse : .read
            case 11 where !model.isOutputClosed && other.isReading: return .closeOutput
            default: return .resume
            }
        }

        /// Does it; what it answered.
        private func perform(_ step: Step, at end: ChannelEnds.End, bytes: [UInt8]) async -> String {
            do {
                switch step {
                case .write(_, let pieces):
                    // In pieces with one flush, of which the last one is told of.
                    let size = max(1, bytes.count / pieces)
                    for start in stride(from: 0, to: bytes.count, by: size) {
                        let piece = ByteBuffer(bytes: bytes[start..<min(start + size, bytes.count)])
                        end.channel.write(piece, promise: nil)
                    }
                    try await end.channel.writeAndFlush(ByteBuffer())
                case .pause: try await end.channel.setOption(.autoRead, value: false).get()
                case .resume: try await end.channel.setOption(.autoRead, value: true).get()
                case .read: end.channel.read()
                case .closeOutput: try await end.channel.close(mode: .output)
                case .misuse: try await end.channel.triggerUserOutboundEvent("nonsense").get()
                }
                return "done"
            } catch { return "failed" }
        }

        /// Waits until what must have come has come.
        private func settle(_ ends: [ChannelEnds.End], _ models: [Model]) async throws {
            for index in 0..<2 {
                let (model, other) = (models[index], models[1 - index])
                guard model.isReading else { continue }
                try await ends[index].wait(forBytes: other.sent.count)
                if other.isOutputClosed {
                    try await Polling.wait(until: "the end to arrive") {
                        ends[index].seen.has("inputClosed") || ends[index].seen.has("inactive")
                    }
                }
            }
        }

        /// Whatever the tunnel makes of the bytes on their way.
        private static func change(_ tunnel: inout GatewayConfiguration.Tunnel, seed: UInt64) {
            if seed % 3 == 1 { tunnel.compression = .deflate }
            if seed % 4 == 1 { tunnel.maximumRate = 4_000_000 }
        }

        @Test(arguments: 1...12 as ClosedRange<UInt64>) func doesWhatTCPDoes(seed: UInt64) async throws {
            let tunnel = try await ChannelEnds.overTunnel { Self.change(&$0.tunnels[0], seed: seed) }
            let tcp = try await ChannelEnds.overTCP()
            let carriers = [[tunnel.client, tunnel.server], [tcp.client, tcp.server]]
            var models = [Model(), Model()]
            var random = RandomSource(seed: seed)
            for _ in 0..<40 {
                let index = Int(random.next() % 2)
                guard !(models[0].isOutputClosed && models[1].isOutputClosed) else { break }
                let step = step(&random, models[index], other: models[1 - index])
                var bytes: [UInt8] = []
                if case .write(let count, _) = step { bytes = Pattern.bytes(count, seed: random.next()) }
                var answers: [String] = []
                for ends in carriers { answers.append(await perform(step, at: ends[index], bytes: bytes)) }
                #expect(answers[0] == answers[1], "seed \(seed): \(step)")
                models[index].sent += bytes
                switch step {
                case .pause: models[index].isReading = false
                case .resume: models[index].isReading = true
                case .closeOutput: models[index].isOutputClosed = true
                case .write, .read, .misuse: break
                }
                for ends in carriers { try await settle(ends, models) }
            }
            for index in 0..<2 {
                models[index].isReading = true
                for ends in carriers { _ = await perform(.resume, at: ends[index], bytes: []) }
            }
            for ends in carriers { try await settle(ends, models) }
            for index in 0..<2 where !models[index].isOutputClosed {
                for ends in carriers { _ = await perform(.closeOutput, at: ends[index], bytes: []) }
                models[index].isOutputClosed = true
                for ends in carriers { try await settle(ends, models) }
            }
            for index in 0..<2 {
                for ends in carriers {
                    try await ends[index].wait(for: "removed")
                    #expect(ends[index].seen.bytes == ByteBuffer(bytes: models[1 - index].sent), "seed \(seed)")
                }
                let (one, other) = (carriers[0][index].seen.events, carriers[1][index].seen.events)
                #expect(one == other, "seed \(seed)")
            }
            try await tunnel.waitUntilNoneIsOpen()
            try await tunnel.stop()
            try await tcp.stop()
        }

        /// A handler that gathers until a round of reading is over hears that it is before the end.
        @Test(arguments: [true, false]) func theLastRoundOfReadingIsComplete(halfClosure: Bool) async throws {
            var options = ChannelEnds.Options()
            (options.halfClosure, options.serverNotesCompletes) = (halfClosure, true)
            let (tunnel, tcp) = try await (ChannelEnds.overTunnel(options), ChannelEnds.overTCP(options))
            for ends in [tunnel, tcp] {
                try await ends.client.channel.close()
                try await ends.server.wait(for: halfClosure ? "inputClosed" : "removed")
                let events = ends.server.seen.events.prefix(4)
                #expect(events == ["registered", "active", "complete", halfClosure ? "inputClosed" : "inactive"])
            }
            try await tunnel.stop()
            try await tcp.stop()
        }

        // MARK: HTTP

        /// Everything that comes to a client, and what it makes of it.
        private struct Exchange: Equatable, Sendable {
            var bytes = ByteBuffer()
            var bodies: [ByteBuffer] = []
        }

        /// Keeps a copy of what passes.
        private final class Tap: ChannelInboundHandler, Sendable {
            typealias InboundIn = ByteBuffer
            typealias InboundOut = ByteBuffer
            let exchange = NIOLockedValueBox(Exchange())

            func channelRead(context: ChannelHandlerContext, data: NIOAny) {
                let bytes = unwrapInboundIn(data)
                exchange.withLockedValue { _ = $0.bytes.writeImmutableBuffer(bytes) }
                context.fireChannelRead(data)
            }
        }

        /// Keeps the bodies of responses.
        private final class Responses: ChannelInboundHandler {
            typealias InboundIn = HTTPClientResponsePart
            private let tap: Tap
            private var body = ByteBuffer()

            init(_ tap: Tap) { self.tap = tap }

            func channelRead(context: ChannelHandlerContext, data: NIOAny) {
                switch unwrapInboundIn(data) {
                case .head: body = ByteBuffer()
                case .body(let bytes): body.writeImmutableBuffer(bytes)
                case .end: tap.exchange.withLockedValue { $0.bodies.append(body) }
                }
            }
        }

        /// Answers with what was asked, once that is whole.
        private final class Echo: ChannelInboundHandler {
            typealias InboundIn = HTTPServerRequestPart
            typealias OutboundOut = HTTPServerResponsePart
            private var body = ByteBuffer()
            private var keepsAlive = true

            func channelRead(context: ChannelHandlerContext, data: NIOAny) {
                switch unwrapInboundIn(data) {
                case .head(let head):
                    body = ByteBuffer()
                    keepsAlive = head.isKeepAlive
                case .body(let bytes): body.writeImmutableBuffer(bytes)
                case .end:
                    let head = HTTPResponseHead(
                        version: .http1_1, status: .ok, headers: ["content-length": "\(body.readableBytes)"])
                    context.write(wrapOutboundOut(.head(head)), promise: nil)
                    context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
                    let end = context.eventLoop.makePromise(of: Void.self)
                    if !keepsAlive { end.futureResult.assumeIsolated().whenSuccess { context.close(promise: nil) } }
                    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: end)
                }
            }
        }

        private static func serve(_ channel: any Channel) -> EventLoopFuture<Void> {
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                try channel.pipeline.syncOperations.addHandler(Echo())
            }
        }

        private static func ask(_ channel: any Channel, _ tap: Tap) -> EventLoopFuture<Void> {
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(tap)
                try channel.pipeline.syncOperations.addHTTPClientHandlers()
                try channel.pipeline.syncOperations.addHandler(Responses(tap))
            }
        }

        /// Three requests one after the other without waiting, the last of which closes.
        private static func exchange(_ channel: any Channel, _ bodies: [ByteBuffer]) async throws {
            for (index, body) in bodies.enumerated() {
                var headers = HTTPHeaders([("host", "dx"), ("content-length", "\(body.readableBytes)")])
                if index == bodies.count - 1 { headers.add(name: "connection", value: "close") }
                let head = HTTPRequestHead(version: .http1_1, method: .POST, uri: "/\(index)", headers: headers)
                channel.write(HTTPClientRequestPart.head(head), promise: nil)
                channel.write(HTTPClientRequestPart.body(.byteBuffer(body)), promise: nil)
                channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
            }
            try await channel.closeFuture.get()
        }

        @Test func carriesHTTPByteForByteAsTCPDoes() async throws {
            let bodies = [10, 3_000_000, 0].map { ByteBuffer(bytes: Pattern.bytes($0, seed: UInt64($0))) }
            let pair = try await ChannelEnds.pair()
            try await pair.cloud.serveChannels("app") { Self.serve($0) }
            let overTunnel = Tap()
            let channel = try await pair.edge.channel(to: "app") { Self.ask($0, overTunnel) }
            try await Self.exchange(channel, bodies)
            try await pair.stop()

            let group = MultiThreadedEventLoopGroup.singleton
            let listener = try await ServerBootstrap(group: group)
                .childChannelInitializer { Self.serve($0) }.bind(host: "127.0.0.1", port: 0).get()
            let overTCP = Tap()
            let client = try await ClientBootstrap(group: group)
                .channelInitializer { Self.ask($0, overTCP) }
                .connect(host: "127.0.0.1", port: listener.localAddress?.port ?? 0).get()
            try await Self.exchange(client, bodies)
            try await listener.close()

            let (one, other) = (
                overTunnel.exchange.withLockedValue { $0 }, overTCP.exchange.withLockedValue { $0 }
            )
            #expect(one.bodies == bodies)
            #expect(one == other)
        }
    }
}
