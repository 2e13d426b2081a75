import CDXSystem
import Glibc

/// A unix socket of an origin, in the file system.
///
/// The file is there only while somebody listens: so a client is refused at once before, and a socket that refuses is one
/// that a process left behind when it died. Such a one is replaced; one that answers, and any other file, never is.
struct UnixSocketFile {
    let path: String
    /// What the file was when it was made.
    private let device: UInt64
    private let inode: UInt64

    /// Makes a socket that listens, for whom `mode` lets in. Throws `GatewayError.listen`.
    static func listen(
        at path: String, mode: UInt16, backlog: CInt
    ) throws(GatewayError) -> (descriptor: CInt, file: UnixSocketFile) {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw .listen("unix socket \(path) cannot be opened: \(words(errno))") }
        do throws(GatewayError) {
            return (descriptor, try bind(descriptor, to: path, mode: mode, backlog: backlog))
        } catch {
            Glibc.close(descriptor)
            throw error
        }
    }

    private static func bind(
        _ descriptor: CInt, to path: String, mode: UInt16, backlog: CInt
    ) throws(GatewayError) -> UnixSocketFile {
        // Linux gives the file the socket's own mode, less the umask: it is open to nobody else at any moment.
        fchmod(descriptor, mode_t(mode))
        var code = unsafe withAddress(of: path) { unsafe Glibc.bind(descriptor, $0, $1) == 0 ? 0 : errno }
        if code == EADDRINUSE {
            // Throws unless nobody answers there.
            try check(path)
            unsafe unlink(path)
            code = unsafe withAddress(of: path) { unsafe Glibc.bind(descriptor, $0, $1) == 0 ? 0 : errno }
        }
        guard code == 0 else { throw .listen("unix socket \(path) cannot be made: \(words(code))") }
        var facts = dx_path()
        guard unsafe dx_path_facts(path, false, &facts) == 0, Glibc.listen(descriptor, backlog) == 0 else {
            code = errno
            unsafe unlink(path)
            throw .listen("unix socket \(path) cannot be listened on: \(words(code))")
        }
        let file = UnixSocketFile(path: path, device: facts.device, inode: facts.inode)
        file.setMode(mode)
        return file
    }

    /// The socket that is at a path; nil when there is none.
    init?(at path: String) {
        var facts = dx_path()
        guard unsafe dx_path_facts(path, false, &facts) == 0, facts.is_socket else { return nil }
        self.init(path: path, device: facts.device, inode: facts.inode)
    }

    private init(path: String, device: UInt64, inode: UInt64) {
        self.path = path
        self.device = device
        self.inode = inode
    }

    /// Whether the file at the path is still this one.
    private var isThere: Bool {
        var facts = dx_path()
        return unsafe dx_path_facts(path, false, &facts) == 0 && facts.device == device && facts.inode == inode
    }

    /// Lets others in, or keeps them out, who are not connected yet.
    func setMode(_ mode: UInt16) { if isThere { unsafe chmod(path, mode_t(mode)) } }

    /// Removes the file, unless another is in its place.
    func remove() { if isThere { unsafe unlink(path) } }

    /// Throws `GatewayError.listen` when no socket could be made there now.
    static func check(_ path: String) throws(GatewayError) {
        var facts = dx_path()
        if unsafe dx_path_facts(path, false, &facts) == 0 {
            guard facts.is_socket else {
                throw .listen(
                    "unix socket \(path): a file of another kind is there; move it away, or name another path")
            }
            if let reason = occupant(path) {
                throw .listen("unix socket \(path) \(reason): stop that program, or name another path")
            }
        }
        let directory = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
        guard unsafe access(directory.isEmpty ? "/" : directory, W_OK | X_OK) == 0 else {
            throw .listen(
                "unix socket \(path) cannot be made: \(words(errno)); make \(directory), writable for this user")
        }
    }

    /// Who holds the socket at a path, in words; nil when nobody does.
    private static func occupant(_ path: String) -> String? {
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let probe = socket(AF_UNIX, kind, 0)
        guard probe >= 0 else { return "cannot be tried (\(words(errno)))" }
        defer { Glibc.close(probe) }
        let code = unsafe withAddress(of: path) { unsafe connect(probe, $0, $1) == 0 ? 0 : errno }
        switch code {
        case ECONNREFUSED, ENOENT: return nil
        // The queue of whoever listens is full.
        case 0, EAGAIN, EINPROGRESS: return "is in use by another program"
        default: return "is there and cannot be tried (\(words(code)))"
        }
    }

    /// Calls `body` with the path as the kernel wants it. The path has at most `longestPath` bytes.
    private static func withAddress(of path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
        // struct sockaddr_un: family (2), path (108) with a zero at its end.
        let count = 2 + TunnelAddress.longestPath + 1
        return unsafe withUnsafeTemporaryAllocation(byteCount: count, alignment: 8) { memory in
            unsafe memory.initializeMemory(as: UInt8.self, repeating: 0)
            unsafe memory.storeBytes(of: UInt16(AF_UNIX), as: UInt16.self)
            for (index, byte) in path.utf8.prefix(TunnelAddress.longestPath).enumerated() {
                unsafe memory[2 + index] = byte
            }
            return unsafe body(memory.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(count))
        }
    }

    private static func words(_ code: CInt) -> String { unsafe String(cString: strerror(code)) }
}
