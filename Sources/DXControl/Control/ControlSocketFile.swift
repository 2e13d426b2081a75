import CDXSystem
import DXTunnel
import Glibc
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

/// Why the control socket could not be had.
public struct ControlSocketError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The path of the socket.
    public let path: String
    /// What is wrong.
    public let message: String
    /// What to do, as an instruction.
    public let remedy: String
    /// Whether there was no room on the disk: there may be some later.
    public var isDiskFull = false

    /// One line: the path, what is wrong, what to do.
    public var description: String { "control socket \(path) \(message); \(remedy)" }
}

/// The control socket's place in the file system.
///
/// The socket is bound inside a new directory that only the owner can enter, made 0600 there, and moved to its path by
/// rename: so nobody else can connect at any moment, and what a dead process left there is replaced in one step.
struct ControlSocketFile {
    /// Where clients find the socket.
    let path: String
    /// Where the server binds it: below `bindDirectory`, or the same by way of /proc where that has a longer path than a
    /// socket may. Else a path would work or not by how many digits the process id has.
    let bindPath: String
    private let bindDirectory: String
    /// Open while `bindPath` goes through it.
    private let opened: Int32?

    /// Makes ready to bind: checks that no living gateway holds the path, makes its directory (0700) when missing.
    ///
    /// - Parameter succeeds: the living one is an earlier start of this program, whose socket is replaced in one step.
    static func claim(_ path: String, succeeds: Bool = false) async throws(ControlSocketError) -> ControlSocketFile {
        func refusal(_ message: String, _ remedy: String) -> ControlSocketError {
            ControlSocketError(path: path, message: message, remedy: remedy)
        }
        let most = GatewayConfiguration.maximumSocketPath
        guard path.utf8.count <= most else {
            throw refusal("has a path that is too long for a socket", "use a path of at most \(most) bytes")
        }
        let directory = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        if !directory.isEmpty, let code = makeDirectories(directory) {
            throw refusal("has no directory, and none could be made (\(text(code)))", "make \(directory)")
        }
        var facts = dx_path()
        if unsafe dx_path_facts(path, false, &facts) == 0 {
            guard facts.is_socket else {
                throw refusal("is a file of another kind", "move it away, or set another control: path")
            }
            if !succeeds, let reason = await occupant(path) {
                throw refusal(reason, "stop that one, or set another control: path")
            }
        }
        removeLeftovers(in: directory)
        var random = SystemRandomNumberGenerator()
        let number = String(UInt16.random(in: 0...(.max), using: &random), radix: 36)
        let bindDirectory = directory + "/" + bindMark + String(getpid()) + "-" + number
        inUse.withLockedValue { _ = $0.insert(bindDirectory) }
        guard unsafe mkdir(bindDirectory, 0o700) == 0 else {
            let code = errno
            inUse.withLockedValue { _ = $0.remove(bindDirectory) }
            if code == ENOSPC || code == EDQUOT { throw full(path) }
            throw refusal("could not be made (\(text(code)))", "make \(directory) writable for this user")
        }
        var opened: Int32?
        if bindDirectory.utf8.count + socketName.utf8.count > most {
            let descriptor = unsafe open(bindDirectory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            // There is no /proc in some sandboxes.
            guard descriptor >= 0, unsafe access("/proc/self/fd/\(descriptor)", F_OK) == 0 else {
                let code = errno
                if descriptor >= 0 { Glibc.close(descriptor) }
                unsafe rmdir(bindDirectory)
                inUse.withLockedValue { _ = $0.remove(bindDirectory) }
                throw refusal("could not be made (\(text(code)))", "use a shorter path")
            }
            opened = descriptor
        }
        return ControlSocketFile(path: path, bindDirectory: bindDirectory, opened: opened)
    }

    /// How the directories begin in which sockets are bound; the process and a random number follow.
    private static let bindMark = ".dx-"
    /// The socket in such a directory.
    private static let socketName = "/s"
    /// Those of this process.
    private static let inUse = NIOLockedValueBox<Set<String>>([])

    /// Removes what processes left behind that ended between binding and moving: one more with each such crash otherwise.
    private static func removeLeftovers(in directory: String) {
        guard let listing = unsafe opendir(directory.isEmpty ? "/" : directory) else { return }
        defer { unsafe closedir(listing) }
        var names: [String] = []
        while let entry = unsafe readdir(listing) {
            names.append(
                unsafe withUnsafePointer(to: &entry.pointee.d_name) { name in
                    unsafe name.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
                })
        }
        for name in names where name.hasPrefix(bindMark) {
            guard let text = name.dropFirst(bindMark.utf8.count).split(separator: "-").first,
                let process = pid_t(text), process > 0, !inUse.withLockedValue({ $0.contains(directory + "/" + name) })
            else { continue }
            // In a container every start may be process 1.
            guard process == getpid() || kill(process, 0) != 0 && errno == ESRCH else { continue }
            unsafe unlink(directory + "/" + name + socketName)
            unsafe rmdir(directory + "/" + name)
        }
    }

    /// What a disk without room is told as.
    static func full(_ path: String) -> ControlSocketError {
        ControlSocketError(
            path: path, message: "could not be made: the disk is full", remedy: "make room", isDiskFull: true)
    }

    private init(path: String, bindDirectory: String, opened: Int32?) {
        self.path = path
        bindPath = (opened.map { "/proc/self/fd/\($0)" } ?? bindDirectory) + Self.socketName
        self.bindDirectory = bindDirectory
        self.opened = opened
    }

    /// Moves the bound socket to its path; returns what `remove` needs to know it again.
    func publish() throws(ControlSocketError) -> Published {
        var facts = dx_path()
        guard unsafe chmod(bindPath, 0o600) == 0, unsafe dx_path_facts(bindPath, true, &facts) == 0,
            unsafe rename(bindPath, path) == 0
        else {
            let code = errno
            abandon()
            if code == ENOSPC || code == EDQUOT { throw Self.full(path) }
            throw ControlSocketError(
                path: path, message: "could not be put in place (\(Self.text(code)))", remedy: "check its directory")
        }
        close()
        return Published(path: path, device: facts.device, inode: facts.inode)
    }

    /// Removes what `claim` made, when nothing was published.
    func abandon() {
        unsafe unlink(bindPath)
        close()
    }

    /// Gives back what `claim` took. Once.
    private func close() {
        unsafe rmdir(bindDirectory)
        if let opened { Glibc.close(opened) }
        Self.inUse.withLockedValue { _ = $0.remove(bindDirectory) }
    }

    /// A socket in its place.
    struct Published: Sendable {
        fileprivate let path: String
        fileprivate let device: UInt64
        fileprivate let inode: UInt64

        /// Removes the socket, unless another process has put its own there.
        func remove() {
            var facts = dx_path()
            guard unsafe dx_path_facts(path, false, &facts) == 0, facts.device == device, facts.inode == inode else {
                return
            }
            unsafe unlink(path)
        }
    }

    /// What holds the socket at `path`; nil when nobody answers there.
    private static func occupant(_ path: String) async -> String? {
        do {
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(unixDomainSocketPath: path).get()
            try? await channel.close()
            return "is in use by a running gateway"
        } catch let error as IOError {
            switch error.errnoCode {
            case ECONNREFUSED, ENOENT: return nil
            case let code: return "is there and cannot be tried (\(text(code)))"
            }
        } catch {
            return "is there and cannot be tried (\(error))"
        }
    }

    /// Makes a directory and those above it, 0700 each; returns an errno, or nil when the directory stands.
    private static func makeDirectories(_ directory: String) -> Int32? {
        if unsafe mkdir(directory, 0o700) == 0 || errno == EEXIST { return nil }
        guard errno == ENOENT, let slash = directory.lastIndex(of: "/"), slash != directory.startIndex else {
            return errno
        }
        if let code = makeDirectories(String(directory[..<slash])) { return code }
        return unsafe mkdir(directory, 0o700) == 0 || errno == EEXIST ? nil : errno
    }

    private static func text(_ code: Int32) -> String { unsafe String(cString: strerror(code)) }
}
