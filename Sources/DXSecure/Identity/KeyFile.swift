import CDXOpenSSL
import DXWire
import Glibc

/// Reading and writing small secret files.
///
/// A file is read only when nobody but its owner may read or write it, nobody but the owner may write its directory
/// (who can, can put another file there), and both belong to the user that runs this, or to root. It is written to a
/// temporary file beside it, mode 0600, flushed to the disk and renamed, so that a crash leaves the old file or the new
/// one. A symbolic link is followed first; the rules are for what it points to.
enum KeyFile {
    /// A limit against reading a huge file by mistake; the largest key file has about 250 bytes.
    static let maximumByteCount = 16_384

    /// The content of the file at `path`, which has at most `limit` bytes.
    static func read(_ path: String, atMost limit: Int = maximumByteCount) throws(KeyFileError) -> SecretBytes {
        guard let resolved = unsafe realpath(path, nil) else { throw failure(path, errno) }
        let real = unsafe String(cString: resolved)
        unsafe free(resolved)
        try checkDirectory(of: real, for: path)
        let file = unsafe open(real, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard file >= 0 else { throw failure(path, errno) }
        defer { _ = close(file) }
        var status = stat()
        guard unsafe fstat(file, &status) == 0 else { throw failure(path, errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw KeyFileError(path: path, reason: .notAFile) }
        guard status.st_uid == geteuid() || status.st_uid == 0 else {
            throw KeyFileError(path: path, reason: .foreignFile(status.st_uid))
        }
        guard status.st_mode & 0o077 == 0 else {
            throw KeyFileError(path: path, reason: .filePermissions(status.st_mode & 0o777))
        }
        guard status.st_size <= limit else { throw KeyFileError(path: path, reason: .tooLarge) }
        var number: Int32 = 0
        // It does not grow meanwhile: who writes it puts another one in its place.
        let size = Int(status.st_size)
        let content = unsafe SecretBytes(capacity: size) { memory in
            var count = 0
            while count < size {
                let got = unsafe Glibc.read(file, memory.baseAddress! + count, size - count)
                if got < 0 && errno == EINTR { continue }
                if got < 0 { number = errno }
                if got <= 0 { break }
                count += got
            }
            return count
        }
        guard number == 0 else { throw failure(path, number) }
        return content
    }

    /// Puts `content` into the file at `path`, whose directory must exist and pass the same rules as for reading.
    static func write(_ content: SecretBytes, to path: String) throws(KeyFileError) {
        // An existing link stays a link; what it points to is replaced.
        var real = path
        if let resolved = unsafe realpath(path, nil) {
            real = unsafe String(cString: resolved)
            unsafe free(resolved)
        }
        try checkDirectory(of: real, for: path)
        let temporary = real + PrivateFile.temporaryMark + String(SecureRandom.next(), radix: 36)
        let file = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600 as mode_t)
        guard file >= 0 else { throw failure(path, errno) }
        var number = store(content, in: file)
        if close(file) != 0 && number == 0 { number = errno }
        if unsafe number == 0 && rename(temporary, real) != 0 { number = errno }
        guard number == 0 else {
            _ = unsafe unlink(temporary)
            throw failure(path, number)
        }
        try flushDirectory(of: real, for: path)
    }

    /// Writes and flushes; 0 or an errno.
    private static func store(_ content: SecretBytes, in file: Int32) -> Int32 {
        // The umask may have taken bits away that the owner needs.
        guard fchmod(file, 0o600) == 0 else { return errno }
        let number = content.withBytes { bytes -> Int32 in
            unsafe bytes.withUnsafeBytes { bytes -> Int32 in
                var count = 0
                while count < bytes.count {
                    let put = unsafe Glibc.write(file, bytes.baseAddress! + count, bytes.count - count)
                    if put < 0 && errno == EINTR { continue }
                    if put < 0 { return errno }
                    count += put
                }
                return 0
            }
        }
        guard number == 0 else { return number }
        return fsync(file) == 0 ? 0 : errno
    }

    /// The rename lasts through a power cut only when the directory is flushed too.
    private static func flushDirectory(of real: String, for path: String) throws(KeyFileError) {
        let directory = unsafe open(directory(of: real), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw failure(path, errno) }
        defer { _ = close(directory) }
        guard fsync(directory) == 0 else { throw failure(path, errno) }
    }

    private static func checkDirectory(of real: String, for path: String) throws(KeyFileError) {
        let directory = directory(of: real)
        var status = stat()
        guard unsafe stat(directory, &status) == 0 else {
            if errno == ENOENT { throw KeyFileError(path: path, reason: .missingDirectory(directory)) }
            throw failure(path, errno)
        }
        guard status.st_uid == geteuid() || status.st_uid == 0 else {
            throw KeyFileError(path: path, reason: .foreignDirectory(directory, status.st_uid))
        }
        guard status.st_mode & 0o022 == 0 else {
            throw KeyFileError(path: path, reason: .directoryPermissions(directory, status.st_mode & 0o7777))
        }
    }

    private static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    @inline(never)
    private static func failure(_ path: String, _ number: Int32) -> KeyFileError {
        KeyFileError(path: path, reason: number == ENOENT ? .missing : .system(number))
    }
}

/// The operating system's words for its error numbers.
enum SystemError {
    static func text(_ number: Int32) -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard unsafe strerror_r(number, &buffer, buffer.count) == 0 else { return "error \(number)" }
        return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
