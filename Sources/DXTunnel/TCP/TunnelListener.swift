import DXWire
import Glibc
import NIOCore
import NIOPosix

/// One local address of an origin: a TCP port or a unix socket.
///
/// A TCP address is taken when the gateway starts, so that a port in use is named then, but nothing listens before the
/// destination has activated the tunnel: until then the kernel refuses connections, which tells a client at once. A unix
/// socket is looked at when the gateway starts, and is there only while the tunnel is active.
/// Bound to the gateway's event loop.
final class TunnelListener {
    /// What the configuration says.
    private(set) var place: ListenerPlace
    /// Where it is bound, with the real port.
    private(set) var local: ListenerPlace.Address
    private var reserved: CInt?
    /// Of `reserved`: clients can connect already, and wait.
    private var isListening = false
    /// SwiftNIO's while `channel` is open.
    private var descriptor: CInt = -1
    private var file: UnixSocketFile?
    private var channel: (any Channel)?
    private var isOpening = false
    private var wantsOpen = false

    /// How many connections may wait to be accepted: as many as may be open by default, so that all clients of a service that is
    /// back can come at once. Beyond it Linux answers with SYN cookies and resets some of those that it had let in. The kernel
    /// caps it at somaxconn, 4,096 since Linux 5.4.
    private static let backlog: CInt = 4_096

    /// Takes the address, or goes on with the socket that an earlier start of the gateway had there. Throws `GatewayError.listen`.
    init(
        _ place: ListenerPlace, inherited: (descriptor: CInt, isListening: Bool)? = nil
    ) throws(GatewayError) {
        self.place = place
        local = place.address
        if let inherited {
            if goOn(with: inherited.descriptor) {
                isListening = inherited.isListening
                return
            }
            Glibc.close(inherited.descriptor)
        }
        switch place.address {
        case .tcp(let endpoint):
            let (descriptor, bound) = try Self.reserve(endpoint, text: place.text)
            reserved = descriptor
            local = .tcp(bound)
        case .unix(let path): try UnixSocketFile.check(path)
        }
    }

    /// Takes over a socket; false when its file is gone, by which clients find it.
    private func goOn(with descriptor: CInt) -> Bool {
        switch place.address {
        case .tcp(let endpoint): local = .tcp(endpoint.withPort(Self.boundPort(descriptor) ?? endpoint.port))
        case .unix(let path):
            guard let file = UnixSocketFile(at: path) else { return false }
            self.file = file
            // Others may be let in than before.
            file.setMode(place.mode)
        }
        reserved = descriptor
        return true
    }

    /// Whether it listens.
    var isOpen: Bool { channel != nil }

    /// Others may connect from now on than before.
    func setMode(_ mode: UInt16) {
        guard mode != place.mode else { return }
        place.mode = mode
        file?.setMode(mode)
    }

    /// Listens from now on; `accepted` configures each connection, `paused` hears why none can be accepted for a second.
    func open(
        on eventLoop: any EventLoop,
        accepted: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>,
        paused: @escaping @Sendable (String) -> Void, failed: @escaping (String) -> Void
    ) {
        wantsOpen = true
        guard channel == nil, !isOpening else { return }
        do throws(GatewayError) { descriptor = try takeSocket() } catch { return failed("\(error)") }
        isOpening = true
        let bound = NIOLoopBound((self, failed), eventLoop: eventLoop)
        ServerBootstrap(group: eventLoop)
            // Without it, running out of file descriptors would make the event loop spin.
            .serverChannelInitializer { [descriptor] channel in
                // Again: for a socket that it is given SwiftNIO has listened with 128, whatever its option says.
                Glibc.listen(descriptor, Self.backlog)
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AcceptPauseHandler(paused))
                }
            }
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.maxMessagesPerRead, value: TCPBridge.messagesPerRead)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            // Which SwiftNIO leaves out for a unix socket.
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.writeBufferWaterMark, value: TCPBridge.waterMark)
            .childChannelInitializer(accepted)
            .withBoundSocket(descriptor)
            .whenComplete { result in
                let (listener, failed) = bound.value
                listener.opened(result, failed: failed)
            }
    }

    /// The socket to listen on.
    private func takeSocket() throws(GatewayError) -> CInt {
        if isListening, let reserved {
            self.reserved = nil
            isListening = false
            return reserved
        }
        switch local {
        case .tcp(let endpoint):
            let descriptor: CInt
            if let reserved {
                descriptor = reserved
            } else {
                descriptor = try Self.reserve(endpoint, text: place.text).0
            }
            reserved = nil
            Self.setReuse(descriptor, true)
            return descriptor
        case .unix(let path):
            let (descriptor, made) = try UnixSocketFile.listen(at: path, mode: place.mode, backlog: Self.backlog)
            file = made
            return descriptor
        }
    }

    private func opened(_ result: Result<any Channel, any Error>, failed: @escaping (String) -> Void) {
        isOpening = false
        switch result {
        case .success(let opened):
            guard wantsOpen else {
                removeFile()
                opened.close(promise: nil)
                return
            }
            channel = opened
            let bound = NIOLoopBound((self, failed), eventLoop: opened.eventLoop)
            opened.closeFuture.whenComplete { _ in
                let (listener, failed) = bound.value
                // Else it was closed here.
                guard listener.channel === opened else { return }
                listener.channel = nil
                listener.removeFile()
                failed("\(listener.place.text) is listened on no more: the system closed the socket")
            }
        case .failure(let error):
            removeFile()
            failed("\(place.text) cannot be listened on: \(error); stop the program that took it")
        }
    }

    private func removeFile() {
        file?.remove()
        file = nil
    }

    /// Listens no more; connections that are open stay. A TCP address is taken again, so that clients are refused.
    func close() {
        wantsOpen = false
        guard let channel else { return }
        self.channel = nil
        removeFile()
        let bound = NIOLoopBound(self, eventLoop: channel.eventLoop)
        channel.close().whenComplete { _ in
            let listener = bound.value
            guard case .tcp(let endpoint) = listener.local, listener.reserved == nil, listener.channel == nil,
                !listener.isOpening
            else { return }
            listener.reserved = (try? Self.reserve(endpoint, text: ""))?.0
        }
    }

    /// Leaves the address to another start of the gateway: a duplicate of the socket, and whether clients can connect to it. nil where
    /// there is none to leave.
    func leave() -> (descriptor: CInt, isListening: Bool)? {
        let isOpen = channel != nil
        let left = reserved ?? (isOpen ? descriptor : nil)
        let duplicate = left.map { fcntl($0, F_DUPFD_CLOEXEC, 0) } ?? -1
        let result = duplicate >= 0 ? (duplicate, isOpen || isListening) : nil
        // The name in the file system goes with the socket.
        if result != nil { file = nil }
        release()
        return result
    }

    /// Clients that could connect before anybody accepted are refused, if nobody accepts yet.
    func refuseWaiting() {
        guard isListening, let waiting = reserved else { return }
        isListening = false
        reserved = nil
        removeFile()
        Glibc.close(waiting)
        if case .tcp(let endpoint) = local { reserved = (try? Self.reserve(endpoint, text: ""))?.0 }
    }

    /// Gives the address up for good.
    func release() {
        wantsOpen = false
        // First, so that the name is free when the last client is refused.
        if !isOpening { removeFile() }
        channel?.close(promise: nil)
        channel = nil
        if let reserved { Glibc.close(reserved) }
        reserved = nil
    }

    /// A bound TCP socket that does not listen, and where it is bound.
    private static func reserve(_ endpoint: Endpoint, text: String) throws(GatewayError) -> (CInt, Endpoint) {
        let family = endpoint.family == .v4 ? AF_INET : AF_INET6
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        if descriptor < 0, errno == EAFNOSUPPORT, endpoint.family == .v6, endpoint.isUnspecified {
            // Every address of a machine without IPv6 is every IPv4 address.
            return try reserve(Endpoint(v4: 0, port: endpoint.port), text: text)
        }
        guard descriptor >= 0 else { throw .listen("TCP \(text) cannot be opened: \(systemError())") }
        setReuse(descriptor, true)
        if endpoint.family == .v6 {
            // The wildcard takes IPv4 too; a certain IPv6 address does not.
            var only: CInt = endpoint.isUnspecified ? 0 : 1
            unsafe setsockopt(descriptor, CInt(IPPROTO_IPV6), IPV6_V6ONLY, &only, socklen_t(MemoryLayout<CInt>.size))
        }
        let result = unsafe endpoint.withSocketAddress { address, length in unsafe bind(descriptor, address, length) }
        guard result == 0 else {
            let code = errno
            Glibc.close(descriptor)
            throw .listen(listenProblem(text, code))
        }
        // Needed to bind beside connections that linger; kept, it would let any local user bind the port as well and listen.
        setReuse(descriptor, false)
        return (descriptor, endpoint.withPort(boundPort(descriptor) ?? endpoint.port))
    }

    private static func setReuse(_ descriptor: CInt, _ isOn: Bool) {
        var value: CInt = isOn ? 1 : 0
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &value, socklen_t(MemoryLayout<CInt>.size))
    }

    private static func listenProblem(_ text: String, _ code: CInt) -> String {
        switch code {
        case EADDRINUSE: "TCP \(text) is in use by another program: stop it, or name another port"
        case EADDRNOTAVAIL: "TCP \(text) cannot be listened on: no interface of this host has that address"
        case EACCES, EPERM: "TCP \(text) cannot be listened on without privileges: take a port from 1024 on"
        default: "TCP \(text) cannot be listened on: \(systemError(code))"
        }
    }

    private static func boundPort(_ descriptor: CInt) -> UInt16? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                guard unsafe getsockname(descriptor, address, &length) == 0 else { return nil }
                // Both families have the port at byte 2.
                return unsafe UInt16(
                    bigEndian: UnsafeRawPointer(address).loadUnaligned(fromByteOffset: 2, as: UInt16.self))
            }
        }
    }

    private static func systemError(_ code: CInt = errno) -> String { unsafe String(cString: strerror(code)) }
}

@available(*, unavailable)
extension TunnelListener: Sendable {}

extension Endpoint {
    /// Calls `body` with the address as the kernel wants it, byte by byte: which module a C struct's fields belong to depends on
    /// what else is imported.
    fileprivate func withSocketAddress<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        // struct sockaddr_in6: family (2), port (2), flow label (4), address (16), scope (4).
        let count = family == .v4 ? 16 : 28
        return unsafe withUnsafeTemporaryAllocation(byteCount: count, alignment: 8) { memory in
            unsafe memory.initializeMemory(as: UInt8.self, repeating: 0)
            unsafe memory.storeBytes(of: UInt16(family == .v4 ? AF_INET : AF_INET6), as: UInt16.self)
            unsafe memory.storeBytes(of: port.bigEndian, toByteOffset: 2, as: UInt16.self)
            switch family {
            // struct sockaddr_in: family (2), port (2), address (4), zeros (8).
            case .v4:
                unsafe memory.storeBytes(
                    of: UInt32(truncatingIfNeeded: low).bigEndian, toByteOffset: 4, as: UInt32.self)
            case .v6:
                unsafe memory.storeBytes(of: high.bigEndian, toByteOffset: 8, as: UInt64.self)
                unsafe memory.storeBytes(of: low.bigEndian, toByteOffset: 16, as: UInt64.self)
                unsafe memory.storeBytes(of: scope, toByteOffset: 24, as: UInt32.self)
            }
            return unsafe body(memory.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(count))
        }
    }
}
