import CDXOpenSSL
import DXWire
import Glibc

@testable import DXSecure

/// The `openssl` program with a key and certificate of its own, which trusts our certificate alone.
final class OpenSSLPeer {
    /// The program's key.
    let identity: Identity
    /// Ours.
    let context: DTLSContext
    private let directory: TemporaryDirectory
    private var process: pid_t = 0
    private var input: Int32 = -1
    private var output: Int32 = -1
    private var unread: [UInt8] = []

    init(prefersChaCha: Bool) throws {
        directory = try TemporaryDirectory()
        identity = try Identity.generate()
        try identity.write(to: directory.path + "/key.pem")
        context = try DTLSContext(Identity.generate(), prefersChaCha: prefersChaCha)
        try run([
            "req", "-x509", "-new", "-key", directory.path + "/key.pem", "-subj", "/CN=peer", "-out",
            directory.path + "/cert.pem",
        ])
        try writeOurCertificate(to: directory.path + "/ours.der")
        try run(["x509", "-inform", "DER", "-in", directory.path + "/ours.der", "-out", directory.path + "/ours.pem"])
    }

    deinit {
        if process > 0 {
            kill(process, SIGKILL)
            _ = waitpid(process, nil, 0)
        }
        for descriptor in [input, output] where descriptor >= 0 { close(descriptor) }
    }

    /// Starts the program with its keys and these arguments.
    func start(_ arguments: [String]) throws {
        let keys = [
            "-key", directory.path + "/key.pem", "-cert", directory.path + "/cert.pem", "-CAfile",
            directory.path + "/ours.pem",
        ]
        process = try spawn(arguments + keys)
    }

    func writeLine(_ line: String) throws {
        let bytes = Array((line + "\n").utf8)
        guard unsafe write(input, bytes, bytes.count) == bytes.count else { throw TestFailure("write: \(errno)") }
    }

    /// The next line that the program prints, within 10 s.
    func readLine() throws -> String {
        while true {
            if let end = unread.firstIndex(of: UInt8(ascii: "\n")) {
                defer { unread.removeFirst(end + 1) }
                return String(decoding: unread[..<end], as: UTF8.self)
            }
            var request = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
            guard unsafe poll(&request, 1, 10_000) == 1 else { throw TestFailure("openssl printed nothing") }
            var buffer = [UInt8](repeating: 0, count: 4_096)
            let count = unsafe read(output, &buffer, buffer.count)
            guard count > 0 else { throw TestFailure("openssl ended") }
            unread += buffer.prefix(count)
        }
    }

    private func writeOurCertificate(to path: String) throws {
        var der: UnsafeMutablePointer<UInt8>?
        let count = unsafe i2d_X509(SSL_CTX_get0_certificate(context.pointer), &der)
        guard count > 0, let bytes = unsafe der else { throw TestFailure("no certificate") }
        defer { unsafe CRYPTO_free(bytes, nil, 0) }
        let file = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600 as mode_t)
        defer { close(file) }
        guard unsafe write(file, bytes, Int(count)) == Int(count) else { throw TestFailure("write: \(errno)") }
    }

    private func run(_ arguments: [String]) throws {
        let process = try spawn(arguments)
        var status: Int32 = 0
        _ = unsafe waitpid(process, &status, 0)
        guard status == 0 else { throw TestFailure("openssl \(arguments[0]) failed") }
    }

    /// Starts `openssl`; its input and output are `input` and `output` then. Signals are unblocked for it: the threads
    /// of the test library have them blocked.
    private func spawn(_ arguments: [String]) throws -> pid_t {
        for descriptor in [input, output] where descriptor >= 0 { close(descriptor) }
        var (toProgram, fromProgram): ([Int32], [Int32]) = ([0, 0], [0, 0])
        guard unsafe pipe(&toProgram) == 0, unsafe pipe(&fromProgram) == 0 else {
            throw TestFailure("pipe: \(errno)")
        }
        for descriptor in toProgram + fromProgram { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        (input, output) = (toProgram[1], fromProgram[0])
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, toProgram[0], 0)
        unsafe posix_spawn_file_actions_adddup2(&actions, fromProgram[1], 1)
        unsafe posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        var mask = sigset_t()
        unsafe sigemptyset(&mask)
        unsafe posix_spawnattr_setsigmask(&attributes, &mask)
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var words: [UnsafeMutablePointer<CChar>?] = unsafe (["openssl"] + arguments).map { unsafe strdup($0) }
        unsafe words.append(nil)
        defer { unsafe words.forEach { unsafe free($0) } }
        var process: pid_t = 0
        let result = unsafe posix_spawnp(&process, "openssl", &actions, &attributes, words, environ)
        close(toProgram[0])
        close(fromProgram[1])
        guard result == 0 else { throw TestFailure("openssl: \(result)") }
        return process
    }
}
