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
        let port = [UInt8(truncatingIfNeeded: port >> 8), UInt8(truncatingIfNeeded: port)]
        // struct sockaddr_in: port, address, 8 of nothing; struct sockaddr_in6: port, flow, address, scope.
        let rest: [UInt8] =
            isIPv6 ? Array(repeating: 0, count: 19) + [1, 0, 0, 0, 0] : [127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]
        return unsafe withAddress(isIPv6 ? AF_INET6 : AF_INET, port + rest, body)
    }

    /// Calls `body` with the address of a unix socket.
    static func withPath<Result>(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        // struct sockaddr_un has 108 bytes for the path and a zero.
        let path = Array(path.utf8.prefix(107))
        return unsafe withAddress(AF_UNIX, path + Array(repeating: 0, count: 108 - path.count), body)
    }

    /// An address from its bytes: whose the C structs' members are depends on which module was imported first.
    private static func withAddress<Result>(
        _ family: CInt, _ rest: [UInt8], _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        let count = 2 + rest.count
        return unsafe withUnsafeTemporaryAllocation(byteCount: count, alignment: 8) { memory in
            unsafe memory.storeBytes(of: UInt16(family), as: UInt16.self)
            for (index, byte) in rest.enumerated() { unsafe memory[2 + index] = byte }
            return unsafe body(memory.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(count))
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
