import DXWire
import Glibc
import NIOCore
import NIOPosix

/// What a failed attempt to connect to a target means.
enum TargetConnection {
    /// A refusal is a refusal; everything else is a target that cannot be reached.
    static func code(for error: any Error) -> StreamCode {
        // Of a unix socket there is no file while nobody listens.
        [ECONNREFUSED, ENOENT].contains(errno(of: error)) ? .refused : .unreachable
    }

    /// Why, for people.
    static func words(for error: any Error) -> String {
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
