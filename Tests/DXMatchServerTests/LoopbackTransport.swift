import DXSocket
import DXWire
import Glibc

/// A UDP socket on loopback, connected to a matchmaker's.
final class LoopbackTransport: TestTransport {
    let address: Endpoint
    private let descriptor: Int32

    /// Bound to that address of 127.0.0.0/8 and a random port.
    init(to matchmaker: Endpoint, from host: UInt32 = 0x7f00_0001) {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        precondition(descriptor >= 0, "there are sockets")
        var local = Self.socketAddress(Endpoint(v4: host, port: 0))
        var remote = Self.socketAddress(matchmaker)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        // Long, so that a busy machine fails no test: where an answer comes, nobody waits for it.
        var wait = timeval(tv_sec: 20, tv_usec: 0)
        let isOpen = unsafe withUnsafeMutablePointer(to: &local) { local in
            unsafe local.withMemoryRebound(to: sockaddr.self, capacity: 1) { local in
                unsafe bind(descriptor, local, length) == 0 && getsockname(descriptor, local, &length) == 0
            }
        }
        let isConnected = unsafe withUnsafePointer(to: &remote) { remote in
            unsafe remote.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(descriptor, $0, length) == 0
            }
        }
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &wait, socklen_t(MemoryLayout<timeval>.size))
        precondition(isOpen && isConnected, "loopback takes any socket")
        self.descriptor = descriptor
        address = Endpoint(v4: host, port: UInt16(bigEndian: local.sin_port))
    }

    deinit { close(descriptor) }

    private static func socketAddress(_ endpoint: Endpoint) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(truncatingIfNeeded: endpoint.low).bigEndian
        address.sin_port = endpoint.port.bigEndian
        return address
    }

    func send(_ datagram: [UInt8]) {
        _ = unsafe datagram.withUnsafeBytes { unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, 0) }
    }

    func hear() -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = unsafe recv(descriptor, &bytes, bytes.count, 0)
        return count < 0 ? nil : Array(bytes.prefix(count))
    }

    func exchange(_ datagram: [UInt8]) -> [UInt8]? {
        send(datagram)
        guard let answer = hear() else { return nil }
        // Larger is thrown away, as if it had not come: then the test fails for want of it.
        return answer.count <= datagram.count ? answer : nil
    }
}
