import DXWire
import NIOCore
import NIOPosix

extension ClientBootstrap {
    /// Connects to a host: to its address, or to whichever address of its name answers (RFC 8305).
    ///
    /// Names are looked up by this project's own resolver. SwiftNIO's has one thread for all look-ups of an event loop, on which also
    /// addresses wait that are no names: one name without an answer would keep all connections from being made.
    func connect(to host: HostAddress, at gate: LoopGate) -> EventLoopFuture<any Channel> {
        if let endpoint = host.endpoint, let address = Self.address(of: endpoint) { return connect(to: address) }
        return NameResolver.resolve(host, flags: 0, at: gate).assumeIsolated().flatMap { endpoints in
            self.resolver(KnownAddresses(endpoints.compactMap(Self.address), on: gate.eventLoop))
                .connect(host: host.host, port: Int(host.port))
        }.nonisolated()
    }

    private static func address(of endpoint: Endpoint) -> SocketAddress? {
        try? SocketAddress(ipAddress: endpoint.addressText, port: Int(endpoint.port))
    }
}

/// What a name leads to, for SwiftNIO, which connects to the addresses in turn.
private final class KnownAddresses: Resolver, Sendable {
    private let addresses: [SocketAddress]
    private let eventLoop: any EventLoop

    init(_ addresses: [SocketAddress], on eventLoop: any EventLoop) {
        self.addresses = addresses
        self.eventLoop = eventLoop
    }

    func initiateAQuery(host: String, port: Int) -> EventLoopFuture<[SocketAddress]> { all(.inet) }

    func initiateAAAAQuery(host: String, port: Int) -> EventLoopFuture<[SocketAddress]> { all(.inet6) }

    func cancelQueries() {}

    private func all(_ family: NIOBSDSocket.ProtocolFamily) -> EventLoopFuture<[SocketAddress]> {
        eventLoop.makeSucceededFuture(addresses.filter { $0.protocol == family })
    }
}
