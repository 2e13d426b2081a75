import DXWire

@testable import DXSecure

/// A datagram on its way.
struct Flying {
    var bytes: [UInt8]
    var from: Endpoint
    var to: Endpoint
}

/// One gateway's secure endpoint at one address, with what it sent and what happened.
final class Node {
    let identity: Identity
    let address: Endpoint
    var secure: SecureEndpoint
    /// Every datagram it sent, in order.
    var sent: [Flying] = []
    var established: [DTLSSession] = []
    var failed: [HandshakeFailure] = []
    var lastOutcome: VeiledOutcome?

    init(_ identity: Identity, at address: Endpoint, _ secure: SecureEndpoint) {
        self.identity = identity
        self.address = address
        self.secure = secure
    }

    /// Polls until dry; what was sent.
    @discardableResult
    func drain(now: Instant) -> [Flying] {
        var out: [Flying] = []
        while true {
            var to: Endpoint?
            let bytes = [UInt8](capacity: Constants.minimumDatagram) { output in
                to = secure.pollTransmit(into: &output, now: now)?.remote
            }
            guard let to else { break }
            out.append(Flying(bytes: bytes, from: address, to: to))
        }
        sent += out
        while let event = secure.pollEvent() {
            switch event {
            case .established(let session): established.append(session)
            case .failed(_, let failure): failed.append(failure)
            }
        }
        return out
    }

    @discardableResult
    func receive(_ bytes: [UInt8], from: Endpoint, now: Instant) -> VeiledOutcome {
        let outcome = unsafe secure.receiveVeiled(bytes.span.bytes, from: from, now: now)
        lastOutcome = outcome
        return outcome
    }
}

/// Two gateways on a network on virtual time. `a` is the initiator.
final class Pair {
    let a: Node
    let b: Node
    let veil: VeilSecret
    var now = Instant(nanoseconds: 1_000_000_000)
    /// Says for each datagram, by its number from 0, after what delays copies of it arrive; none is a loss.
    var fate: (Int) -> [Interval] = { _ in [.zero] }
    /// The datagrams sent so far.
    private(set) var count = 0
    private var flying: [(at: Instant, datagram: Flying)] = []

    static let addressA = Endpoint(v4: 0x0a00_0001, port: 1000)
    static let addressB = Endpoint(v4: 0x0a00_0002, port: 2000)

    init(
        _ configuration: SecureConfiguration = SecureConfiguration(), veilA: [VeilSecret]? = nil,
        veilB: [VeilSecret]? = nil, knowsA: Bool = true, identityA: Identity? = nil, identityB: Identity? = nil,
        at addresses: [Endpoint] = [addressA, addressB]
    ) throws {
        veil = VeilSecret.generate()
        let identityA = try identityA ?? Identity.generate()
        let identityB = try identityB ?? Identity.generate()
        a = Node(
            identityA, at: addresses[0],
            try SecureEndpoint(
                identity: identityA, veil: veilA ?? [veil], knownPeers: [identityB.gatewayID],
                configuration: configuration, shard: 1, seed: 1))
        b = Node(
            identityB, at: addresses[1],
            try SecureEndpoint(
                identity: identityB, veil: veilB ?? [veil], knownPeers: knowsA ? [identityA.gatewayID] : [],
                configuration: configuration, shard: 2, seed: 2))
    }

    @discardableResult
    func connect() throws -> DTLSSession {
        try a.secure.connect(to: b.identity.gatewayID, at: b.address, now: now)
    }

    /// Carries datagrams until none arrives at this time.
    func settle() {
        launch()
        while let next = flying.first, next.at <= now {
            flying.removeFirst()
            if let to = [a, b].first(where: { $0.address == next.datagram.to }) {
                to.receive(next.datagram.bytes, from: next.datagram.from, now: now)
            }
            launch()
        }
    }

    private func launch() {
        for datagram in a.drain(now: now) + b.drain(now: now) {
            for delay in fate(count) {
                let at = now + delay
                let place = flying.firstIndex { $0.at > at } ?? flying.endIndex
                flying.insert((at, datagram), at: place)
            }
            count += 1
        }
    }

    /// Goes to the next arrival or timeout; false when there is none.
    func step() -> Bool {
        settle()
        let next = [a.secure.nextTimeout, b.secure.nextTimeout, flying.first?.at].compactMap { $0 }.min()
        guard let next else { return false }
        now = max(now, next)
        a.secure.timeoutFired(now: now)
        b.secure.timeoutFired(now: now)
        settle()
        return true
    }

    /// Steps until `condition` holds; false when nothing is left to happen, or after a thousand steps.
    func run(until condition: () -> Bool) -> Bool {
        settle()
        for _ in 0..<1000 {
            if condition() { return true }
            guard step() else { return condition() }
        }
        return false
    }

    /// Both ends have a session that carries data both ways.
    func expectsWorkingSessions() throws {
        let a = try a.established.last.orFail("no session at the initiator")
        let b = try b.established.last.orFail("no session at the responder")
        let packet = Array("still alive".utf8)
        guard b.opened(try a.sealed(packet)) == (.opened, packet), a.opened(try b.sealed(packet)) == (.opened, packet)
        else { throw TestFailure("the session does not carry data") }
    }

    /// A session from end to end.
    func establish() throws -> (DTLSSession, DTLSSession) {
        try connect()
        guard run(until: { !a.established.isEmpty && !b.established.isEmpty }) else {
            throw TestFailure("no session: \(a.failed) \(b.failed) \(b.secure.statistics)")
        }
        return (a.established.removeLast(), b.established.removeLast())
    }
}

struct TestFailure: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

extension Optional {
    func orFail(_ words: String) throws -> Wrapped {
        guard let self else { throw TestFailure(words) }
        return self
    }
}

extension DTLSSession {
    func sealed(_ packet: [UInt8]) throws(SecureError) -> [UInt8] {
        var failure: SecureError?
        let bytes = [UInt8](capacity: packet.count + sealOverhead) { output in
            do throws(SecureError) { unsafe try seal(packet.span.bytes, into: &output) } catch { failure = error }
        }
        if let failure { throw failure }
        return bytes
    }

    func opened(_ datagram: [UInt8], room: Int? = nil) -> (OpenOutcome, [UInt8]) {
        var outcome = OpenOutcome.rejected
        var datagram = datagram
        let plaintext = [UInt8](capacity: room ?? datagram.count) { output in
            var span = datagram.mutableSpan
            var bytes = unsafe span.mutableBytes
            outcome = open(&bytes, into: &output)
        }
        return (outcome, plaintext)
    }

    func sealedInFragments(_ packet: [UInt8], of size: Int, room: Int = 20_000) throws(SecureError) -> [UInt8] {
        var failure: SecureError?
        let bytes = [UInt8](capacity: room) { output in
            do throws(SecureError) { unsafe try sealInFragments(packet.span.bytes, of: size, into: &output) } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Opens the record that `fragments` carry; nil when they are no run.
    func opened(fragments: [UInt8], of size: Int, room: Int = 20_000) -> (OpenOutcome, [UInt8])? {
        guard let run = unsafe FragmentRun(reading: fragments.span.bytes, datagramByteCount: size) else { return nil }
        var outcome = OpenOutcome.rejected
        var fragments = fragments
        let plaintext = [UInt8](capacity: room) { output in
            var span = fragments.mutableSpan
            var bytes = unsafe span.mutableBytes
            outcome = open(run, in: &bytes, into: &output)
        }
        return (outcome, plaintext)
    }
}
