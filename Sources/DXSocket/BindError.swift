internal import DXWire
import Glibc

/// Why a socket could not be opened and bound. The description is for the user and says what to do.
public struct BindError: Error, Hashable, Sendable {
    /// The address and port, as they would stand in a configuration file.
    public var address: String
    /// The kind of failure.
    public var reason: Reason
    /// The kernel's errno.
    public var errnoCode: Int32

    /// The kinds of failure a user can tell apart.
    public enum Reason: Sendable {
        /// Another socket has the port.
        case portInUse
        /// No interface of this host has the address.
        case addressNotAvailable
        /// Ports below 1024 need a privilege.
        case notPermitted
        /// This kernel or network namespace lacks the address family.
        case familyUnavailable
        /// Anything else: out of file descriptors, out of memory.
        case system
    }

    /// The kernel refused `address` with `code`.
    init(_ address: Endpoint, _ code: Int32) {
        self.address = address.description
        self.errnoCode = code
        self.reason =
            switch code {
            case EADDRINUSE: .portInUse
            case EADDRNOTAVAIL, ENODEV: .addressNotAvailable
            case EACCES, EPERM: .notPermitted
            case EAFNOSUPPORT, EPROTONOSUPPORT: .familyUnavailable
            default: .system
            }
    }
}

extension BindError: CustomStringConvertible {
    /// One sentence: what failed and what to do.
    public var description: String {
        switch reason {
        case .portInUse:
            "UDP \(address) is in use by another program: stop it, or listen on another port (0 takes a random one)"
        case .addressNotAvailable:
            "UDP \(address) can not be listened on: no interface of this host has that address"
        case .notPermitted:
            "UDP \(address) can not be listened on without privileges: take a port from 1024 on"
        case .familyUnavailable:
            "UDP \(address) can not be listened on: this system has no such address family"
        case .system:
            "UDP \(address) can not be opened: \(Self.words(errnoCode))"
        }
    }

    private static func words(_ code: Int32) -> String {
        var buffer = [CChar](repeating: 0, count: 128)
        guard unsafe strerror_r(code, &buffer, buffer.count) == 0 else { return "errno \(code)" }
        return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
