import DXWire
import Testing

@testable import DXTunnel

/// What a peer's link is asked for.
@Suite struct PeerPathsTests {
    /// A link that notes what it is asked for.
    private final class Link: PathHost {
        var opened: [PathPlan.Pair] = []
        var retired: [PathID] = []
        var deadline: Instant = .distantFuture
        var canOpen = true

        func openPath(_ pair: PathPlan.Pair, _ use: PathRules.Use) -> Bool {
            guard canOpen else { return false }
            opened.append(pair)
            return true
        }

        func retirePath(_ id: PathID) { retired.append(id) }
        func notePathDeadline(_ deadline: Instant) { self.deadline = min(self.deadline, deadline) }
    }

    private static let remote = Endpoint(v4: 0xcb00_7109, port: 7)
    private static let bound = [Endpoint(v4: 0, port: 7)]

    private static func network(_ addresses: [UInt32]) -> NetworkSnapshot {
        NetworkSnapshot(
            interfaces: addresses.enumerated().map { place, address in
                NetworkSnapshot.Interface(
                    name: "eth\(place)", index: UInt32(place + 1), addresses: [Endpoint(v4: address, port: 0)])
            })
    }

    @Test func pathsComeAndGoWithTheNetwork() {
        let link = Link()
        let paths = PeerPaths(link, role: .lower, rules: PathRules(), random: RandomSource(seed: 1))
        paths.networkChanged(Self.network([1, 2]), bound: Self.bound, told: [], now: .zero)
        paths.setRemotes([Self.remote], now: .zero)
        #expect(link.opened.isEmpty, "there is no channel")
        let first = PathID(count: 1, role: .lower)
        paths.attached(first, local: Endpoint(v4: 1, port: 7), remote: Self.remote, now: .zero)
        paths.setActive(true, now: .zero)
        #expect(link.opened.map(\.interface) == [2], "the second interface; the first has a session")
        paths.attached(PathID(count: 2, role: .lower), local: link.opened[0].local, remote: Self.remote, now: .zero)
        paths.networkChanged(Self.network([1]), bound: Self.bound, told: [], now: .zero)
        #expect(link.retired == [PathID(count: 2, role: .lower)])
    }

    /// The sessions of a channel end with it: for the next one all pairs are wanted again.
    @Test func theNextChannelBeginsAnew() {
        let link = Link()
        let paths = PeerPaths(link, role: .lower, rules: PathRules(), random: RandomSource(seed: 1))
        paths.networkChanged(Self.network([1, 2, 3]), bound: Self.bound, told: [], now: .zero)
        paths.setRemotes([Self.remote], now: .zero)
        paths.attached(PathID(count: 1, role: .lower), local: Endpoint(v4: 1, port: 7), remote: Self.remote, now: .zero)
        paths.setActive(true, now: .zero)
        paths.attached(PathID(count: 2, role: .lower), local: link.opened[0].local, remote: Self.remote, now: .zero)
        #expect(link.opened.map(\.interface) == [2, 3], "the last one is under way")
        paths.setActive(false, now: .zero)
        link.opened.removeAll()
        paths.attached(PathID(count: 1, role: .lower), local: Endpoint(v4: 2, port: 7), remote: Self.remote, now: .zero)
        paths.setActive(true, now: .zero)
        #expect(Set(link.opened.map(\.interface)) == [1, 3])
    }

    /// A session that the peer began over a pair that becomes known afterwards is that pair's.
    @Test func whatThePeerBeganIsNotBegunAgain() {
        let link = Link()
        let paths = PeerPaths(link, role: .lower, rules: PathRules(), random: RandomSource(seed: 1))
        paths.networkChanged(Self.network([1]), bound: Self.bound, told: [], now: .zero)
        paths.attached(PathID(count: 1, role: .upper), local: Endpoint(v4: 1, port: 7), remote: Self.remote, now: .zero)
        paths.setRemotes([Self.remote], now: .zero)
        paths.setActive(true, now: .zero)
        #expect(link.opened.isEmpty)
    }

    @Test func whatCannotBeOpenedRests() {
        let link = Link()
        link.canOpen = false
        let paths = PeerPaths(link, role: .lower, rules: PathRules(), random: RandomSource(seed: 1))
        paths.networkChanged(Self.network([1]), bound: Self.bound, told: [], now: .zero)
        paths.setRemotes([Self.remote], now: .zero)
        paths.setActive(true, now: .zero)
        #expect(link.deadline >= .zero + .seconds(1) && paths.nextTimeout == link.deadline)
        link.canOpen = true
        paths.timeoutFired(now: link.deadline)
        #expect(link.opened.count == 1)
    }

    @Test func offIsOff() {
        let link = Link()
        let paths = PeerPaths(link, role: .lower, rules: PathRules(multipath: .off), random: RandomSource(seed: 1))
        paths.networkChanged(Self.network([1, 2]), bound: Self.bound, told: [], now: .zero)
        paths.setRemotes([Self.remote], now: .zero)
        paths.setActive(true, now: .zero)
        #expect(link.opened.isEmpty && paths.nextTimeout == nil)
    }
}
