import Glibc

/// A plain TCP server on loopback, or one at a unix socket: the target of a tunnel.
final class TCPServer: Sendable {
    private let socket: SocketDescriptor
    /// Where it listens.
    let port: Int

    init(port: Int = 0, isIPv6: Bool = false, backlog: CInt = 512) throws {
        socket = try SocketDescriptor(isIPv6: isIPv6, type: SOCK_STREAM)
        socket.set(SOL_SOCKET, SO_REUSEADDR, 1)
        try socket.bind(port: port, isIPv6: isIPv6)
        self.port = socket.localPort
        guard listen(socket.number, backlog) == 0 else { throw SocketFailure(code: errno) }
    }

    /// A server at a unix socket.
    init(path: String, backlog: CInt = 512) throws {
        socket = try SocketDescriptor(unixType: SOCK_STREAM)
        port = 0
        let result = unsafe SocketDescriptor.withPath(path) { unsafe bind(socket.number, $0, $1) }
        guard result == 0, listen(socket.number, backlog) == 0 else { throw SocketFailure(code: errno) }
    }

    /// The next connection, if it is there already.
    func acceptNow() throws -> TCPSocket? {
        let descriptor = Glibc.accept(socket.number, nil, nil)
        if descriptor >= 0 {
            _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
            return TCPSocket(SocketDescriptor(accepted: descriptor))
        }
        guard errno == EAGAIN || errno == EINTR || errno == ECONNABORTED else { throw SocketFailure(code: errno) }
        return nil
    }

    /// The next connection.
    func accept() async throws -> TCPSocket { try await Polling.wait(for: "a connection") { try acceptNow() } }

    /// Gives every connection to `body`, each in its own task, until it is closed.
    func serve(_ body: @escaping @Sendable (TCPSocket) async throws -> Void) {
        Task {
            while socket.number >= 0, let connection = try? await accept() {
                Task { try? await body(connection) }
            }
        }
    }

    /// Sends back what comes, then FIN.
    func serveEcho() {
        serve { connection in
            while case .bytes(let bytes) = try await connection.receive() { try await connection.send(bytes) }
            connection.finish()
            _ = try await connection.receiveAll()
        }
    }

    func close() { socket.close() }

    /// A port on which nothing listens.
    static func unusedPort() throws -> Int {
        let socket = try SocketDescriptor(isIPv6: false, type: SOCK_STREAM)
        try socket.bind(port: 0, isIPv6: false)
        return socket.localPort
    }
}
