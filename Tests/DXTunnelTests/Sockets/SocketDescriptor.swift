import Glibc
import NIOConcurrencyHelpers

/// A failed call of the kernel.
struct SocketFailure: Error, Equatable, CustomStringConvertible {
    let code: CInt
    var description: String { unsafe String(cString: strerror(code)) }
}

/// A non-blocking socket that is closed once, when told or let go. Tests ask it again and again; nothing blocks.
final class SocketDescriptor: Sendable {
    private let value: NIOLockedValueBox<CInt>

    /// A new socket.
    init(isIPv6: Bool, type: __socket_type) throws {
        let kind = CInt(type.rawValue) | CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(isIPv6 ? AF_INET6 : AF_INET, kind, 0)
        guard descriptor >= 0 else { throw SocketFailure(code: errno) }
        value = NIOLockedValueBox(descriptor)
    }

    /// A new unix socket.
    convenience init(unixType type: __socket_type) throws {
        let kind = CInt(type.rawValue) | CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { throw SocketFailure(code: errno) }
        self.init(accepted: descriptor)
    }

    /// One that the kernel gave.
    init(accepted descriptor: CInt) { value = NIOLockedValueBox(descriptor) }

    deinit { close() }

    /// The number; -1 once closed.
    var number: CInt { value.withLockedValue { $0 } }

    func close() {
        value.withLockedValue { descriptor in
            if descriptor >= 0 { _ = Glibc.close(descriptor) }
            descriptor = -1
        }
    }

    /// Sets a whole-number option.
    func set(_ level: CInt, _ name: CInt, _ setting: CInt) {
        var setting = setting
        unsafe setsockopt(number, level, name, &setting, socklen_t(MemoryLayout<CInt>.size))
    }

    /// The port that it is bound to.
    var localPort: Int {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe getsockname(number, address, &length)
                // Both families have the port at byte 2.
                return Int(
                    unsafe UInt16(
                        bigEndian: UnsafeRawPointer(address).loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
            }
        }
    }

    /// Calls `body` with the loopback address of the socket's family and this port.
    static func withLoopback<Result>(
        port: Int, isIPv6: Bool, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        let port = UInt16(port).bigEndian
        if isIPv6 {
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port
            address.sin6_addr = in6addr_loopback
            return unsafe withUnsafePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe body($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
                }
            }
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port
        address.sin_addr.s_addr = (0x7f00_0001 as UInt32).bigEndian
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    /// Calls `body` with the address of a unix socket.
    static func withPath<Result>(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    /// Binds it to loopback; port 0 is a random one.
    func bind(port: Int, isIPv6: Bool) throws {
        let result = unsafe Self.withLoopback(port: port, isIPv6: isIPv6) { address, length in
            unsafe Glibc.bind(number, address, length)
        }
        guard result == 0 else { throw SocketFailure(code: errno) }
    }
}
