import DXWire
import Testing

@testable import DXTunnel

/// What is different between two looks at a network, and where datagrams leave a host with several ways.
@Suite struct NetworkSnapshotTests {
    private typealias Interface = NetworkSnapshot.Interface

    private static let wired = Endpoint(v4: 0xc000_0201, port: 0)
    private static let mobile = Endpoint(v4: 0xc633_6401, port: 0)
    private static let mobileV6 = Endpoint(v6High: 0x2001_0db8 << 32, low: 1, port: 0)

    private static func host() -> NetworkSnapshot {
        NetworkSnapshot(interfaces: [
            Interface(name: "lo", index: 1, isLoopback: true, addresses: [Endpoint(v4: 0x7f00_0001, port: 0)]),
            Interface(name: "eth0", index: 2, addresses: [wired], defaultMetrics: [.v4: 100]),
            Interface(name: "wwan0", index: 3, addresses: [mobile, mobileV6], defaultMetrics: [.v4: 700, .v6: 700]),
        ])
    }

    @Test func theSameIsNoChange() { #expect(Self.host().changes(from: Self.host()).isEmpty) }

    @Test func addressesThatGoAndCome() {
        var after = Self.host()
        let new = Endpoint(v4: 0xc000_0202, port: 0)
        after.interfaces[1].addresses = [new]
        let change = after.changes(from: Self.host())
        #expect(change == NetworkChange(gone: [Self.wired], new: [new], routesChanged: false))
        #expect(change.has(lost: Self.wired.withPort(7_700)) && !change.has(lost: new) && !change.has(lost: nil))
    }

    /// Containers come and go; only what was used over their bridge is over when it goes.
    @Test func whatJoinsContainersIsNoNews() {
        var after = Self.host()
        let inner = Endpoint(v4: 0xac11_0001, port: 0)
        after.interfaces.append(Interface(name: "docker0", index: 9, isVirtual: true, addresses: [inner]))
        #expect(after.changes(from: Self.host()).isEmpty)
        #expect(Self.host().changes(from: after).gone == [inner])
    }

    /// The cable is out: the address is still there, and of no use.
    @Test func anInterfaceWithoutACarrierHasNoAddress() {
        var after = Self.host()
        after.interfaces[1].isRunning = false
        #expect(after.changes(from: Self.host()) == NetworkChange(gone: [Self.wired], new: [], routesChanged: false))
        #expect(Self.host().changes(from: after).new == [Self.wired])
    }

    @Test func routesThatChange() {
        var after = Self.host()
        after.interfaces[2].defaultMetrics[.v4] = 50
        #expect(after.changes(from: Self.host()) == NetworkChange(gone: [], new: [], routesChanged: true))
        after.interfaces[2].defaultMetrics = [:]
        #expect(after.changes(from: Self.host()).routesChanged)
    }

    /// Only where the table could send a datagram elsewhere is the interface named.
    @Test func theExitIsNamedWhereThereAreSeveral() {
        var host = Self.host()
        #expect(host.exit(from: Self.mobile.withPort(9)) == 3 && host.exit(from: Self.wired) == 2)
        #expect(host.exit(from: Self.mobileV6) == 0, "the only way of IPv6")
        #expect(host.exit(from: Endpoint(v4: 0x7f00_0001, port: 0)) == 0)
        #expect(host.exit(from: Endpoint(v4: 0x0a00_0001, port: 0)) == 0, "not an address of this host")
        host.interfaces[2].defaultMetrics[.v4] = nil
        #expect(host.exit(from: Self.wired) == 0 && host.exit(from: Self.mobile) == 0)
    }

    /// With an interface Linux takes no address of IPv6: one of two may be the wrong one.
    @Test func anIPv6ExitIsNamedWhereTheAddressIsCertain() {
        var host = Self.host()
        host.interfaces[1].addresses.append(Endpoint(v6High: 0x2001_0db8 << 32 | 1, low: 1, port: 0))
        host.interfaces[1].defaultMetrics[.v6] = 100
        #expect(host.exit(from: Self.mobileV6) == 3)
        // The link's own is never taken towards elsewhere.
        host.interfaces[2].addresses.append(Endpoint(v6High: 0xfe80 << 48, low: 1, scope: 3, port: 0))
        #expect(host.exit(from: Self.mobileV6) == 3)
        host.interfaces[2].addresses.append(Endpoint(v6High: 0x2001_0db8 << 32, low: 2, port: 0))
        #expect(host.exit(from: Self.mobileV6) == 0)
    }

    @Test func addressesThatMayNotBeUsedYet() {
        let table = """
            00000000000000000000000000000001 01 80 10 80       lo
            20010db8000000000000000000000001 02 40 00 40     eth0
            20010db8000000000000000000000002 02 40 00 80     eth0
            20010db8000000000000000000000003 02 40 00 08     eth0
            20010db8000000000000000000000004 02 40 00 44     eth0
            fe800000000000000000000000000001 02 40 20 c0     eth0
            fe800000000000000000000000000001 02 40 20
            nonsense
            """
        #expect(
            InterfaceTable.unusable(v6: table) == [
                Endpoint(v6High: 0x2001_0db8 << 32, low: 1, port: 0),
                Endpoint(v6High: 0x2001_0db8 << 32, low: 3, port: 0),
                Endpoint(v6High: 0xfe80 << 48, low: 1, scope: 2, port: 0),
            ])
    }

    @Test(arguments: [
        ("docker0", true), ("veth12ab", true), ("br-0123456789ab", true), ("eth0", false), ("wlan0", false),
    ])
    func interfacesThatJoinOthers(name: String, isVirtual: Bool) {
        #expect(InterfaceTable.isVirtual(name) == isVirtual)
    }

    @Test func metricsOfTheWaysToEverywhere() {
        let v4 =
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
            + "wwan0\t00000000\t0103A8C0\t0003\t0\t0\t700\t00000000\t0\t0\t0\n"
            + "ppp0\t00000000\t00000000\t0001\t0\t0\t50\t00000000\t0\t0\t0\n"
            + "eth0\t00000000\t0101A8C0\t0003\t0\t0\t200\t00000000\t0\t0\t0\n"
            + "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
            + "eth1\t00000000\t0101A8C0\t0203\t0\t0\t100\t00000000\t0\t0\t0\n"
            + "tun0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000080\t0\t0\t0\n" + "eth2\t00000000\n"
        #expect(RouteTable.defaultMetrics(v4: v4) == ["wwan0": 700, "ppp0": 50, "eth0": 100])
        let any = String(repeating: "0", count: 32)
        let router = "fe800000000000000000000000000001"
        let v6 =
            "\(any) 00 \(any) 00 \(router) 00000400 00000001 00000000 00000003     eth0\n"
            + "\(any) 00 \(any) 00 \(any) 000002bc 00000001 00000000 00000001    wwan0\n"
            + "\(any) 00 \(any) 00 \(any) ffffffff 00000001 00000000 00200200       lo\n"
            + "20010db8000000000000000000000000 40 \(any) 00 \(any) 00000100 00000001 00000000 00000001     eth0\n"
        #expect(RouteTable.defaultMetrics(v6: v6) == ["eth0": 1_024, "wwan0": 700])
    }

    /// This machine has a network, whatever it is: every address is found again, and looking twice finds the same.
    @Test func thisHostCanBeLookedAt() {
        let host = NetworkSnapshot.current()
        for interface in host.interfaces {
            #expect(interface.index != 0)
            for address in interface.addresses { #expect(host.has(address.withPort(1))) }
        }
    }
}
