import DXSocket
import DXWire
import NIOCore

/// One local UDP address of an origin. Bound to the gateway's event loop.
///
/// The address is taken at once, so that a port in use is named then. While no destination has activated the tunnel, the kernel
/// tells senders that nobody is there, as `TunnelListener` has it do.
final class UDPListener {
    /// What the configuration says, looked up.
    let place: ListenerPlace
    /// Its address.
    private let wanted: Endpoint
    /// One socket, or one for each IP version where it is every address.
    private var sockets: [ApplicationSocket<UDPListener>] = []
    private unowned let origin: UDPOrigin
    private let eventLoop: any EventLoop
    private(set) var isOpen = false

    /// Where one port is free in one IP version and taken in the other, another one is tried so often.
    private static let portTries = 16

    /// Takes the address. Throws `GatewayError.listen`.
    init(_ place: ListenerPlace, origin: UDPOrigin) throws(GatewayError) {
        guard case .tcp(let endpoint) = place.address else { throw .listen("\(place.text): UDP has ports only") }
        self.place = place
        wanted = endpoint
        self.origin = origin
        eventLoop = origin.core.eventLoop
        do throws(BindError) {
            let isEveryAddress = endpoint.isUnspecified && endpoint.family == .v6
            if isEveryAddress { sockets = try bindBoth() } else { sockets = [try bind(endpoint)] }
        } catch { throw .listen("\(error)") }
    }

    /// Where it is bound, with the real port; of every address the IPv6 one.
    var local: Endpoint { sockets.last?.local ?? wanted }

    private func bind(_ endpoint: Endpoint) throws(BindError) -> ApplicationSocket<UDPListener> {
        try ApplicationSocket(bound: endpoint, on: eventLoop, handler: self)
    }

    /// Every address of both IP versions at one port; a version that this host lacks is left out.
    private func bindBoth() throws(BindError) -> [ApplicationSocket<UDPListener>] {
        var tries = 0
        while true {
            tries += 1
            var v4: ApplicationSocket<UDPListener>?
            do { v4 = try bind(Endpoint(v4: 0, port: wanted.port)) } catch {
                guard error.reason == .familyUnavailable else { throw error }
            }
            do {
                let v6 = try bind(Endpoint(v6High: 0, low: 0, port: v4?.local.port ?? wanted.port))
                return [v4, v6].compactMap { $0 }
            } catch {
                if let v4, error.reason == .familyUnavailable || error.reason == .addressNotAvailable { return [v4] }
                v4?.close()
                guard wanted.port == 0, error.reason == .portInUse, tries < Self.portTries else { throw error }
            }
        }
    }

    /// Lets datagrams in, or no more.
    func setOpen(_ isOpen: Bool) {
        guard isOpen != self.isOpen else { return }
        self.isOpen = isOpen
        for socket in sockets { socket.setOpen(isOpen) }
    }

    /// Gives the address up for good.
    func release() {
        isOpen = false
        for socket in sockets { socket.close() }
        sockets.removeAll()
    }
}

@available(*, unavailable)
extension UDPListener: Sendable {}

extension UDPListener: ApplicationSocketHandler {
    func received(
        _ datagram: RawSpan, from source: Endpoint, local: Endpoint?, on socket: ApplicationSocket<UDPListener>
    ) {
        // What was there before the address was closed to all.
        guard isOpen else { return }
        origin.received(
            datagram, from: UDPOrigin.Client(endpoint: source, local: local, socket: ObjectIdentifier(socket)),
            at: self, on: socket)
    }

    /// A client is gone; its flow ends when it is idle.
    func failed(_ errnoCode: Int32, on socket: ApplicationSocket<UDPListener>) {}

    func closed(_ socket: ApplicationSocket<UDPListener>) {
        sockets.removeAll { $0 === socket }
        origin.lost(self)
    }
}
