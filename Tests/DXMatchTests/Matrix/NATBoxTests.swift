import DXSimulator
import DXWire
import Testing

/// The simulated NATs do what their rules say: without that the matrix would prove nothing.
@Suite struct NATBoxTests {
    private let inside = Endpoint(v4: 0xc0a8_010a, port: 7700)
    private let neighbour = Endpoint(v4: 0xc0a8_0114, port: 7700)
    private let outside = Endpoint(v4: 0xcb00_710a, port: 0)
    private let server = Endpoint(v4: 0xc000_020b, port: 3478)
    private let start = Instant(nanoseconds: 1_000_000_000)

    private func box(_ rules: NATRules, seed: UInt64 = 1) -> NATBox {
        NATBox(rules: rules, publicAddress: outside, random: RandomSource(seed: seed))
    }

    /// Another address; the same address and another port.
    private var elsewhere: Endpoint { Endpoint(v4: 0xc000_0215, port: 3478) }
    private var otherPort: Endpoint { server.withPort(3479) }

    @Test(arguments: NATRules.Scope.allCases)
    func mappingsDependOnWhatTheRuleSays(scope: NATRules.Scope) throws {
        let box = box(NATRules(mapping: scope))
        let first = try #require(box.outbound(source: inside, destination: server, now: start))
        #expect(first.hasSameAddress(as: outside))
        #expect(box.outbound(source: inside, destination: server, now: start) == first)
        #expect(
            (box.outbound(source: inside, destination: otherPort, now: start) == first)
                == (scope != .addressAndPortDependent))
        #expect(
            (box.outbound(source: inside, destination: elsewhere, now: start) == first)
                == (scope == .endpointIndependent))
        #expect(box.outbound(source: neighbour, destination: server, now: start) != first)
    }

    @Test(arguments: NATRules.Scope.allCases)
    func filtersDependOnWhatTheRuleSays(scope: NATRules.Scope) throws {
        let box = box(NATRules(filtering: scope))
        let external = try #require(box.outbound(source: inside, destination: server, now: start))
        func passes(_ source: Endpoint) -> Bool {
            box.inbound(source: source, destination: external, now: start) == inside
        }
        #expect(passes(server))
        #expect(passes(otherPort) == (scope != .addressAndPortDependent))
        #expect(passes(elsewhere) == (scope == .endpointIndependent))
        #expect(box.inbound(source: server, destination: external.withPort(external.port ^ 1), now: start) == nil)
    }

    @Test func portsFollowTheirRule() throws {
        func ports(_ rule: NATRules.Ports) -> [UInt16] {
            let box = box(NATRules(mapping: .addressAndPortDependent, ports: rule))
            return (0..<4).compactMap {
                box.outbound(source: inside, destination: server.withPort(4_000 + $0), now: start)?.port
            }
        }
        #expect(ports(.preserve) == [7700, 7700, 7700, 7700])
        let sequence = ports(.sequential(step: 2))
        #expect(zip(sequence, sequence.dropFirst()).allSatisfy { $1 == $0 + 2 })
        #expect(Set(ports(.random)).count == 4)
        // A neighbour with the same inside port gets the next one.
        let shared = box(.linux)
        #expect(shared.outbound(source: inside, destination: server, now: start)?.port == 7700)
        #expect(shared.outbound(source: neighbour, destination: server, now: start)?.port == 7701)
    }

    @Test func whatIsNotUsedIsForgotten() throws {
        for refresh in [NATRules.Refresh.outbound, .both] {
            let box = box(NATRules().with { ($0.timeout, $0.refresh) = (.seconds(30), refresh) })
            let external = try #require(box.outbound(source: inside, destination: server, now: start))
            #expect(box.inbound(source: server, destination: external, now: start + .seconds(30)) == inside)
            let later = box.inbound(source: server, destination: external, now: start + .seconds(50))
            #expect((later == inside) == (refresh == .both))
            #expect(box.outbound(source: inside, destination: server, now: start + .seconds(100)) != external)
        }
    }

    @Test func aRebootForgetsAllButWhatWasAskedFor() throws {
        let box = box(.cone)
        let external = try #require(box.outbound(source: inside, destination: server, now: start))
        let mapped = box.forward(port: 40_000, to: neighbour)
        #expect(box.inbound(source: elsewhere, destination: mapped, now: start) == neighbour)
        #expect(box.outbound(source: neighbour, destination: server, now: start) == mapped)
        box.reboot()
        #expect(box.inbound(source: server, destination: external, now: start) == nil)
        #expect(box.inbound(source: elsewhere, destination: mapped, now: start) == neighbour)
        box.change(publicAddress: elsewhere)
        #expect(box.outbound(source: inside, destination: server, now: start)?.hasSameAddress(as: elsewhere) == true)
    }

    @Test func aFirewallKeepsAddressesAndStrangersOut() {
        let host = Endpoint(v6High: 0x2001_0db8_0001_0000, low: 10, port: 7700)
        let friend = Endpoint(v6High: 0x2001_0db8_0002_0000, low: 10, port: 7700)
        let box = box(.firewall)
        #expect(box.inbound(source: friend, destination: host, now: start) == nil)
        #expect(box.outbound(source: host, destination: friend, now: start) == host)
        #expect(box.inbound(source: friend, destination: host, now: start) == host)
        #expect(box.inbound(source: friend.withPort(1), destination: host, now: start) == nil)
    }

    @Test func noUDPMeansNone() {
        #expect(
            box(.cone.with { $0.passesUDP = false }).outbound(source: inside, destination: server, now: start) == nil)
    }
}
