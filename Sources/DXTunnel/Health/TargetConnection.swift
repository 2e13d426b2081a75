import DXWire
import Glibc
import NIOCore
import NIOPosix

/// What a failed attempt to connect to a target means.
enum TargetConnection {
    /// Whether this host had no means to connect: no descriptors, no memory. It says nothing of the target.
    static func isOwnTrouble(_ error: any Error) -> Bool {
        errno(of: error).map { [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains($0) } ?? false
    }

    /// Whether a unix socket has as many connections waiting as its program lets.
    static func isFull(_ error: any Error) -> Bool { errno(of: error) == EAGAIN }

    /// A refusal is a refusal, and want of means here is a limit; everything else is a target that cannot be reached.
    static func code(for error: any Error) -> StreamCode {
        if isOwnTrouble(error) { return .limit }
        // Of a unix socket there is no file while nobody listens.
        return [ECONNREFUSED, ENOENT].contains(errno(of: error)) ? .refused : .unreachable
    }

    /// Why, for people.
    static func words(for error: any Error) -> String {
        if isFull(error) { return "it accepts none, and its queue of connections is full" }
        if let code = errno(of: error) { return unsafe String(cString: strerror(code)) }
        if let error = error as? NIOCore.ChannelError, case .connectTimeout = error { return "no answer in time" }
        if let error = error as? NIOConnectionError, error.connectionErrors.isEmpty {
            return "the name cannot be resolved"
        }
        return "\(error)"
    }

    private static func errno(of error: any Error) -> CInt? {
        if let error = error as? IOError { return error.errnoCode }
        if let error = error as? NIOConnectionError {
            return error.connectionErrors.lazy.compactMap { errno(of: $0.error) }.first
        }
        return nil
    }
}
