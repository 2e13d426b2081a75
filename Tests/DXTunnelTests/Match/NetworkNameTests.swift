import DXMatch
import DXWire
import Testing

@testable import DXTunnel

/// By what a network is recognised, what is remembered of it, and how often its bindings are kept alive.
@Suite struct NetworkNameTests {
    private let router = Endpoint(v4: 0xc0a8_0101, port: 0)

    @Test func readsTheRoutersHardwareAddress() {
        let table = """
            IP address       HW type     Flags       HW address            Mask     Device
            192.168.1.7      0x1         0x2         02:00:00:00:00:07     *        eth0
            192.168.1.1      0x1         0x2         02:42:ac:11:00:01     *        eth0
            192.168.1.9      0x1         0x0         00:00:00:00:00:00     *        eth0
            192.168.1.12     0x1
            """
        #expect(NetworkName.hardware(of: router, in: table) == "02:42:ac:11:00:01")
        // An entry that waits for an answer, one that is cut, one that is not there, no table.
        for last in [9, 12, 20] as [UInt32] {
            #expect(NetworkName.hardware(of: Endpoint(v4: 0xc0a8_0100 + last, port: 0), in: table) == nil)
        }
        #expect(NetworkName.hardware(of: router, in: "") == nil)
    }

    @Test func remembersTheNetworksThatWereUsedLast() {
        var memory = NetworkMemory()
        func network(_ number: Int) -> NetworkName { NetworkName(router: router, hardware: "\(number)") }
        for number in 0..<NetworkMemory.most { memory.keep(.seconds(Int64(number)), in: network(number)) }
        // The first one is used again, so the second is the oldest.
        memory.keep(.seconds(99), in: network(0))
        memory.keep(.seconds(50), in: network(1_000))
        #expect(memory.lifetimes.count == NetworkMemory.most)
        #expect(memory.lifetime(in: network(0)) == .seconds(99))
        #expect(memory.lifetime(in: network(1)) == nil)
        #expect(memory.lifetime(in: network(2)) == .seconds(2))
        #expect(memory.lifetime(in: NetworkName(router: router, hardware: nil)) == nil)
    }

    /// A search that has come to its end at a NAT that forgets after so long.
    private func measured(_ lifetime: Interval, isDone: Bool = true) throws -> BindingLifetime {
        let behaviour = NATBehaviour(mapping: .endpointIndependent, filtering: .addressAndPortDependent)
        var machine = try #require(BindingLifetime(behaviour: behaviour, hasAlternateAddress: false))
        var now = Instant.zero + .seconds(1)
        while !machine.isDone {
            machine.opened(now: now)
            let due = try #require(machine.nextTimeout)
            machine.begin(.ask)
            machine.asked(isAlive: due - now <= lifetime, now: due)
            now = due
            if !isDone { break }
        }
        return machine
    }

    @Test func keepaliveFollowsWhatWasMeasured() throws {
        let usual = Interval.seconds(25)
        #expect(MatchAgent.keepalive([], usual: usual) == usual)
        let minute = try measured(.seconds(60))
        #expect(MatchAgent.keepalive([minute], usual: usual) == minute.lifetime * 4 / 5)
        #expect(minute.lifetime <= .seconds(60) && minute.lifetime >= .seconds(54))
        // Of two networks the one with the shorter memory counts; what is not measured yet does not.
        let long = try measured(.seconds(300))
        #expect(MatchAgent.keepalive([long, minute], usual: usual) == minute.lifetime * 4 / 5)
        #expect(MatchAgent.keepalive([try measured(.seconds(300), isDone: false)], usual: usual) == usual)
        #expect(MatchAgent.keepalive([try measured(.seconds(60), isDone: false), long], usual: usual) > usual)
        // The bounds.
        #expect(MatchAgent.keepalive([long], usual: usual) == .seconds(110))
        #expect(MatchAgent.keepalive([try measured(.seconds(1))], usual: usual) == .seconds(15))
    }
}
