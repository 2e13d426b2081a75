import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

@testable import DXTunnel

/// Both ends of one connection, as channels of NIO: over a tunnel, or over TCP for comparison.
struct ChannelEnds: Sendable {
    /// One of them.
    struct End: Sendable {
        let channel: any Channel
        let recorder: ChannelRecorder

        var seen: ChannelRecorder.Seen { recorder.seen }

        /// Writes and flushes, and does not wait.
        func begin(_ bytes: ByteBuffer) -> EventLoopFuture<Void> { channel.writeAndFlush(bytes) }

        /// Writes without a flush, and does not wait.
        func keep(_ bytes: ByteBuffer) -> EventLoopFuture<Void> { channel.write(bytes) }

        /// Closes the output, and does not wait.
        func beginToCloseOutput() -> EventLoopFuture<Void> { channel.close(mode: .output) }

        /// Writes, flushes, and waits until all was taken.
        func write(_ bytes: [UInt8]) async throws { try await channel.writeAndFlush(ByteBuffer(bytes: bytes)) }

        /// Waits for something to happen.
        func wait(for event: String) async throws {
            try await Polling.wait(until: "\(event), beside \(seen.events)") { seen.has(event) }
        }

        /// Waits for so many bytes.
        func wait(forBytes count: Int) async throws {
            try await Polling.wait(until: "\(count) bytes") { seen.bytes.readableBytes >= count }
        }
    }

    /// What both ends are like.
    struct Options: Sendable {
        var halfClosure = true
        var clientReads = true
        var serverReads = true
        var serverEchoes = false
        var serverNotesCompletes = false
    }

    let client: End
    let server: End
    /// The gateways between them; nil over TCP.
    let pair: GatewayPair?

    /// Gateways whose tunnel `app` is the program's at both ends.
    static func pair(_ change: (inout GatewayPair.Plan) -> Void = { _ in }) async throws -> GatewayPair {
        var plan = GatewayPair.Plan([GatewayPair.tunnel(target: nil, listen: nil)])
        change(&plan)
        let pair = try await GatewayPair(plan)
        try await pair.waitUntilActive()
        return pair
    }

    /// A connection over a tunnel of new gateways.
    static func overTunnel(
        _ options: Options = Options(), change: (inout GatewayPair.Plan) -> Void = { _ in }
    ) async throws -> ChannelEnds {
        let pair = try await pair(change)
        let accepted = NIOLockedValueBox<[End]>([])
        try await pair.cloud.serveChannels("app") { channel in
            prepare(channel, options, isServer: true) { end in accepted.withLockedValue { $0.append(end) } }
        }
        let made = NIOLockedValueBox<End?>(nil)
        _ = try await pair.edge.channel(to: "app") { channel in
            prepare(channel, options, isServer: false) { end in made.withLockedValue { $0 = end } }
        }
        guard let client = made.withLockedValue({ $0 }) else { preconditionFailure("the initializer was called") }
        let server = try await Polling.wait(for: "a channel") { accepted.withLockedValue { $0.first } }
        return ChannelEnds(client: client, server: server, pair: pair)
    }

    /// A connection over TCP.
    static func overTCP(_ options: Options = Options()) async throws -> ChannelEnds {
        let accepted = NIOLockedValueBox<[End]>([])
        let group = MultiThreadedEventLoopGroup.singleton
        let listener = try await ServerBootstrap(group: group)
            .childChannelInitializer { channel in
                prepare(channel, options, isServer: true) { end in accepted.withLockedValue { $0.append(end) } }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let made = NIOLockedValueBox<End?>(nil)
        _ = try await ClientBootstrap(group: group)
            .channelInitializer { channel in
                prepare(channel, options, isServer: false) { end in made.withLockedValue { $0 = end } }
            }
            .connect(host: "127.0.0.1", port: listener.localAddress?.port ?? 0).get()
        guard let client = made.withLockedValue({ $0 }) else { preconditionFailure("the initializer was called") }
        let server = try await Polling.wait(for: "a channel") { accepted.withLockedValue { $0.first } }
        try await listener.close()
        return ChannelEnds(client: client, server: server, pair: nil)
    }

    private static func prepare(
        _ channel: any Channel, _ options: Options, isServer: Bool, _ made: (End) -> Void
    ) -> EventLoopFuture<Void> {
        channel.eventLoop.makeCompletedFuture {
            let recorder = ChannelRecorder(
                echoes: isServer && options.serverEchoes, notesCompletes: isServer && options.serverNotesCompletes)
            try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: options.halfClosure)
            try channel.syncOptions?.setOption(
                .autoRead, value: isServer ? options.serverReads : options.clientReads)
            try channel.pipeline.syncOperations.addHandler(recorder)
            made(End(channel: channel, recorder: recorder))
        }
    }

    /// Waits until neither gateway has a connection.
    func waitUntilNoneIsOpen() async throws {
        guard let pair else { return }
        try await Polling.wait(until: "no connection to be open") {
            let (origin, destination) = try await (pair.originStatus(), pair.destinationStatus())
            return origin.openConnections == 0 && destination.openConnections == 0
        }
    }

    /// Ends everything.
    func stop() async throws {
        // The gateways' channels end with them, and so does their event loop.
        if let pair { return try await pair.stop() }
        for end in [client, server] { try? await end.channel.close() }
    }
}
