import Glibc

/// A plain UDP socket on loopback: a stranger.
final class UDPSocket: Sendable {
    private let socket: SocketDescriptor
    let port: Int

    init(port: Int = 0) throws {
        socket = try SocketDescriptor(isIPv6: false, type: SOCK_DGRAM)
        socket.set(SOL_SOCKET, SO_RCVBUF, 4 << 20)
        try socket.bind(port: port, isIPv6: false)
        self.port = socket.localPort
    }

    /// The descriptor, for `poll`.
    var number: CInt { socket.number }

    /// Sends one datagram; what the kernel does not take is lost.
    func send(_ bytes: [UInt8], to port: Int) {
        _ = unsafe SocketDescriptor.withLoopback(port: port, isIPv6: false) { address, length in
            unsafe sendto(socket.number, bytes, bytes.count, 0, address, length)
        }
    }

    /// The next datagram and the port that it came from, if one is there.
    func receiveNow() -> (bytes: [UInt8], port: Int)? {
        var source = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        var count = 0
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 65_536) { buffer, initialized in
            count = unsafe withUnsafeMutablePointer(to: &source) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                    unsafe recvfrom(socket.number, buffer.baseAddress, buffer.count, 0, address, &length)
                }
            }
            initialized = max(0, count)
        }
        return count >= 0 ? (bytes, Int(UInt16(bigEndian: source.sin_port))) : nil
    }

    func close() { socket.close() }

    /// A port that nobody has.
    static func unusedPort() throws -> Int {
        let socket = try UDPSocket()
        defer { socket.close() }
        return socket.port
    }
}
