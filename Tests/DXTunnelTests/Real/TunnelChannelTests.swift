import DXStream
import DXWire
import NIOConcurrencyHelpers
import NIOCore
import Testing

@testable import DXTunnel

extension GatewayTests {
    /// Channels of NIO over a tunnel: what they owe to their pipelines and to the other end.
    @Suite struct TunnelChannelTests {
        private static let aborted = "\(TunnelStreamError.reset(.aborted))"

        private func options(_ change: (inout ChannelEnds.Options) -> Void) -> ChannelEnds.Options {
            var options = ChannelEnds.Options()
            change(&options)
            return options
        }

        @Test func echoesBytesAndEndsOfBothDirections() async throws {
            let ends = try await ChannelEnds.overTunnel(options { $0.serverEchoes = true })
            let bytes = Pattern.bytes(3_000_000, seed: 1)
            try await ends.client.write(bytes)
            try await ends.client.channel.close(mode: .output)
            try await ends.client.wait(for: "removed")
            try await ends.server.wait(for: "removed")
            #expect(ends.client.seen.bytes == ByteBuffer(bytes: bytes))
            #expect(
                ends.client.seen.events.filter { !$0.hasSuffix("ritable") } == [
                    "registered", "active", "outputClosed", "inactive", "unregistered", "removed",
                ])
            #expect(
                ends.server.seen.events.filter { !$0.hasSuffix("ritable") } == [
                    "registered", "active", "inputClosed", "inactive", "unregistered", "removed",
                ])
            try await ends.client.channel.closeFuture.get()
            #expect(!ends.client.channel.isActive && !ends.client.channel.isWritable)
            try await ends.waitUntilNoneIsOpen()
            try await ends.stop()
        }

        /// Without half closure an end closes it, as it does with TCP.
        @Test func closesAtTheEndWithoutHalfClosure() async throws {
            let ends = try await ChannelEnds.overTunnel(options { $0.halfClosure = false })
            try await ends.client.write([1, 2, 3])
            try await ends.client.channel.close()
            try await ends.server.wait(for: "removed")
            #expect(ends.server.seen.bytes == ByteBuffer(bytes: [1, 2, 3]))
            #expect(ends.server.seen.events == ["registered", "active", "inactive", "unregistered", "removed"])
            try await ends.waitUntilNoneIsOpen()
            try await ends.stop()
        }

        /// Whoever heeds `isWritable` holds little, and so do the gateways; everything arrives once it is read.
        @Test(arguments: [true, false]) func aReaderThatDoesNotReadStopsTheWriter(clientWrites: Bool) async throws {
            let options = options {
                $0.clientReads = clientWrites
                $0.serverReads = !clientWrites
            }
            let ends = try await ChannelEnds.overTunnel(options) { $0.limits.memoryBytes = 8 << 20 }
            let (writer, reader) = clientWrites ? (ends.client, ends.server) : (ends.server, ends.client)
            let all = Pattern.bytes(24 << 20, seed: 2)
            var written = 0
            func writeWhileWritable() async throws {
                while written < all.count, writer.channel.isWritable {
                    let piece = all[written..<min(written + 65_536, all.count)]
                    writer.channel.writeAndFlush(ByteBuffer(bytes: piece), promise: nil)
                    written += piece.count
                    // Whether it is writable is known after this.
                    _ = try await writer.channel.eventLoop.submit {}.get()
                }
            }
            // Until nothing moves any more: while a message goes through both gateways and back no byte is taken.
            try await Polling.wait(until: "the writer to be stopped") {
                try await writeWhileWritable()
                let before = try await writer.channel.getOption(.bufferedWritableBytes).get()
                _ = try await ends.pair?.edge.ping("cloud", timeout: .seconds(600))
                let after = try await writer.channel.getOption(.bufferedWritableBytes).get()
                return !writer.channel.isWritable && before == after
            }
            #expect(written < 16 << 20)
            #expect(reader.seen.bytes.readableBytes == 0)
            let buffered = try await writer.channel.getOption(.bufferedWritableBytes).get()
            #expect(buffered >= 65_536 && buffered <= 2 * 65_536)
            for gateway in [ends.pair?.edge, ends.pair?.cloud] {
                let used = try #require(try await gateway?.status().memory.usedBytes)
                #expect(used <= 8 << 20)
            }
            try await reader.channel.setOption(.autoRead, value: true).get()
            try await Polling.wait(until: "all to be written") {
                try await writeWhileWritable()
                return written == all.count
            }
            try await writer.channel.close(mode: .output)
            try await reader.wait(for: "inputClosed")
            #expect(reader.seen.bytes == ByteBuffer(bytes: all))
            try await ends.stop()
        }

        /// One `read` gets one piece, and a pause is a pause.
        @Test func readsWhenItIsTold() async throws {
            let ends = try await ChannelEnds.overTunnel(options { $0.serverReads = false })
            try await ends.client.write([1])
            ends.server.channel.read()
            try await ends.server.wait(forBytes: 1)
            // A read that waits is taken back by a pause.
            try await ends.server.channel.setOption(.autoRead, value: true).get()
            try await ends.server.channel.setOption(.autoRead, value: false).get()
            try await ends.client.write([2])
            try await Polling.wait(until: "the byte to have come") {
                try await ends.pair?.cloud.onLoop { core in
                    core.peers[0].channel?.connections.contains {
                        guard case .program(let bridge) = $0 else { return false }
                        let glance = bridge.glance
                        return glance.channel.transport.progress(of: glance.stream)?.unread == 1
                    }
                } ?? false
            }
            #expect(ends.server.seen.bytes == ByteBuffer(bytes: [1]))
            ends.server.channel.read()
            try await ends.server.wait(forBytes: 2)
            try await ends.stop()
        }

        /// A channel whose server is an `EagerReader`, which has asked once.
        private func eager(
            _ change: (inout GatewayPair.Plan) -> Void = { _ in }
        ) async throws -> (pair: GatewayPair, client: any Channel, reader: EagerReader) {
            let (pair, reader) = (try await ChannelEnds.pair(change), EagerReader())
            let accepted = NIOLockedValueBox<(any Channel)?>(nil)
            try await pair.cloud.serveChannels("app") { channel in
                accepted.withLockedValue { $0 = channel }
                return channel.setOption(.autoRead, value: false).flatMap { channel.pipeline.addHandler(reader) }
            }
            let client = try await pair.edge.channel(to: "app") { $0.eventLoop.makeSucceededVoidFuture() }
            let server = try await Polling.wait(for: "a channel") { accepted.withLockedValue { $0 } }
            try await Polling.wait(until: "it to be active") { server.isActive }
            server.read()
            _ = try await server.eventLoop.submit {}.get()
            return (pair, client, reader)
        }

        /// A handler that asks for more before it passes on what it has gets that afterwards, in order.
        @Test func readsAreNotWithinOneAnother() async throws {
            let (pair, client, reader) = try await eager()
            let all = Pattern.bytes(3 * 65_536, seed: 7)
            for start in stride(from: 0, to: all.count, by: 65_536) {
                try await client.writeAndFlush(ByteBuffer(bytes: all[start..<start + 65_536]))
            }
            try await Polling.wait(until: "all to have come") { reader.seen.bytes.readableBytes == all.count }
            #expect(reader.seen.maximumDepth == 1)
            #expect(reader.seen.bytes == ByteBuffer(bytes: all))
            try await pair.stop()
        }

        /// However much waits: others have their turn after a few pieces.
        @Test func readsAFewPiecesATurn() async throws {
            let (pair, client, reader) = try await eager { $0.tunnels[0].compression = .deflate }
            // As few bytes on the way as all of it is decompressed from.
            let count = 16 << 20
            try await client.writeAndFlush(ByteBuffer(repeating: 0, count: count))
            try await Polling.wait(until: "all to have come") { reader.seen.bytes.readableBytes == count }
            // The one that came by itself, and a turn's.
            #expect(reader.seen.maximumPieces <= 17)
            try await pair.stop()
        }

        /// The other end hears of a reset at once, whether it reads or not, and so does whoever waits for a write.
        @Test(arguments: [true, false]) func aResetEndsBothEnds(clientResets: Bool) async throws {
            let options = options {
                $0.clientReads = clientResets
                $0.serverReads = !clientResets
            }
            let ends = try await ChannelEnds.overTunnel(options)
            let (one, other) = clientResets ? (ends.client, ends.server) : (ends.server, ends.client)
            let waiting = one.begin(ByteBuffer(repeating: 1, count: 40_000_000))
            let otherWaiting = other.keep(ByteBuffer(bytes: [1]))
            // An event loop reads its sockets before it does what it is told: the reset would overtake the write.
            try await other.channel.eventLoop.submit {}.get()
            try await one.channel.triggerUserOutboundEvent(TunnelChannelEvent.reset).get()
            await #expect(throws: TunnelStreamError.reset(.aborted)) { try await waiting.get() }
            try await other.wait(for: "removed")
            #expect(
                other.seen.events == ["registered", "active", Self.aborted, "inactive", "unregistered", "removed"])
            await #expect(throws: TunnelStreamError.reset(.aborted)) { try await otherWaiting.get() }
            #expect(!one.channel.isActive && !other.channel.isActive)
            try await ends.waitUntilNoneIsOpen()
            try await ends.stop()
        }

        /// Also when it was told that this direction has ended, so that it has nothing to refuse.
        @Test func aResetAfterTheEndOfTheOutputIsHeard() async throws {
            let ends = try await ChannelEnds.overTunnel(options { $0.clientReads = false })
            try await ends.client.channel.close(mode: .output)
            try await ends.server.wait(for: "inputClosed")
            // What came before the answer was acknowledged by then.
            _ = try await ends.pair?.edge.ping("cloud", timeout: .seconds(600))
            try await ends.server.channel.triggerUserOutboundEvent(TunnelChannelEvent.reset).get()
            try await ends.client.wait(for: "removed")
            #expect(ends.client.seen.has(Self.aborted))
            try await ends.waitUntilNoneIsOpen()
            try await ends.stop()
        }

        /// What the stream has taken arrives, and then the end; what it has not fails.
        @Test func closingDropsOnlyWhatWasNotTaken() async throws {
            let ends = try await ChannelEnds.overTunnel(options { $0.serverReads = false })
            let all = Pattern.bytes(40_000_000, seed: 3)
            let first = ends.client.begin(ByteBuffer(bytes: all.prefix(1_000)))
            let second = ends.client.begin(ByteBuffer(bytes: all.dropFirst(1_000)))
            try await first.get()
            try await ends.client.channel.close()
            await #expect(throws: ChannelError.ioOnClosedChannel) { try await second.get() }
            try await ends.server.channel.setOption(.autoRead, value: true).get()
            try await ends.server.wait(for: "inputClosed")
            let got = ends.server.seen.bytes
            #expect(got.readableBytes >= 1_000 && got.readableBytes < all.count)
            #expect(got == ByteBuffer(bytes: all.prefix(got.readableBytes)))
            try await ends.server.channel.close()
            try await ends.waitUntilNoneIsOpen()
            // What never left is not counted.
            #expect(try await ends.pair?.originStatus().bytesToTarget == UInt64(got.readableBytes))
            try await ends.stop()
        }

        /// NIO's TCP channels lose what waits when the input has ended already; these do not.
        @Test func theOutputEndsAfterWhatWaits() async throws {
            let ends = try await ChannelEnds.overTunnel(options { $0.serverReads = false })
            try await ends.server.channel.close(mode: .output)
            try await ends.client.wait(for: "inputClosed")
            let all = Pattern.bytes(24 << 20, seed: 4)
            let written = ends.client.begin(ByteBuffer(bytes: all))
            let closed = ends.client.beginToCloseOutput()
            let closedAgain = ends.client.beginToCloseOutput()
            await #expect(throws: ChannelError.outputClosed) { try await ends.client.write([1]) }
            try await ends.server.channel.setOption(.autoRead, value: true).get()
            try await written.get()
            try await closed.get()
            try await closedAgain.get()
            try await ends.server.wait(for: "removed")
            #expect(ends.server.seen.bytes == ByteBuffer(bytes: all))
            try await ends.client.wait(for: "removed")
            try await ends.waitUntilNoneIsOpen()
            try await ends.stop()
        }

        /// As with a TCP socket that was closed: what still comes resets it.
        @Test func bytesToAClosedChannelResetTheOther() async throws {
            let ends = try await ChannelEnds.overTunnel()
            try await ends.client.channel.close()
            try await ends.server.wait(for: "inputClosed")
            try await ends.server.write([1])
            try await ends.server.wait(for: Self.aborted)
            try await ends.waitUntilNoneIsOpen()
            try await ends.stop()
        }

        /// The other end never ends its half: after a while there is no connection any more.
        @Test func aClosedChannelDoesNotWaitForEver() async throws {
            let ends = try await ChannelEnds.overTunnel { $0.tuning.closedPatience = .milliseconds(50) }
            try await ends.client.channel.close()
            try await ends.server.wait(for: Self.aborted)
            try await ends.waitUntilNoneIsOpen()
            try await ends.stop()
        }

        /// What was written arrives, however long its reader pauses.
        @Test func aClosedChannelWaitsForASlowReader() async throws {
            let ends = try await ChannelEnds.overTunnel(options { $0.serverReads = false }) {
                $0.tuning.closedPatience = .milliseconds(500)
            }
            let all = Pattern.bytes(40_000_000, seed: 8)
            let taken = NIOLockedValueBox(0)
            // Until one is not taken any more.
            for start in stride(from: 0, to: all.count, by: 10_000) {
                ends.client.begin(ByteBuffer(bytes: all[start..<start + 10_000]))
                    .whenSuccess { taken.withLockedValue { $0 += 10_000 } }
            }
            _ = try await ends.pair?.edge.ping("cloud", timeout: .seconds(600))
            try await ends.client.channel.close()
            // Several patiences by the loop's own clock, so that it has looked several times by then.
            try await ends.client.channel.eventLoop.scheduleTask(in: .seconds(3)) {}.futureResult.get()
            let count = taken.withLockedValue { $0 }
            #expect(count > 0 && count < all.count)
            try await ends.server.channel.setOption(.autoRead, value: true).get()
            try await ends.server.wait(for: "inputClosed")
            let got = ends.server.seen.bytes
            #expect(got.readableBytes >= count)
            #expect(got == ByteBuffer(bytes: all.prefix(got.readableBytes)))
            // Unless its patience was over meanwhile.
            try? await ends.server.channel.close()
            try await ends.waitUntilNoneIsOpen()
            try await ends.stop()
        }

        /// The first destination says no, perhaps when all is written and the channel closed: the second one gets it all, as it is less
        /// than is kept for that (16 KiB).
        @Test func whatWasWrittenBeforeACloseReachesTheNextDestination() async throws {
            let trio = try await GatewayTrio(targets: [1, 1]) { tunnel in
                tunnel.destinations = ["a", "b"].map { .init(gateway: $0, target: nil) }
            }
            let recorder = ChannelRecorder()
            // Nobody serves it at a.
            try await trio.b.serveChannels("app") { $0.pipeline.addHandler(recorder) }
            let channel = try await trio.edge.channel(to: "app") { $0.eventLoop.makeSucceededVoidFuture() }
            let bytes = ByteBuffer(bytes: Pattern.bytes(10_000, seed: 9))
            channel.writeAndFlush(bytes).whenSuccess { channel.close(promise: nil) }
            try await Polling.wait(until: "the end") { recorder.seen.has("removed") }
            #expect(recorder.seen.bytes == bytes)
            try await trio.stop()
        }

        /// A connection of one of a pair's gateways, for as long as anybody else keeps it.
        private final class Watched {
            weak var bridge: ProgramBridge?
            init(_ bridge: ProgramBridge?) { self.bridge = bridge }
        }

        private func watch(_ gateway: Gateway) async throws -> NIOLoopBound<Watched> {
            try await gateway.onLoop { core in
                var found: ProgramBridge?
                for case .program(let bridge) in core.peers[0].channel?.connections ?? [] { found = bridge }
                return NIOLoopBound(Watched(found), eventLoop: core.eventLoop)
            }
        }

        /// However long one that does not end would be waited for.
        @Test func aConnectionThatHasEndedIsKeptByNobody() async throws {
            let pair = try await ChannelEnds.pair {
                $0.tuning.closedPatience = .seconds(3_600)
                $0.tunnels[0].compression = .deflate
            }
            // It closes at the end, as channels do.
            try await pair.cloud.serveChannels("app") { $0.eventLoop.makeSucceededVoidFuture() }
            func exchange() async throws -> [NIOLoopBound<Watched>] {
                let client = try await pair.edge.channel(to: "app") { $0.eventLoop.makeSucceededVoidFuture() }
                try await client.writeAndFlush(ByteBuffer(bytes: [1]))
                try await Polling.wait(until: "it to be accepted") {
                    try await pair.destinationStatus().openConnections == 1
                }
                let watched = try await [watch(pair.edge), watch(pair.cloud)]
                for (gateway, each) in zip([pair.edge, pair.cloud], watched) {
                    #expect(try await gateway.onLoop { _ in each.value.bridge != nil })
                }
                try await client.close()
                return watched
            }
            for (gateway, each) in zip([pair.edge, pair.cloud], try await exchange()) {
                try await Polling.wait(until: "nobody to keep it") {
                    try await gateway.onLoop { _ in each.value.bridge == nil }
                }
            }
            try await pair.stop()
        }

        /// Whoever closes its input gets nothing more, and the other end may go on.
        @Test func aClosedInputThrowsAway() async throws {
            let ends = try await ChannelEnds.overTunnel()
            try await ends.client.channel.close(mode: .input)
            try await ends.client.wait(for: "inputClosed")
            await #expect(throws: ChannelError.inputClosed) { try await ends.client.channel.close(mode: .input) }
            try await ends.server.write(Pattern.bytes(24 << 20, seed: 5))
            try await ends.client.write([7])
            try await ends.server.wait(forBytes: 1)
            try await ends.server.channel.close(mode: .output)
            try await ends.client.channel.close(mode: .output)
            try await ends.server.wait(for: "removed")
            #expect(ends.client.seen.bytes.readableBytes == 0)
            try await ends.waitUntilNoneIsOpen()
            try await ends.stop()
        }

        @Test func theEndOfAGatewayClosesItsChannels() async throws {
            let ends = try await ChannelEnds.overTunnel(options { $0.serverReads = false })
            let waiting = ends.client.begin(ByteBuffer(repeating: 1, count: 40_000_000))
            // It has begun.
            _ = try await ends.client.channel.eventLoop.submit {}.get()
            try await ends.pair?.cloudRunner.stop()
            let lost = "\(TunnelStreamError.channelClosed)"
            try await ends.client.wait(for: "removed")
            try await ends.server.wait(for: "removed")
            #expect(ends.client.seen.has(lost) && ends.server.seen.has(lost))
            await #expect(throws: TunnelStreamError.channelClosed) { try await waiting.get() }
            #expect(!ends.server.channel.isActive && !ends.server.channel.isWritable)
            try await ends.pair?.stop()
        }

        @Test func misuseFailsAndHarmsNothing() async throws {
            let ends = try await ChannelEnds.overTunnel()
            let channel = ends.client.channel
            #expect(channel.localAddress == nil && channel.remoteAddress == nil && channel.parent == nil)
            await #expect(throws: ChannelError.operationUnsupported) { try await channel.writeAndFlush("text") }
            await #expect(throws: ChannelError.operationUnsupported) {
                try await channel.triggerUserOutboundEvent("event").get()
            }
            let address = try SocketAddress(ipAddress: "127.0.0.1", port: 1)
            await #expect(throws: ChannelError.operationUnsupported) { try await channel.bind(to: address).get() }
            await #expect(throws: ChannelError.operationUnsupported) { try await channel.connect(to: address).get() }
            await #expect(throws: ChannelError.inappropriateOperationForState) { try await channel.register().get() }
            await #expect(throws: ChannelError.operationUnsupported) { try await channel.getOption(.backlog).get() }
            await #expect(throws: ChannelError.operationUnsupported) {
                try await channel.setOption(.tcpOption(.tcp_nodelay), value: 1).get()
            }
            try await ends.client.write([])
            try await ends.client.write([9])
            try await ends.server.wait(forBytes: 1)
            try await channel.close(mode: .output)
            await #expect(throws: ChannelError.outputClosed) { try await ends.client.write([1]) }
            await #expect(throws: ChannelError.outputClosed) { try await channel.close(mode: .output) }
            try await channel.close()
            await #expect(throws: ChannelError.ioOnClosedChannel) { try await ends.client.write([1]) }
            await #expect(throws: ChannelError.alreadyClosed) { try await channel.close() }
            await #expect(throws: ChannelError.ioOnClosedChannel) { try await channel.getOption(.autoRead).get() }
            #expect(ends.server.seen.bytes == ByteBuffer(bytes: [9]))
            try await ends.stop()
        }

        @Test func theWaterMarkMakesItUnwritableAndWritableAgain() async throws {
            let ends = try await ChannelEnds.overTunnel()
            let channel = ends.client.channel
            let mark = ChannelOptions.Types.WriteBufferWaterMark(low: 5, high: 10)
            try await channel.setOption(.writeBufferWaterMark, value: mark).get()
            let set = try await channel.getOption(.writeBufferWaterMark).get()
            #expect(set.low == 5 && set.high == 10)
            channel.write(ByteBuffer(repeating: 1, count: 10), promise: nil)
            _ = try await channel.eventLoop.submit {}.get()
            #expect(channel.isWritable)
            channel.write(ByteBuffer(repeating: 1, count: 1), promise: nil)
            _ = try await channel.eventLoop.submit {}.get()
            #expect(!channel.isWritable)
            #expect(try await channel.getOption(.bufferedWritableBytes).get() == 11)
            // Whoever hears that a write was taken may ask at once, and fill it again.
            let answers = NIOLockedValueBox<[Bool]>([])
            try await channel.eventLoop.submit {
                let taken = channel.eventLoop.makePromise(of: Void.self)
                taken.futureResult.whenSuccess {
                    answers.withLockedValue { $0.append(channel.isWritable) }
                    channel.write(ByteBuffer(repeating: 3, count: 11), promise: nil)
                    answers.withLockedValue { $0.append(channel.isWritable) }
                }
                channel.writeAndFlush(ByteBuffer(repeating: 2, count: 11), promise: taken)
            }.get()
            try await ends.server.wait(forBytes: 22)
            #expect(answers.withLockedValue { $0 } == [true, false])
            channel.flush()
            try await ends.server.wait(forBytes: 33)
            #expect(channel.isWritable)
            #expect(ends.client.seen.events == ["registered", "active", "unwritable", "writable"])
            try await ends.stop()
        }

        /// Closes its channel as soon as that is registered.
        private final class Closer: ChannelInboundHandler, Sendable {
            typealias InboundIn = ByteBuffer

            func channelRegistered(context: ChannelHandlerContext) {
                context.fireChannelRegistered()
                context.close(promise: nil)
            }
        }

        /// A pipeline hears of the end of what it has heard the beginning of, and the caller gets no channel that is closed.
        @Test func closingBeforeItIsActive() async throws {
            let pair = try await ChannelEnds.pair()
            try await pair.cloud.serveChannels("app") { $0.eventLoop.makeSucceededVoidFuture() }
            let recorder = ChannelRecorder()
            await #expect(throws: TunnelStreamError.self) {
                _ = try await pair.edge.channel(to: "app") { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandlers([Closer(), recorder])
                        return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                    }
                }
            }
            #expect(recorder.seen.events == ["registered", "unregistered", "removed"])
            await #expect(throws: TunnelStreamError.self) {
                _ = try await pair.edge.channel(to: "app") { channel in
                    channel.close(promise: nil)
                    return channel.eventLoop.makeSucceededFuture(1)
                }
            }
            try await pair.stop()
        }

        /// What cannot be made is not left open.
        @Test func anInitializerThatFailsEndsTheConnection() async throws {
            let pair = try await ChannelEnds.pair()
            try await pair.cloud.serveChannels("app") { $0.eventLoop.makeFailedFuture(ChannelError.unremovableHandler) }
            await #expect(throws: ChannelError.badMulticastGroupAddressFamily) {
                _ = try await pair.edge.channel(to: "app") { channel -> EventLoopFuture<Void> in
                    channel.eventLoop.makeFailedFuture(ChannelError.badMulticastGroupAddressFamily)
                }
            }
            let channel = try await pair.edge.channel(to: "app") { $0.eventLoop.makeSucceededVoidFuture() }
            try await channel.closeFuture.get()
            try await Polling.wait(until: "no connection to be open") {
                let (origin, destination) = try await (pair.originStatus(), pair.destinationStatus())
                return origin.openConnections == 0 && destination.openConnections == 0
            }
            // One that never comes to an end is ended with the gateway.
            let waiting = Task {
                try await pair.edge.channel(to: "app") { $0.eventLoop.makePromise(of: Int.self).futureResult }
            }
            try await Polling.wait(until: "it to be dialled") { try await pair.originStatus().openConnections == 1 }
            try await pair.stop()
            await #expect(throws: TunnelStreamError.self) { try await waiting.value }
        }

        @Test func refusalsHaveTheirReasons() async throws {
            let pair = try await ChannelEnds.pair()
            let recorder = ChannelRecorder()
            let channel = try await pair.edge.channel(to: "app") { $0.pipeline.addHandler(recorder) }
            try await channel.closeFuture.get()
            #expect(recorder.seen.has("\(TunnelStreamError.reset(.refused))"))
            await #expect(throws: GatewayError.unknownTunnel("nothing")) {
                _ = try await pair.edge.channel(to: "nothing") { $0.eventLoop.makeSucceededVoidFuture() }
            }
            await #expect(throws: GatewayError.unknownTunnel("app")) {
                try await pair.edge.serveChannels("app") { $0.eventLoop.makeSucceededVoidFuture() }
            }
            try await pair.stop()
            await #expect(throws: GatewayError.notRunning) {
                _ = try await pair.edge.channel(to: "app") { $0.eventLoop.makeSucceededVoidFuture() }
            }
        }

        /// For programs that are written with async and await.
        @Test func carriesAsyncChannels() async throws {
            let pair = try await ChannelEnds.pair()
            try await pair.cloud.serveChannels("app") { channel in
                channel.eventLoop.makeCompletedFuture {
                    let stream = try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                    Task {
                        try await stream.executeThenClose { inbound, outbound in
                            for try await bytes in inbound { try await outbound.write(bytes) }
                        }
                    }
                }
            }
            let stream = try await pair.edge.channel(to: "app") { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
                    return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                        wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
                }
            }
            let all = ByteBuffer(bytes: Pattern.bytes(1_000_000, seed: 6))
            let got = try await stream.executeThenClose { inbound, outbound in
                try await outbound.write(all)
                var got = ByteBuffer()
                for try await bytes in inbound {
                    got.writeImmutableBuffer(bytes)
                    if got.readableBytes == all.readableBytes { outbound.finish() }
                }
                return got
            }
            #expect(got == all)
            try await pair.stop()
        }
    }
}
