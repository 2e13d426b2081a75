import DXWire
import Testing

@testable import DXTunnel

/// The default gateway in the kernel's tables, as Linux prints them.
@Suite struct RouteTableTests {
    private static let head =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT                               \n"

    @Test func theDefaultGatewayOfIPv4() {
        let table =
            Self.head + "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
            + "eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"
        #expect(RouteTable.router(v4: table) == Endpoint(v4: 0xc0a8_0101, port: 0))
    }

    @Test func theLeastMetricWins() {
        let table =
            Self.head + "wlan0\t00000000\t0102A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
            + "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
            + "wwan0\t00000000\t0103A8C0\t0003\t0\t0\t700\t00000000\t0\t0\t0\n"
        #expect(RouteTable.router(v4: table) == Endpoint(v4: 0xc0a8_0101, port: 0))
    }

    @Test(arguments: [
        "", "no table", "eth0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0",
        "tun0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000080\t0\t0\t0",  // 0/1
        "eth0\t0001A8C0\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0",
        "eth0\t00000000\t0101A8C0\t0002\t0\t0\t0\t00000000\t0",
        "eth0\t00000000\t0101A8C0\t0203\t0\t0\t0\t00000000\t0\t0\t0", "eth0\t00000000\t0101A8C0\t0003\t0\t0\t0",
        "eth0\t00000000\tXX01A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0",
    ])
    func whatIsNoDefaultGatewayOfIPv4(line: String) {
        #expect(RouteTable.router(v4: Self.head + line + "\n") == nil)
    }

    private static let any = String(repeating: "0", count: 32)
    private static let routerOfLink = "fe800000000000000000000000000001"

    private static func line(
        _ hop: String, metric: String = "00000400", flags: String = "00000003", on: String = "eth0"
    )
        -> String
    {
        "\(any) 00 \(any) 00 \(hop) \(metric) 00000001 00000000 \(flags)     \(on)\n"
    }

    private func router(_ table: String) -> Endpoint? { RouteTable.router(v6: table) { $0 == "eth0" ? 2 : 0 } }

    @Test func theDefaultGatewayOfIPv6() {
        let table =
            "20010db8000000010000000000000000 40 \(Self.any) 00 \(Self.any) 00000100 00000001 00000000 00000001     eth0\n"
            + Self.line(Self.routerOfLink, metric: "00000800")
            + Self.line("20010db8000000010000000000000001")
            + "\(Self.any) 00 \(Self.any) 00 \(Self.any) ffffffff 00000001 00000000 00200200       lo\n"
        #expect(router(table) == Endpoint(v6High: 0x2001_0db8_0000_0001, low: 1, port: 0))
        #expect(
            router(Self.line(Self.routerOfLink)) == Endpoint(v6High: 0xfe80 << 48, low: 1, scope: 2, port: 0))
    }

    @Test func whatIsNoDefaultGatewayOfIPv6() {
        for table in [
            "", "x", Self.line(Self.any), Self.line(Self.routerOfLink, on: "eth9"), Self.line("fe80"),
            Self.line(Self.routerOfLink, flags: "00000203"), Self.line(Self.routerOfLink, flags: "00000001"),
            Self.line("00000000000000000000ffffc0a80101"),
        ] {
            #expect(router(table) == nil, "\(table)")
        }
    }

    @Test func thisHostsTablesAreRead() {
        // Whatever they say here, a route is complete, and of each family there is one at most.
        let routes = DefaultRoute.current()
        #expect(Set(routes.map(\.router.family)).count == routes.count)
        for route in routes {
            #expect(
                route.local.family == route.router.family && !route.local.isUnspecified && !route.router.isUnspecified)
        }
        #expect(RouteTable.read("/proc/net/route").hasPrefix("Iface"))
        #expect(RouteTable.read("/proc/there-is-no-such-file").isEmpty)
    }
}
