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
                to = secure.pollTransmit(into: &output, now: now)
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

/// Two gateways on a network without delay, on virtual time. `a` is the initiator.
final class Pair {
    let a: Node
    let b: Node
    let veil: VeilSecret
    var now = Instant(nanoseconds: 1_000_000_000)
    /// Says for each datagram, by its number from 0, how many copies arrive; nil is one.
    var copies: [Int: Int] = [:]
    var count = 0

    static let addressA = Endpoint(v4: 0x0a00_0001, port: 1000)
    static let addressB = Endpoint(v4: 0x0a00_0002, port: 2000)

    init(
        _ configuration: SecureConfiguration = SecureConfiguration(), veilA: [VeilSecret]? = nil,
        veilB: [VeilSecret]? = nil, knowsA: Bool = true, identityA: Identity? = nil, identityB: Identity? = nil
    ) throws {
        veil = VeilSecret.generate()
        let identityA = try identityA ?? Identity.generate()
        let identityB = try identityB ?? Identity.generate()
        a = Node(
            identityA, at: Self.addressA,
            try SecureEndpoint(
                identity: identityA, veil: veilA ?? [veil], knownPeers: [identityB.gatewayID],
                configuration: configuration, shard: 1, seed: 1))
        b = Node(
            identityB, at: Self.addressB,
            try SecureEndpoint(
                identity: identityB, veil: veilB ?? [veil], knownPeers: knowsA ? [identityA.gatewayID] : [],
                configuration: configuration, shard: 2, seed: 2))
    }

    @discardableResult
    func connect() throws -> DTLSSession {
        try a.secure.connect(to: b.identity.gatewayID, at: b.address, now: now)
    }

    /// Carries datagrams until none is on its way.
    func settle() {
        var flying = a.drain(now: now) + b.drain(now: now)
        while !flying.isEmpty {
            let next = flying.removeFirst()
            let copies = copies[count] ?? 1
            count += 1
            guard let to = [a, b].first(where: { $0.address == next.to }) else { continue }
            for _ in 0..<copies {
                to.receive(next.bytes, from: next.from, now: now)
                flying += to.drain(now: now)
            }
        }
    }

    /// Settles, then goes from timeout to timeout until `condition` holds or there is none left; false then, and after
    /// a thousand steps.
    func run(until condition: () -> Bool) -> Bool {
        for _ in 0..<1000 {
            settle()
            if condition() { return true }
            let next = [a.secure.nextTimeout, b.secure.nextTimeout].compactMap { $0 }.min()
            guard let next else { return false }
            now = max(now, next)
            a.secure.timeoutFired(now: now)
            b.secure.timeoutFired(now: now)
        }
        return false
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
}
