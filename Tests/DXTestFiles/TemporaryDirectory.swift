public import Glibc

/// A directory of its own for a test, mode 0700, removed with all it holds when the test lets go of it.
public final class TemporaryDirectory: Sendable {
    /// Its path.
    public let path: String

    /// A new one.
    public init() {
        // Short, because the path of a unix socket holds 103 bytes.
        path = "/tmp/dx-\(UInt32.random(in: 0...(.max)))"
        precondition(unsafe mkdir(path, 0o700) == 0, "the directory is new")
    }

    deinit { Self.remove(path) }

    /// The path of `name` in it.
    public func file(_ name: String) -> String { path + "/" + name }

    /// Writes a file; returns its path.
    @discardableResult
    public func write(_ text: String, to name: String, mode: mode_t = 0o600) -> String {
        let descriptor = unsafe open(file(name), O_WRONLY | O_CREAT | O_TRUNC, mode)
        precondition(descriptor >= 0, "the file can be made")
        defer { close(descriptor) }
        var bytes = Array(text.utf8)
        precondition(unsafe Glibc.write(descriptor, &bytes, bytes.count) == bytes.count, "the file takes the text")
        precondition(unsafe chmod(file(name), mode) == 0, "the mode can be set")
        return file(name)
    }

    /// Leaves a socket there to which nobody listens, as a killed process does; returns its path.
    @discardableResult
    public func makeDeadSocket(_ name: String) -> String {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: file(name).utf8) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        precondition(result == 0, "the socket is new")
        close(descriptor)
        return file(name)
    }

    /// Makes a directory in it.
    public func makeDirectory(_ name: String) {
        precondition(unsafe mkdir(file(name), 0o700) == 0, "the directory is new")
    }

    /// Sets the permission bits of a file.
    public func setMode(_ mode: mode_t, of name: String) {
        precondition(unsafe chmod(file(name), mode) == 0, "the mode can be set")
    }

    /// The permission bits of a file; nil when there is none.
    public static func mode(of path: String) -> mode_t? {
        var status = stat()
        return unsafe lstat(path, &status) == 0 ? status.st_mode & 0o7777 : nil
    }

    /// The names in it, in order.
    public var names: [String] { Self.names(in: path) }

    /// The names in a directory that is in it, in order.
    public func names(in directory: String) -> [String] { Self.names(in: file(directory)) }

    private static func names(in path: String) -> [String] {
        guard let listing = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(listing) }
        var names: [String] = []
        while let entry = unsafe readdir(listing) {
            names.append(
                unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                    unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                })
        }
        return names.filter { $0 != "." && $0 != ".." }.sorted()
    }

    private static func remove(_ path: String) {
        if unsafe unlink(path) == 0 { return }
        for name in names(in: path) { remove(path + "/" + name) }
        unsafe rmdir(path)
    }
}
