import DXWire
import NIOCore

/// One place at which an origin takes connections, looked up: one port of one address, or one unix socket.
struct ListenerPlace: Sendable {
    /// Where it is.
    enum Address: Hashable, Sendable {
        /// A TCP address; port 0 is a random free one.
        case tcp(Endpoint)
        /// A unix socket.
        case unix(path: String)
    }

    let address: Address
    /// What the configuration says, for messages.
    let text: String
    /// Which of the tunnel's ports it is, from 0.
    var offset = 0
    /// Who may connect to a unix socket: the permissions of its file.
    var mode: UInt16 = 0o600

    /// Whether it is a unix socket.
    var isUnix: Bool { if case .unix = address { true } else { false } }

    /// The places of an origin where nothing has to be looked up, none if it has no address; else nil.
    static func known(_ origin: GatewayConfiguration.Origin) -> [ListenerPlace]? {
        guard let address = origin.address else { return [] }
        switch address {
        case .unix(let path):
            return [
                ListenerPlace(address: .unix(path: path), text: "\(address)", mode: origin.socketMode ?? 0o600)
            ]
        case .tcp(let host, let count):
            if host.host.isEmpty {
                // Every address of the machine: one IPv6 socket takes both versions.
                return ports(of: Endpoint(v6High: 0, low: 0, port: host.port), count, address)
            }
            return host.endpoint.map { ports(of: $0, count, address) }
        }
    }

    /// The places of an origin.
    static func lookUp(
        _ origin: GatewayConfiguration.Origin, at gate: LoopGate
    ) -> EventLoopFuture<[ListenerPlace]> {
        if let known = known(origin) { return gate.eventLoop.makeSucceededFuture(known) }
        guard let address = origin.address, case .tcp(let host, let count) = address else {
            return gate.eventLoop.makeSucceededFuture([])
        }
        return NameResolver.resolve(host, at: gate).map { endpoints in
            endpoints.flatMap { ports(of: $0, count, address) }
        }
    }

    private static func ports(of first: Endpoint, _ count: Int, _ address: TunnelAddress) -> [ListenerPlace] {
        (0..<count).map { offset in
            ListenerPlace(
                address: .tcp(first.withPort(first.port &+ UInt16(clamping: offset))),
                text: "\(address.port(offset))", offset: offset)
        }
    }

    /// The texts of places, with neighbouring ports of one address as a range.
    static func texts(_ places: [(address: Address, offset: Int)]) -> [String] {
        var result: [String] = []
        var run: (first: Endpoint, last: Endpoint, offset: Int)?
        func end() {
            guard let (first, last, _) = run else { return }
            result.append("\(first)" + (last == first ? "" : "-\(last.port)"))
            run = nil
        }
        for place in places {
            guard case .tcp(let endpoint) = place.address else {
                end()
                result.append("\(place.address)")
                continue
            }
            if let (first, last, offset) = run, endpoint == last.withPort(last.port &+ 1), place.offset == offset + 1 {
                run = (first, endpoint, place.offset)
            } else {
                end()
                run = (endpoint, endpoint, place.offset)
            }
        }
        end()
        return result
    }
}

extension ListenerPlace: Hashable {
    /// The same place, however it is written and whoever may connect there.
    static func == (left: ListenerPlace, right: ListenerPlace) -> Bool {
        left.address == right.address && left.offset == right.offset
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(address)
        hasher.combine(offset)
    }
}

extension ListenerPlace.Address: CustomStringConvertible {
    /// As in a configuration.
    var description: String {
        switch self {
        case .tcp(let endpoint): "\(endpoint)"
        case .unix(let path): "\(TunnelAddress.unix(path: path))"
        }
    }
}
