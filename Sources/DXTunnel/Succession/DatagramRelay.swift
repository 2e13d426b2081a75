import DXWire
import NIOCore
import NIOPosix

/// Gives datagrams that are no session's here to the start before this one, as long as that has connections (`docs/restart.md` §4). Bound to
/// the gateway's event loop.
///
/// What waits is bounded by `waterMark`: what comes beyond is dropped and counted, as by a full socket. The connection ids that were
/// given away are remembered, so that the veil is not tried on each of their datagrams; of noise too, so at most `mostKnown` are.
final class DatagramRelay {
    private let channel: any Channel
    private var known: Set<ConnectionID> = []
    private var buffer = ByteBuffer()
    /// What has been told last.
    private var told: Standing?
    /// Ids that are new. Noise costs the other start a look each.
    private var newIDs = TokenBucket(perSecond: DatagramRelay.newPerSecond, burst: DatagramRelay.mostNew)
    /// Datagrams given away, and dropped.
    private(set) var given: UInt64 = 0
    private(set) var dropped: UInt64 = 0

    /// 4,096 sessions of the longest life change their ids often; noise takes the rest.
    private static let mostKnown = 65_536
    /// Sessions that are there when the start begins, some thousands; later ids are those that they change to.
    private static let newPerSecond = 1_000
    private static let mostNew = 8_192
    /// Some milliseconds of the fastest transfer.
    private static let waterMark = ChannelOptions.Types.WriteBufferWaterMark(low: 512 << 10, high: 1 << 20)

    private init(_ channel: any Channel) { self.channel = channel }

    /// A relay over a connected socket. Takes the descriptor. `ended` is called when the other start has ended.
    static func open(
        _ descriptor: CInt, on eventLoop: any EventLoop, ended: @escaping @Sendable () -> Void
    ) -> EventLoopFuture<NIOLoopBound<DatagramRelay>> {
        ClientBootstrap(group: eventLoop)
            .channelOption(.writeBufferWaterMark, value: waterMark)
            .withConnectedSocket(descriptor)
            .map { channel in
                channel.closeFuture.whenComplete { _ in ended() }
                return NIOLoopBound(DatagramRelay(channel), eventLoop: eventLoop)
            }
    }

    /// Takes a datagram of a session that was given away before.
    func takesKnown(
        _ datagram: RawSpan, from source: Endpoint, local: Endpoint?, ecn: ECNMark
    ) -> Bool {
        guard let id = Self.id(of: datagram), known.contains(id) else { return false }
        give(datagram, from: source, local: local, ecn: ecn)
        return true
    }

    /// Takes a datagram that is nobody's here.
    func take(_ datagram: RawSpan, from source: Endpoint, local: Endpoint?, ecn: ECNMark, now: Instant) {
        guard let id = Self.id(of: datagram) else { return }
        guard newIDs.take(now: now) else { return dropped &+= 1 }
        if known.count >= Self.mostKnown { known.removeAll(keepingCapacity: true) }
        known.insert(id)
        give(datagram, from: source, local: local, ecn: ecn)
    }

    private func give(_ datagram: RawSpan, from source: Endpoint, local: Endpoint?, ecn: ECNMark) {
        guard channel.isWritable, datagram.byteCount <= Constants.maximumDatagram else { return dropped &+= 1 }
        given &+= 1
        RelayedDatagram.write(datagram, from: source, local: local, ecn: ecn, to: &buffer)
        // Large enough that a batch is one write, small enough to be gone soon.
        if buffer.readableBytes >= 64 << 10 { flush() }
    }

    /// Sends what was taken.
    func flush() {
        guard buffer.readableBytes > 0 else { return }
        // A copy of its size: what waits is counted by what is in it.
        channel.writeAndFlush(channel.allocator.buffer(buffer: buffer), promise: nil)
        buffer.clear()
    }

    /// Tells who may still use the gateway, when that is news.
    func tell(_ standing: Standing) {
        guard standing != told else { return }
        told = standing
        RelayedDatagram.write(standing, to: &buffer)
        flush()
    }

    /// Ends the stream.
    func close() { channel.close(promise: nil) }

    private static func id(of datagram: RawSpan) -> ConnectionID? {
        guard datagram.byteCount > ConnectionID.byteCount else { return nil }
        var reader = ByteReader(datagram)
        return (try? reader.readUInt64()).map { ConnectionID(rawValue: $0) }
    }
}

@available(*, unavailable)
extension DatagramRelay: Sendable {}

/// The other end: takes what the next start of this gateway gives.
final class RelayReader: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let core: GatewayCore
    private var received = ByteBuffer()
    private let ended: () -> Void

    init(_ core: GatewayCore, ended: @escaping () -> Void) {
        self.core = core
        self.ended = ended
    }

    /// Reads a connected socket; takes the descriptor. `ended` is called when the next start has ended.
    static func open(
        _ descriptor: CInt, for core: GatewayCore, ended: @escaping () -> Void
    ) -> EventLoopFuture<any Channel> {
        let bound = NIOLoopBound(RelayReader(core, ended: ended), eventLoop: core.eventLoop)
        return ClientBootstrap(group: core.eventLoop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(bound.value) }
            }
            .withConnectedSocket(descriptor)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var new = unwrapInboundIn(data)
        received.writeBuffer(&new)
        var datagrams: [LoopNeighbour.Datagram] = []
        do throws(RelayedDatagram.Malformed) {
            while let next = try RelayedDatagram.read(&received) {
                switch next {
                case .datagram(let datagram): datagrams.append(datagram)
                case .standing(let standing): core.follow(standing)
                }
            }
        } catch {
            context.close(promise: nil)
            return
        }
        received.discardReadBytes()
        core.receiveHandedOver(datagrams)
    }

    func channelInactive(context: ChannelHandlerContext) { ended() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
