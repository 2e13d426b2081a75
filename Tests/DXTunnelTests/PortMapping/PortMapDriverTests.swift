import DXWire
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import DXMatch
@testable import DXTunnel

/// The driver on real sockets, with a PCP server of the test's own on loopback. What routers do is the laboratory's
/// (`Tests/Lab/run-portmap`).
@Suite struct PortMapDriverTests {
    /// A PCP server that grants everything.
    final class Server: ChannelInboundHandler, Sendable {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>
        typealias OutboundOut = AddressedEnvelope<ByteBuffer>

        /// The lifetimes that were asked for.
        let asked = Mutex<[UInt32]>([])

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let envelope = unwrapInboundIn(data)
            let request = Array(envelope.data.readableBytesView)
            guard request.count == 60, request[0] == 2, request[1] == 1 else { return }
            let lifetime = request[4..<8].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            asked.withLock { $0.append(lifetime) }
            var answer: [UInt8] = [2, 0x81, 0, 0] + request[4..<8] + [0, 0, 0, 9] + [UInt8](repeating: 0, count: 12)
            answer += request[24..<42] + request[40..<42]
            answer += [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 203, 0, 113, 10]
            let reply = AddressedEnvelope(remoteAddress: envelope.remoteAddress, data: ByteBuffer(bytes: answer))
            context.writeAndFlush(wrapOutboundOut(reply), promise: nil)
        }
    }

    /// A driver with the server as its router, and what it told.
    struct Rig {
        let loop: any EventLoop
        let server = Server()
        let channel: any Channel
        let driver: NIOLoopBound<PortMapDriver>
        let told: Told
        let route: DefaultRoute
        let hasRoute: Told.Switch

        /// Told events.
        final class Told: Sendable {
            let events = Mutex<[PortMapDriver.Event]>([])

            /// Whether there is a route.
            final class Switch: Sendable {
                let isOn = Mutex(true)
            }

            var list: [PortMapDriver.Event] { events.withLock { $0 } }
        }

        init() async throws {
            let loop = MultiThreadedEventLoopGroup.singleton.next()
            self.loop = loop
            // A network of its own in 127/8, so that tests at the same time do not meet.
            let net = 0x7f00_0000 | UInt32.random(in: 1...0xfffe) << 8
            let route = DefaultRoute(router: Endpoint(v4: net | 1, port: 0), local: Endpoint(v4: net | 2, port: 0))
            self.route = route
            let server = server
            channel = try await DatagramBootstrap(group: loop)
                .channelInitializer { channel in channel.pipeline.addHandler(server) }
                .bind(host: route.router.addressText, port: 5_351).get()
            let (told, hasRoute) = (Told(), Told.Switch())
            (self.told, self.hasRoute) = (told, hasRoute)
            driver = try await loop.submit {
                let driver = PortMapDriver(on: loop, nonce: PCPNonce(high: 1, low: 2)) {
                    hasRoute.isOn.withLock { $0 } ? [route] : []
                }
                driver.start(internalPorts: [7_700]) { event, family in
                    precondition(family == .v4)
                    told.events.withLock { $0.append(event) }
                }
                return NIOLoopBound(driver, eventLoop: loop)
            }.get()
        }

        func end() async throws {
            try await stop()
            try await channel.close()
        }

        func stop() async throws {
            let driver = driver
            try await loop.flatSubmit { driver.value.stop() }.get()
        }

        func networkChanged() async throws {
            let driver = driver
            try await loop.submit { driver.value.networkChanged() }.get()
        }

        /// Waits until the last that was told is this mapping. On a machine that stands still for seconds the router seems silent, and
        /// is asked again after minutes: here at once.
        func waitForMapping(_ mapping: PortMapping) async throws {
            try await Polling.wait(until: "the mapping") {
                let last = told.list.last
                if case .unavailable = last {
                    told.events.withLock { $0.removeAll() }
                    try await networkChanged()
                }
                return last == .mapped(mapping)
            }
        }
    }

    private static let mapping = PortMapping(
        internalPort: 7_700, external: Endpoint(v4: 0xcb00_710a, port: 7_700), lifetime: .seconds(7_200), via: .pcp)

    @Test func aPortIsMappedRenewedAndDeleted() async throws {
        let rig = try await Rig()
        try await rig.waitForMapping(Self.mapping)
        try await rig.networkChanged()
        try await Polling.wait(until: "the renewal") { rig.told.list.last == .renewed(Self.mapping) }
        let (driver, loop) = (rig.driver, rig.loop)
        let state = try await loop.submit { (driver.value.working, driver.value.mappings) }.get()
        #expect(state.0 == .pcp && state.1 == [Self.mapping])
        // Its future waits for the router's answer to the deletion, for two seconds.
        try await rig.stop()
        try await Polling.wait(until: "the deletion") { rig.server.asked.withLock { $0 }.last == 0 }
        try await rig.channel.close()
        #expect(rig.told.list == [.mapped(Self.mapping), .renewed(Self.mapping)])
    }

    @Test func aLostNetworkLosesTheMappingAndItsReturnBringsItBack() async throws {
        let rig = try await Rig()
        try await rig.waitForMapping(Self.mapping)
        rig.hasRoute.isOn.withLock { $0 = false }
        try await rig.networkChanged()
        #expect(rig.told.list.last == .lost(internalPort: 7_700, .networkChanged))
        rig.hasRoute.isOn.withLock { $0 = true }
        try await rig.networkChanged()
        try await rig.waitForMapping(Self.mapping)
        try await rig.end()
    }

    @Test func stoppingAtOnceIsClean() async throws {
        let rig = try await Rig()
        try await rig.end()
        // On a busy machine it has been mapped before that.
        let told = rig.told.list
        try await rig.loop.submit { [driver = rig.driver] in _ = driver.value.stop() }.get()
        #expect(rig.told.list == told)
    }
}
