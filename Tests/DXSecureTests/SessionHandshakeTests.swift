import DXWire
import Testing

@testable import DXSecure

/// Every phase against every input.
@Suite struct SessionHandshakeTests {
    /// The macros of the test library cannot call a mutating function.
    @dynamicMemberLookup
    private final class Machine {
        private var machine: SessionHandshake
        init(_ machine: SessionHandshake) { self.machine = machine }
        subscript<Value>(dynamicMember path: KeyPath<SessionHandshake, Value>) -> Value { machine[keyPath: path] }
        func receiveChallenge(_ proof: Bytes32, veil: Int) -> Bool { machine.receiveChallenge(proof, veil: veil) }
        func learn(_ peer: ConnectionID) { machine.learn(peer) }
        func replaceFlight(_ flight: [[UInt8]]) { machine.replaceFlight(flight) }
        func complete(keepsFlight: Bool, until deadline: Instant) {
            machine.complete(keepsFlight: keepsFlight, until: deadline)
        }
        func repeatFlight() -> Bool { machine.repeatFlight() }
        func timeoutFired(now: Instant) -> SessionHandshake.OnTimeout { machine.timeoutFired(now: now) }
        func pollSend() -> SessionHandshake.Send? { machine.pollSend() }
        func arm(now: Instant, random: inout RandomSource) { machine.arm(now: now, random: &random) }
    }

    private let now = Instant(nanoseconds: 0)
    private let peer = ConnectionID(rawValue: 9)
    private let proof = unsafe Bytes32([UInt8](repeating: 1, count: 32).span.bytes)
    private let otherProof = unsafe Bytes32([UInt8](repeating: 2, count: 32).span.bytes)
    private let flight: [[UInt8]] = [[1], [2]]

    private func initiator(veils: Int = 1) -> Machine {
        Machine(
            SessionHandshake(
                attempt: Attempt(high: 1, low: 1), veils: Array(0..<veils), configuration: SecureConfiguration(),
                now: now))
    }

    private func machine(in phase: SessionHandshake.Phase) -> Machine {
        let machine = initiator()
        var random = RandomSource(seed: 1)
        _ = sends(machine)
        switch phase {
        case .hello: break
        case .connect:
            _ = machine.receiveChallenge(proof, veil: 0)
            machine.replaceFlight(flight)
        case .dtls, .lingering:
            _ = machine.receiveChallenge(proof, veil: 0)
            machine.replaceFlight(flight)
            machine.learn(peer)
            if phase == .lingering { machine.complete(keepsFlight: true, until: now + .seconds(20)) }
        }
        _ = sends(machine)
        machine.arm(now: now, random: &random)
        return machine
    }

    private func sends(_ machine: Machine) -> [SessionHandshake.Send] {
        var all: [SessionHandshake.Send] = []
        while let send = machine.pollSend() { all.append(send) }
        return all
    }

    private static let phases: [SessionHandshake.Phase] = [.hello, .connect, .dtls, .lingering]

    @Test func challenge() {
        for (phase, same, other) in zip3(Self.phases, [true, false, false, false], [true, false, false, false]) {
            var machine = machine(in: phase)
            #expect(machine.receiveChallenge(proof, veil: 1) == same)
            machine = self.machine(in: phase)
            #expect(machine.receiveChallenge(otherProof, veil: 1) == other)
            #expect(machine.phase == (phase == .hello ? .connect : phase))
            #expect(machine.veil == (other ? 1 : 0))
            #expect(sends(machine) == [])
        }
    }

    /// A second CHALLENGE counts when a second HELLO asked for it, and once.
    @Test func secondChallenge() {
        let machine = machine(in: .connect)
        var random = RandomSource(seed: 1)
        var messages: [SessionHandshake.Send] = []
        while !messages.contains(.hello(veil: 0)) {
            let time = machine.nextTimeout
            #expect(machine.timeoutFired(now: time) == .transmit)
            messages = sends(machine)
            machine.arm(now: time, random: &random)
        }
        #expect(!machine.receiveChallenge(proof, veil: 0))
        #expect(machine.receiveChallenge(otherProof, veil: 1))
        #expect(machine.proof == otherProof && machine.veil == 1)
        #expect(sends(machine) == [.connect(index: 0), .connect(index: 1)])
        #expect(!machine.receiveChallenge(proof, veil: 0))
    }

    @Test func retransmission() {
        let expected: [SessionHandshake.OnTimeout] = [.transmit, .transmit, .transmit, .none]
        let messages: [[SessionHandshake.Send]] = [
            [.hello(veil: 0)], [.connect(index: 0), .connect(index: 1)], [.handshake(index: 0), .handshake(index: 1)],
            [],
        ]
        for (phase, action, messages) in zip3(Self.phases, expected, messages) {
            let machine = machine(in: phase)
            #expect(machine.timeoutFired(now: now + .milliseconds(149)) == .none)
            #expect(machine.timeoutFired(now: now + .milliseconds(188)) == action)
            #expect(sends(machine) == messages)
            #expect(machine.timeoutFired(now: now + .milliseconds(188)) == .none)
        }
    }

    @Test func expiry() {
        for phase in Self.phases {
            let machine = machine(in: phase)
            let deadline = now + .seconds(phase == .lingering ? 20 : 10)
            #expect(machine.timeoutFired(now: deadline - .nanoseconds(1)) != .expired)
            #expect(machine.timeoutFired(now: deadline) == .expired)
        }
    }

    @Test func flights() {
        let messages: [[SessionHandshake.Send]] = [
            [], [.connect(index: 0)], [.handshake(index: 0)], [.handshake(index: 0)],
        ]
        for (phase, messages) in zip(Self.phases, messages) {
            let machine = machine(in: phase)
            machine.replaceFlight([[7]])
            #expect(sends(machine) == messages)
            #expect(machine.flight == [[7]])
        }
    }

    @Test func repeatsOnlyTheLastFlight() {
        for phase in Self.phases {
            let machine = machine(in: phase)
            #expect(machine.repeatFlight() == (phase == .lingering))
        }
        let machine = machine(in: .dtls)
        machine.complete(keepsFlight: false, until: now + .seconds(20))
        #expect(!machine.repeatFlight() && machine.flight.isEmpty)
    }

    @Test func helloUnderEachVeilInTurn() {
        let machine = initiator(veils: 2)
        var random = RandomSource(seed: 1)
        var time = now
        var veils: [SessionHandshake.Send] = []
        for _ in 0..<4 {
            veils += sends(machine)
            machine.arm(now: time, random: &random)
            time = machine.nextTimeout
            #expect(machine.timeoutFired(now: time) == .transmit)
        }
        #expect(veils == [.hello(veil: 0), .hello(veil: 1), .hello(veil: 0), .hello(veil: 1)])
    }

    @Test func helloAgainBesideAnUnansweredConnect() {
        let machine = machine(in: .connect)
        var random = RandomSource(seed: 1)
        var hellos = 0
        for _ in 0..<4 {
            let time = machine.nextTimeout
            #expect(machine.timeoutFired(now: time) == .transmit)
            hellos += sends(machine).filter { $0 == .hello(veil: 0) }.count
            machine.arm(now: time, random: &random)
        }
        #expect(hellos == 2)
    }

    private func zip3<A, B, C>(_ a: [A], _ b: [B], _ c: [C]) -> [(A, B, C)] {
        zip(a, zip(b, c)).map { ($0, $1.0, $1.1) }
    }
}
