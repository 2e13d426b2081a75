import DXSecure
import DXWire
import Glibc
import NIOCore
import NIOPosix

/// Turns host names into addresses, on threads that may block.
enum NameResolver {
    /// The addresses of a host; at most `maximumCount`, in the system's order of preference (RFC 6724). A literal address
    /// needs no look-up. Fails with `GatewayError.system` when there are none.
    ///
    /// - Parameter flags: `AI_ADDRCONFIG` leaves addresses out to which this host has no way, as far as its interfaces tell. The loopback
    ///   does not count for that: who may mean a service of this host, and tries one address after the other, asks for all with 0.
    static func resolve(
        _ address: HostAddress, flags: CInt = AI_ADDRCONFIG, at gate: LoopGate
    ) -> EventLoopFuture<[Endpoint]> {
        if let endpoint = address.endpoint { return gate.eventLoop.makeSucceededFuture([endpoint]) }
        let name = HostAddress(host: address.host, port: 0)
        return gate.bring { done in
            SharedLookUps.ofProcess.run("\(name.host) \(flags)", { try lookUp(name, flags: flags) }, done)
        }.map { endpoints in endpoints.map { $0.withPort(address.port) } }
    }

    /// The addresses of a matchmaker: of one that is named without a port those of its service (`docs/matchmaking.md` §6), else, and
    /// where there is no such service, those of the host.
    static func resolve(_ matchmaker: MatchmakerAddress, at gate: LoopGate) -> EventLoopFuture<[Endpoint]> {
        guard matchmaker.isService else { return resolve(matchmaker.address, at: gate) }
        return gate.run(on: SharedLookUps.ofProcess.pool) {
            guard let records = ServiceRecord.lookUp(service + matchmaker.address.host), !records.isEmpty else {
                return try lookUp(matchmaker.address)
            }
            return try lookUp(records, of: matchmaker)
        }
    }

    /// What the service is called before the name of who has it.
    private static let service = "_dxmatch._udp."

    private static func lookUp(_ records: [ServiceRecord], of matchmaker: MatchmakerAddress) throws -> [Endpoint] {
        var random = RandomSource(seed: SecureRandom.next())
        let places = ServiceRecord.places(records, maximum: maximumCount, random: &random)
        guard !places.isEmpty else {
            throw GatewayError.system("\(matchmaker.address.host) says that it has no matchmaker (SRV \(service)…)")
        }
        var result: [Endpoint] = []
        var failure: (any Error)?
        for place in places where result.count < maximumCount {
            do {
                for endpoint in try lookUp(place) where !result.contains(endpoint) && result.count < maximumCount {
                    result.append(endpoint)
                }
            } catch { failure = error }
        }
        if result.isEmpty, let failure { throw failure }
        return result
    }

    /// More addresses than this of one name are not tried.
    static let maximumCount = 8

    private static func lookUp(_ address: HostAddress, flags: CInt = AI_ADDRCONFIG) throws -> [Endpoint] {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
        unsafe hints.ai_flags = flags
        var list: UnsafeMutablePointer<addrinfo>?
        let code = unsafe getaddrinfo(address.host, nil, &hints, &list)
        guard code == 0 else {
            throw GatewayError.system(
                "\(address.host) cannot be resolved: \(unsafe String(cString: gai_strerror(code)))")
        }
        defer { unsafe freeaddrinfo(list) }
        var result: [Endpoint] = []
        var next = unsafe list
        while let entry = unsafe next, result.count < maximumCount {
            if let endpoint = unsafe endpoint(entry.pointee, port: address.port), !result.contains(endpoint) {
                result.append(endpoint)
            }
            unsafe next = entry.pointee.ai_next
        }
        return result
    }

    private static func endpoint(_ info: addrinfo, port: UInt16) -> Endpoint? {
        guard let address = unsafe info.ai_addr else { return nil }
        return unsafe Endpoint(socketAddress: address)?.withPort(port)
    }
}
