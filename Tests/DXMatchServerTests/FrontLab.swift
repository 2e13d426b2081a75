import DXMatch
import DXSecure
import DXWire
import Testing

@testable import DXMatchServer

/// A front with a clock and no sockets, and gateways that speak to it.
final class FrontLab {
    let identity: Identity
    let secrets: MatchSecrets
    let matchKey: Identity
    var front: MatchFront
    var now: Instant
    private var waiting: [Endpoint: [[UInt8]]] = [:]

    /// Noon of some day of 2026.
    static let start = Instant.zero + .seconds(20_780 * 86_400 + 43_200)

    /// All rates are those of the program, but for tests that say otherwise.
    init(
        groups: ServedGroups? = nil, identity: Identity? = nil, secrets: MatchSecrets? = nil, matchKey: Identity? = nil,
        now: Instant = FrontLab.start
    ) throws {
        let identity = try identity ?? Identity.generate()
        let matchKey = try matchKey ?? Identity.generate()
        let secrets = secrets ?? MatchSecrets.generate(now: now)
        self.identity = identity
        self.matchKey = matchKey
        self.secrets = secrets
        self.now = now
        let configuration = MatchFrontConfiguration(
            identity: identity, secrets: secrets, groups: groups ?? .listed([Self.hash(matchKey)]), alternatePort: 3_479
        )
        front = try MatchFront(configuration, now: now)
    }

    static func hash(_ key: Identity) -> MatchKeyHash {
        MatchKeyHash(headOf: Block32(Bytes32(sha256: key.publicKey.bytes.raw)))
    }

    /// A gateway at 10.x.y.1.
    func gateway(_ number: Int, matchKey: Identity?) throws -> TestGateway {
        try TestGateway(
            pin: identity.gatewayID, matchKey: matchKey,
            over: LabTransport(self, Endpoint(v4: 0x0a00_0001 | UInt32(number) << 8, port: 7_700)))
    }

    /// A member of the group that is served.
    func member(_ number: Int) throws -> TestGateway { try gateway(number, matchKey: matchKey) }

    /// The answer to a datagram, which is held to the rule.
    func receive(_ datagram: [UInt8], from source: Endpoint, socket: UInt8 = 0) -> [UInt8]? {
        let reply = front.receive(datagram.raw, from: source, at: MatchPlace(socket: socket), now: now)
        while let notice = front.pollNotice(now: now) {
            waiting[notice.destination, default: []].append(notice.datagram)
        }
        if let reply {
            #expect(reply.datagram.count <= datagram.count)
            #expect(reply.role == [])
        }
        return reply?.datagram
    }

    func hear(at address: Endpoint) -> [UInt8]? {
        guard waiting[address]?.isEmpty == false else { return nil }
        return waiting[address]?.removeFirst()
    }

    /// Lets time pass.
    func pass(_ span: Interval) throws {
        let end = now + span
        while front.nextTimeout <= end {
            now = max(now, front.nextTimeout)
            _ = try front.timeoutFired(now: now)
            while let notice = front.pollNotice(now: now) {
                waiting[notice.destination, default: []].append(notice.datagram)
            }
        }
        now = end
    }

    var drops: [MatchFrontDrop: UInt64] { front.statistics.drops }
}

/// Datagrams handed over by calls.
final class LabTransport: TestTransport {
    private let lab: FrontLab
    let address: Endpoint

    init(_ lab: FrontLab, _ address: Endpoint) {
        self.lab = lab
        self.address = address
    }

    func exchange(_ datagram: [UInt8]) -> [UInt8]? { lab.receive(datagram, from: address) }
    func hear() -> [UInt8]? { lab.hear(at: address) }
}
