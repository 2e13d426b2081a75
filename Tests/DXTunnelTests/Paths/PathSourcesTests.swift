import DXWire
import Testing

@testable import DXTunnel

/// Where paths may begin.
@Suite struct PathSourcesTests {
    private typealias Interface = NetworkSnapshot.Interface

    private static let any = [Endpoint(v4: 0, port: 7), Endpoint(v6High: 0, low: 0, port: 7)]
    private static let linkLocal = Endpoint(v6High: 0xfe80 << 48, low: 1, scope: 4, port: 0)

    private static func v4(_ last: UInt32) -> Endpoint { Endpoint(v4: 0x0a00_0000 | last, port: 0) }
    private static func v6(_ last: UInt64) -> Endpoint { Endpoint(v6High: 0x2001_0db8 << 32, low: last, port: 0) }

    private static func host() -> NetworkSnapshot {
        NetworkSnapshot(interfaces: [
            Interface(name: "lo", index: 1, isLoopback: true, addresses: [Endpoint(v4: 0x7f00_0001, port: 0)]),
            Interface(name: "docker0", index: 2, isVirtual: true, addresses: [v4(2)]),
            Interface(name: "wwan0", index: 3, addresses: [v4(3)]),
            Interface(name: "eth0", index: 4, addresses: [v4(4), v4(5), v6(4), linkLocal]),
            Interface(name: "eth1", index: 5, isRunning: false, addresses: [v4(6)]),
        ])
    }

    @Test func theBestInterfacesComeFirst() {
        let found = PathSources.current(
            Self.host(), rules: PathRules(), bound: Self.any, told: [Self.v4(4).withPort(7)])
        #expect(found.map(\.address) == [Self.v4(4), Self.v6(4), Self.linkLocal, Self.v4(3), Self.v4(2)])
        #expect(found.map(\.isKnownToPeer) == [true, false, false, false, false])
        #expect(found.map(\.interface) == [4, 4, 4, 3, 2])
    }

    @Test func rulesAndSocketsDecide() {
        let rules = PathRules(interfaces: [
            PathRules.Rule(pattern: "docker*", preference: nil), PathRules.Rule(pattern: "wwan0", preference: .primary),
            PathRules.Rule(pattern: "eth*", preference: .primary, isMetered: true),
        ])
        let found = PathSources.current(Self.host(), rules: rules, bound: Self.any, told: [])
        #expect(found.map(\.address) == [Self.v4(3), Self.v4(4), Self.v6(4), Self.linkLocal])
        let one = PathSources.current(Self.host(), rules: rules, bound: [Self.v4(5).withPort(7)], told: [])
        #expect(one.map(\.address) == [Self.v4(5)])
    }
}
