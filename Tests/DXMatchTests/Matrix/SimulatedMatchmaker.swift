import DXMatch
import DXSimulator
import DXWire

/// A matchmaker as far as NATs see it: it answers Binding requests at two addresses of each family and two ports.
final class SimulatedMatchmaker: InternetHost {
    typealias Message = SimulatedMessage

    let addresses: [Endpoint]
    private var outbox: [(source: Endpoint, destination: Endpoint, message: SimulatedMessage)] = []

    static let ports: [UInt16] = [3478, 3479]

    /// Number 1 or 2: 192.0.2.11 and .12, or .21 and .22, and the like in 2001:db8:ffff::/48.
    init(number: Int) {
        let low = UInt32(number * 10)
        addresses = [
            Endpoint(v4: 0xc000_0200 + low + 1, port: 3478), Endpoint(v4: 0xc000_0200 + low + 2, port: 3478),
            Endpoint(v6High: 0x2001_0db8_ffff_0000, low: UInt64(low + 1), port: 3478),
            Endpoint(v6High: 0x2001_0db8_ffff_0000, low: UInt64(low + 2), port: 3478),
        ]
    }

    func server(_ family: Endpoint.Family) -> NATProbe.Server {
        let own = addresses.filter { $0.family == family }
        return NATProbe.Server(primary: own[0], alternatePort: Self.ports[1], alternateAddress: own[1])
    }

    var nextDueAt: Instant? { nil }
    func run(now: Instant) {}

    func receive(_ message: SimulatedMessage, from source: Endpoint, at destination: Endpoint, now: Instant) {
        guard case .request(let number, let change) = message, Self.ports.contains(destination.port) else { return }
        var place = destination
        if change != .none { place = place.withPort(Self.ports[place.port == Self.ports[0] ? 1 : 0]) }
        if change == .addressAndPort,
            let other = addresses.first(where: { $0.family == place.family && !$0.hasSameAddress(as: destination) })
        {
            place = other.withPort(place.port)
        }
        outbox.append((place, source, .answer(number: number, observed: source)))
    }

    func takeOutbox() -> [(source: Endpoint, destination: Endpoint, message: SimulatedMessage)] {
        defer { outbox = [] }
        return outbox
    }
}
