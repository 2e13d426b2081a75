import DXWire
import Testing

@testable import DXTunnel

@Suite struct LocalAddressesTests {
    private static let loopback = [Endpoint(v4: 0x7f00_0001, port: 0), Endpoint(v6High: 0, low: 1, port: 0)]
    private static let wired = Endpoint(v4: 0xc000_0201, port: 0)
    private static let both = [Endpoint(v4: 0, port: 7700), Endpoint(v6High: 0, low: 0, port: 7700)]

    /// A host without IPv6 told the others `[::1]:7700`: they called themselves there, and what status said of it hid the reason.
    @Test func loopbackIsNotToldWhereThereIsAnyNetwork() {
        let told = LocalAddresses.reachable(Self.both, among: Self.loopback + [Self.wired])
        #expect(told == [Self.wired.withPort(7700)])
    }

    @Test func loopbackIsToldWhereThereIsNothingElse() {
        let told = LocalAddresses.reachable(Self.both, among: Self.loopback)
        #expect(told == Self.loopback.map { $0.withPort(7700) })
    }

    /// What the socket has no family for does not count as a network of its own.
    @Test func otherFamiliesDoNotCount() {
        let told = LocalAddresses.reachable([Self.both[1]], among: Self.loopback + [Self.wired])
        #expect(told == [Self.loopback[1].withPort(7700)])
    }

    @Test func boundAddressesAreTheirOwn() {
        let bound = [Self.loopback[0].withPort(7), Self.wired.withPort(8)]
        #expect(LocalAddresses.reachable(bound, among: Self.loopback + [Self.wired]) == bound)
    }
}
