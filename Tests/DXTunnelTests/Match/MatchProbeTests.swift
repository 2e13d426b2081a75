import DXMatch
import DXSecure
import DXWire
import NIOCore
import NIOPosix
import Testing

@testable import DXTunnel

/// A look at a matchmaker over real sockets.
@Suite struct MatchProbeTests {
    /// What a probe of a matchmaker on loopback finds.
    private func status(pin: (Identity) -> GatewayID?, answersMatch: Bool = true) async throws -> MatchmakerStatus {
        let identity = try Identity.generate()
        let pin = pin(identity)
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        let server = try await VeiledMatchmaker.start(identity, answersMatch: answersMatch, on: loop)
        let port = UInt16(server.localAddress?.port ?? 0)
        let found = try await probe(port, pin: pin, on: loop)
        try await server.close()
        return found
    }

    private func probe(_ port: UInt16, pin: GatewayID?, on loop: any EventLoop) async throws -> MatchmakerStatus {
        try await loop.flatSubmit {
            let promise = loop.makePromise(of: MatchmakerStatus.self)
            let probe = MatchProbe(
                "here:\(port)", pin: pin, addresses: [Endpoint(v4: 0x7f00_0001, port: port)], on: loop,
                random: RandomSource(seed: SecureRandom.next()))
            probe.start { promise.succeed($0) }
            // Its owner holds it until it has ended.
            let held = NIOLoopBound(probe, eventLoop: loop)
            return promise.futureResult.always { _ in withExtendedLifetime(held) {} }
        }.get()
    }

    @Test func aMatchmakerThatServesAnswersEverything() async throws {
        let status = try await status { $0.gatewayID }
        #expect(status.state == .answers && status.problem == nil && status.stun == true)
        #expect(status.largeDatagrams == true && status.rttMicroseconds != nil)
        #expect(status.observed.count == 1 && status.observed.first?.hasPrefix("127.0.0.1:") == true)
    }

    /// Under another pin nothing can be said to it; STUN tells that something is there.
    @Test func aWrongPinIsToldFromSilence() async throws {
        let other = try Identity.generate().gatewayID
        let status = try await status { _ in other }
        #expect(status.state == .failing && status.stun == true && status.largeDatagrams == nil)
        #expect(status.problem?.contains("not under the pin \(other.text)") == true)
    }

    /// A matchmaker that answers STUN says its pin: both are shown, to be compared.
    @Test func bothPinsAreShown() async throws {
        let other = try Identity.generate().gatewayID
        let matchmaker = try await LoopbackMatchmaker(serving: [])
        let port = try #require(UInt16(matchmaker.address.split(separator: "#")[0].split(separator: ":")[1]))
        let pin = String(matchmaker.address.split(separator: "#")[1])
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        let status = try await probe(port, pin: other, on: loop)
        #expect(status.state == .failing && status.pin == other.text && status.seenPin == pin)
        #expect(status.problem?.contains(pin) == true && status.problem?.contains(other.text) == true)
        let right = try await probe(port, pin: GatewayID(text: pin), on: loop)
        #expect(right.state == .answers && right.seenPin == nil)
        try await matchmaker.stop()
    }

    @Test func aServerWithoutAPinIsAskedForSTUNOnly() async throws {
        let status = try await status(pin: { _ in nil }, answersMatch: false)
        #expect(status.state == .answers && status.pin == nil && status.stun == true)
        #expect(status.rttMicroseconds != nil && status.observed.count == 1)
    }
}

/// `RealMatchmaker` and a STUN server at one port of loopback.
private final class VeiledMatchmaker: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>

    private let matchmaker: RealMatchmaker?

    private init(_ matchmaker: RealMatchmaker?) { self.matchmaker = matchmaker }

    static func start(_ identity: Identity, answersMatch: Bool, on loop: any EventLoop) async throws -> any Channel {
        try await DatagramBootstrap(group: loop).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                let matchmaker = answersMatch ? try RealMatchmaker(identity, now: .zero + .seconds(1)) : nil
                try channel.pipeline.syncOperations.addHandler(VeiledMatchmaker(matchmaker))
            }
        }.bind(host: "127.0.0.1", port: 0).get()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        let datagram = Array(buffer: envelope.data)
        guard let host = envelope.remoteAddress.ipAddress, let port = envelope.remoteAddress.port,
            let source = Endpoint(address: host, port: UInt16(port))
        else { return }
        let answer =
            STUNMessage.isPossible(datagram.raw)
            ? bindingAnswer(datagram, source)
            : try? matchmaker?.receive(datagram, from: source, now: .zero + .seconds(2))
        guard let answer else { return }
        context.writeAndFlush(
            wrapOutboundOut(AddressedEnvelope(remoteAddress: envelope.remoteAddress, data: ByteBuffer(bytes: answer))),
            promise: nil)
    }

    private func bindingAnswer(_ datagram: [UInt8], _ source: Endpoint) -> [UInt8]? {
        guard let request = try? STUNMessage(reading: datagram.raw) else { return nil }
        var answer = STUNMessage(kind: .success, transaction: request.transaction)
        answer.xorMappedAddress = source
        return TunnelMessageWriter.bytes(capacity: answer.byteCount()) { answer.write(to: &$0) }
    }
}
