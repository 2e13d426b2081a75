import DXWire
import Glibc
import NIOCore
import NIOPosix
import Testing

@testable import DXSocket

/// The story: SwiftNIO 2.101.2 closes a datagram channel when a send fails with any errno but EMSGSIZE and
/// EHOSTUNREACH. A gateway sends to addresses that a peer named; one bad address would take the socket that all
/// channels share. See docs/decisions/0020-own-send-path.md.
@Suite struct HostileDestinationTests {
    /// Destinations that every Linux refuses, each in its own way, and that nothing leaves the machine for.
    static let hostile: [(String, Endpoint)] = [
        ("port 0", Endpoint(v4: 0x7f00_0001, port: 0)),
        ("broadcast", Endpoint(v4: 0xffff_ffff, port: 7700)),
        ("IPv6 port 0", Endpoint(v6High: 0, low: 1, port: 0)),
        (
            "a link-local address on an interface that is not there",
            Endpoint(v6High: 0xfe80_0000_0000_0000, low: 1, scope: 0x7fff_fff0, port: 7700)
        ),
    ]

    /// Addresses without a route in a network that has only a loopback.
    static let unroutable = [
        Endpoint(v4: 0xc000_0201, port: 7700),
        Endpoint(v6High: 0x2001_0db8_0000_0000, low: 1, port: 7700),
    ]

    @Test func badDestinationsDoNotDisturbTheTrafficBesideThem() async throws {
        let statistics = try await onLoop { bench in
            let (target, recorder) = try bench.listen("127.0.0.1:0")
            let (origin, _) = try bench.listen(":0")
            let good = target.localEndpoints[0]
            for turn in 0..<10 {
                for (index, (_, bad)) in Self.hostile.enumerated() {
                    origin.sender.append(pattern(turn, 300), to: bad)
                    origin.sender.append(pattern(turn * 10 + index, 400), to: good)
                    // A pinned source that is not ours.
                    origin.sender.append(
                        pattern(turn, 500), to: good, from: Endpoint(v4: 0xc000_0201, port: 0))
                }
                origin.sender.flush()
            }
            let loop = NIOLoopBound((origin, target), eventLoop: bench.eventLoop)
            return recorder.heard(40, on: bench.eventLoop).map { heard in
                let expected = (0..<10).flatMap { turn in (0..<4).map { pattern(turn * 10 + $0, 400) } }
                #expect(heard.map(\.bytes) == expected)
                #expect(loop.value.0.channel(.v4)?.isActive == true)
                #expect(loop.value.0.channel(.v6)?.isActive == true)
                return loop.value.0.statistics
            }
        }
        #expect(statistics.datagramsOut == 40)
        #expect(statistics.refused == 80)
        #expect(statistics.rebinds == 0)
        #expect(statistics.refusedByErrno.values.reduce(0, +) == 80)
    }

    @Test(.enabled(if: PrivateNetwork.isAvailable, "needs root, to make a network namespace"))
    func unroutableDestinationsDoNotDisturbTheTrafficBesideThem() async throws {
        let statistics = try await onLoop(inPrivateNetwork: 65_536) { bench in
            let (target, recorder) = try bench.listen("127.0.0.1:0")
            let (origin, _) = try bench.listen(":0")
            for turn in 0..<10 {
                for bad in Self.unroutable {
                    origin.sender.append(pattern(turn, 300), to: bad)
                    origin.sender.append(pattern(turn, 400), to: target.localEndpoints[0])
                }
                origin.sender.flush()
            }
            var refusals: [SendRefusal] = []
            while let refusal = origin.sender.pollRefusal() { refusals.append(refusal) }
            #expect(Set(refusals.map(\.destination)) == Set(Self.unroutable))
            #expect(refusals.allSatisfy { $0.reason == .unreachable && $0.byteCount == 300 })
            let loop = NIOLoopBound(origin, eventLoop: bench.eventLoop)
            return recorder.heard(20, on: bench.eventLoop).map { _ in loop.value.statistics }
        }
        #expect(statistics.datagramsOut == 20)
        #expect(statistics.refusedByErrno == [ENETUNREACH: 20])
        #expect(statistics.rebinds == 0)
    }

    /// What SwiftNIO's own write path does with the same. Should this fail after an upgrade, SwiftNIO has changed, and
    /// decision 0020 can be looked at again.
    @Test(arguments: hostile.indices.filter { hostile[$0].1.family == .v4 })
    func swiftNIOClosesItsSocketOnTheSameDestinations(_ index: Int) async throws {
        let (name, bad) = Self.hostile[index]
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let channel = try await DatagramBootstrap(group: group).bind(host: "127.0.0.1", port: 0).get()
        let address = try SocketAddress(ipAddress: bad.addressText, port: Int(bad.port))
        let envelope = AddressedEnvelope(remoteAddress: address, data: ByteBuffer(string: "x"))
        await #expect(throws: IOError.self, "\(name)") { try await channel.writeAndFlush(envelope).get() }
        #expect(!channel.isActive, "\(name)")
        try await channel.closeFuture.get()
        try await group.shutdownGracefully()
    }
}
