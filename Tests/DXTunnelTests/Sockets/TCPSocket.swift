import Glibc

/// One plain TCP connection on loopback, or one of a unix socket, with nothing between the test and the kernel: the test sees FIN, RST and errno as
/// an application does.
final class TCPSocket: Sendable {
    /// What a read gave.
    enum Received: Equatable {
        case bytes([UInt8])
        /// FIN.
        case end
        /// RST, or another error.
        case failed(CInt)
    }

    private let socket: SocketDescriptor
    /// It was reset as soon as it was there: the kernel told while it was asked whether it is.
    private let earlyFailure: CInt?

    init(_ socket: SocketDescriptor, earlyFailure: CInt? = nil) {
        self.socket = socket
        self.earlyFailure = earlyFailure
    }

    /// Connects to a port of this host.
    ///
    /// - Parameter receiveBuffer: the kernel's receive buffer; small ones make slow readers felt.
    /// - Throws: `SocketFailure`, as when nothing listens.
    static func connect(to port: Int, isIPv6: Bool = false, receiveBuffer: CInt? = nil) async throws -> TCPSocket {
        let socket = try SocketDescriptor(isIPv6: isIPv6, type: SOCK_STREAM)
        if let receiveBuffer { socket.set(SOL_SOCKET, SO_RCVBUF, receiveBuffer) }
        let result = unsafe SocketDescriptor.withLoopback(port: port, isIPv6: isIPv6) { address, length in
            unsafe Glibc.connect(socket.number, address, length)
        }
        guard result == 0 || errno == EINPROGRESS else { throw SocketFailure(code: errno) }
        let connection = TCPSocket(socket)
        try await Polling.wait(for: "a connection") { connection.isReady(POLLOUT) ? () : nil }
        let code = connection.takeError()
        if code == ECONNRESET { return TCPSocket(socket, earlyFailure: code) }
        guard code == 0 else { throw SocketFailure(code: code) }
        return connection
    }

    /// Connects to a unix socket.
    static func connect(toPath path: String) async throws -> TCPSocket {
        let socket = try SocketDescriptor(unixType: SOCK_STREAM)
        try await Polling.wait(for: "room in the queue of \(path)") {
            let result = unsafe SocketDescriptor.withPath(path) { unsafe Glibc.connect(socket.number, $0, $1) }
            if result == 0 { return () }
            guard errno == EAGAIN || errno == EINTR else { throw SocketFailure(code: errno) }
            return nil
        }
        return TCPSocket(socket)
    }

    private func isReady(_ events: CInt) -> Bool {
        var entry = pollfd(fd: socket.number, events: Int16(events), revents: 0)
        return unsafe poll(&entry, 1, 0) > 0
    }

    private func takeError() -> CInt {
        var code: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        unsafe getsockopt(socket.number, SOL_SOCKET, SO_ERROR, &code, &length)
        return code
    }

    /// The port of this end.
    var localPort: Int { socket.localPort }

    // MARK: Reading

    /// What comes next, if it is there already.
    func receiveNow(maximum: Int = 65_536) -> Received? {
        if let earlyFailure { return .failed(earlyFailure) }
        var count = 0
        var code: CInt = 0
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: maximum) { buffer, initialized in
            count = unsafe recv(socket.number, buffer.baseAddress, maximum, 0)
            code = errno
            initialized = max(0, count)
        }
        if count > 0 { return .bytes(bytes) }
        if count == 0 { return .end }
        return code == EAGAIN || code == EINTR ? nil : .failed(code)
    }

    /// What comes next.
    func receive(maximum: Int = 65_536) async throws -> Received {
        try await Polling.wait(for: "something to read") { receiveNow(maximum: maximum) }
    }

    /// Everything until FIN or an error, and which of them it was.
    func receiveAll() async throws -> (bytes: [UInt8], last: Received) {
        var all: [UInt8] = []
        while true {
            let received = try await receive()
            guard case .bytes(let bytes) = received else { return (all, received) }
            all.append(contentsOf: bytes)
        }
    }

    /// Exactly `count` bytes; fewer when the connection ends before.
    func receive(exactly count: Int) async throws -> [UInt8] {
        var all: [UInt8] = []
        while all.count < count {
            guard case .bytes(let bytes) = try await receive(maximum: min(65_536, count - all.count)) else { break }
            all.append(contentsOf: bytes)
        }
        return all
    }

    // MARK: Writing

    /// Sends as much as the kernel takes at once; nil when it takes none.
    func sendNow(_ bytes: ArraySlice<UInt8>) throws -> Int? {
        let count = unsafe bytes.withUnsafeBytes { buffer in
            unsafe Glibc.send(socket.number, buffer.baseAddress, buffer.count, CInt(MSG_NOSIGNAL))
        }
        if count >= 0 { return count }
        guard errno == EAGAIN || errno == EINTR else { throw SocketFailure(code: errno) }
        return nil
    }

    /// Sends everything.
    ///
    /// - Throws: `SocketFailure`.
    func send(_ bytes: [UInt8]) async throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            // Half a megabyte at a time, so that other tasks get their turn.
            let count = try await Polling.wait(for: "room to write") { try sendNow(rest.prefix(524_288)) }
            rest = rest.dropFirst(count)
        }
    }

    // MARK: Ending

    /// FIN; the other direction stays open.
    func finish() { _ = Glibc.shutdown(socket.number, CInt(SHUT_WR)) }

    /// RST.
    func reset() {
        var setting = linger(l_onoff: 1, l_linger: 0)
        unsafe setsockopt(
            socket.number, SOL_SOCKET, SO_LINGER, &setting, socklen_t(MemoryLayout<linger>.size))
        socket.close()
    }

    /// FIN, or RST when bytes were left unread.
    func close() { socket.close() }
}
