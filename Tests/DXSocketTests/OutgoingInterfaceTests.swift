import CTestSupport
import DXWire
import Glibc
import NIOCore
import Testing

@testable import DXSocket

/// A host with two ways to everywhere: the source address alone does not decide by which one a datagram goes.
///
/// On Linux 6.18 a datagram from the modem's address left by Ethernet, whose route has the better metric; a carrier's
/// network drops what comes from there, and the answer never finds the way.
@Suite(.enabled(if: PrivateNetwork.isAvailable && TwoWays.isAvailable)) struct OutgoingInterfaceTests {
    @Test(arguments: [Endpoint.Family.v4, .v6])
    func theInterfaceDecidesTheWay(family: Endpoint.Family) async throws {
        let counts = try await onLoop(inPrivateNetwork: 1_500) { bench in
            try TwoWays.build()
            // A run of datagrams is one packet to the interface's counter.
            var alone = SocketConfiguration()
            alone.usesSegmentationOffload = false
            let (endpoint, _) = try bench.listen(":0", alone)
            let modem = TwoWays.modem
            var counts: [[Bool]] = []
            // The second goes by Ethernet: that the first does not is what this is about.
            for interface in [modem.index, 0] {
                let before = try TwoWays.sent()
                for _ in 0..<TwoWays.count {
                    endpoint.sender.append(
                        to: TwoWays.far(family), from: modem.address(family), over: interface, ecn: .notECT,
                        maximumByteCount: 4
                    ) { unsafe $0.append(repeating: 7, count: 4, as: UInt8.self) }
                }
                endpoint.sender.flush()
                let after = try TwoWays.sent()
                counts.append(zip(after, before).map { $0 - $1 >= TwoWays.count })
            }
            return bench.eventLoop.makeSucceededFuture(counts)
        }
        #expect(counts == [[false, true], [true, false]], "all by Ethernet, all by modem")
    }

    /// Datagrams over different interfaces never share a message for the kernel.
    @Test func runsAreOfOneInterface() {
        var run = SendRun(
            destination: TwoWays.far(.v4), source: nil, over: 3, ecn: .notECT, offset: 0, byteCount: 10)
        let isTaken = [4, 0, 3].map { interface in
            run.extend(destination: TwoWays.far(.v4), source: nil, over: interface, ecn: .notECT, byteCount: 10)
        }
        #expect(isTaken == [false, false, true])
        #expect(run.firstSegment.interface == 3)
    }
}

/// Ethernet and a modem in the calling thread's network namespace, both with routes to everywhere, the modem's worse.
private enum TwoWays {
    static let isAvailable = unsafe access("/usr/sbin/ip", X_OK) == 0 || access("/sbin/ip", X_OK) == 0

    /// An interface and its addresses.
    struct Interface {
        var index: UInt32

        func address(_ family: Endpoint.Family) -> Endpoint {
            switch family {
            case .v4: Endpoint(v4: 0xc633_6401, port: 0)
            case .v6: Endpoint(v6High: 0x2001_0db8_0002_0000, low: 1, port: 0)
            }
        }
    }

    static var modem: Interface { Interface(index: unsafe if_nametoindex("wwan0")) }

    static func far(_ family: Endpoint.Family) -> Endpoint {
        switch family {
        case .v4: Endpoint(v4: 0xcb00_7109, port: 9)
        case .v6: Endpoint(v6High: 0x2001_0db8_0009_0000, low: 9, port: 9)
        }
    }

    static func build() throws {
        let commands = """
            set -e
            echo 0 >/proc/sys/net/ipv6/conf/default/router_solicitations
            for d in eth0 wwan0; do ip link add $d type veth peer name p-$d
                ip link set $d addrgenmode none multicast off up; ip link set p-$d addrgenmode none up; done
            ip addr add 192.0.2.1/24 dev eth0; ip addr add 198.51.100.1/24 dev wwan0
            ip -6 addr add 2001:db8:1::1/64 dev eth0 nodad; ip -6 addr add 2001:db8:2::1/64 dev wwan0 nodad
            ip route add default via 192.0.2.254 dev eth0 metric 100
            ip route add default via 198.51.100.254 dev wwan0 metric 700
            ip -6 route add default via 2001:db8:1::fe dev eth0 metric 100
            ip -6 route add default via 2001:db8:2::fe dev wwan0 metric 700
            ip neigh add 192.0.2.254 lladdr 02:00:00:00:00:01 dev eth0 nud permanent
            ip neigh add 198.51.100.254 lladdr 02:00:00:00:00:02 dev wwan0 nud permanent
            ip -6 neigh add 2001:db8:1::fe lladdr 02:00:00:00:00:01 dev eth0 nud permanent
            ip -6 neigh add 2001:db8:2::fe lladdr 02:00:00:00:00:02 dev wwan0 nud permanent
            """
        let status = unsafe dx_shell(commands)
        guard status == 0 else { throw PrivateNetwork.Failure(code: status) }
    }

    /// Datagrams at a time: more than the kernel sends packets of its own meanwhile (neighbours, multicast reports).
    static let count = 20

    /// How many packets left by each.
    static func sent() throws -> [Int] {
        try ["eth0", "wwan0"].map { name in
            // The exit status of a shell has 8 bits, which is more than are sent here.
            let status = unsafe dx_shell("exit $(awk '$1 == \"\(name):\" {print $11}' /proc/self/net/dev)")
            guard status >= 0 else { throw PrivateNetwork.Failure(code: status) }
            return Int(status)
        }
    }
}
