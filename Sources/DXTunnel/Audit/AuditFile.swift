import CDXSystem
import Glibc

/// The audit records on the disk: two files of half the size each, `audit.log` and the one before it, `audit.1.log`, so that the
/// oldest half goes at a time. Whoever has this value is the only one in its process who writes them; another start of the gateway, which still
/// has connections, does it in turns (`flock`).
///
/// Nothing is flushed to the disk: records of the last seconds before a power cut may be missing, and a line may be torn. Such a
/// line is skipped when it is read, and ended before the next one is written.
struct AuditFile: Sendable {
    private let path: String
    private let olderPath: String
    private let halfByteCount: Int

    /// The files in a directory, of so many bytes together.
    init(directory: String, byteCount: Int) {
        path = directory + "/audit.log"
        olderPath = directory + "/audit.1.log"
        halfByteCount = max(byteCount / 2, AuditLine.longest)
    }

    /// Lines in pieces that are to be appended one after the other, each of one line at least and of no more than a file holds. Of
    /// more than both hold the oldest are left out: they would have to go at once.
    func pieces(of lines: [UInt8]) -> [[UInt8]] {
        var result: [[UInt8]] = []
        var rest = lines[...]
        while !rest.isEmpty, result.count < 2 {
            // From the end, so that the newest are there.
            let start = max(rest.startIndex, rest.endIndex - halfByteCount)
            var piece = rest[start...]
            if start > rest.startIndex, rest[start - 1] != UInt8(ascii: "\n") {
                // No line is longer than half.
                guard let end = piece.firstIndex(of: UInt8(ascii: "\n")) else { break }
                piece = piece[(end + 1)...]
            }
            guard !piece.isEmpty else { break }
            result.insert(Array(piece), at: 0)
            rest = rest[..<piece.startIndex]
        }
        return result
    }

    /// Appends lines, a piece; why not, if they cannot be: then none of them is there.
    func append(_ lines: [UInt8]) -> String? {
        var descriptor = openAlone()
        guard descriptor >= 0 else { return Self.errorText() }
        var size = Int(lseek(descriptor, 0, SEEK_END))
        if size > 0, size + lines.count > halfByteCount {
            let result = unsafe rename(path, olderPath)
            let text = Self.errorText()
            close(descriptor)
            guard result == 0 else { return text }
            descriptor = openAlone()
            guard descriptor >= 0 else { return Self.errorText() }
            // Another start may have begun it meanwhile.
            size = Int(lseek(descriptor, 0, SEEK_END))
        }
        defer { close(descriptor) }
        var bytes = lines
        if size > 0, lastByte(descriptor, size) != UInt8(ascii: "\n") { bytes.insert(UInt8(ascii: "\n"), at: 0) }
        var written = 0
        while written < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { memory in
                unsafe write(descriptor, memory.baseAddress! + written, memory.count - written)
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else {
                let text = Self.errorText()
                // What was written of it would be a part of a line.
                _ = ftruncate(descriptor, off_t(size))
                return text
            }
            written += count
        }
        return nil
    }

    /// Opens the file for nobody else to write meanwhile: not one that has become the older one while that was waited for.
    private func openAlone() -> CInt {
        while true {
            let descriptor = open()
            guard descriptor >= 0 else { return descriptor }
            guard flock(descriptor, LOCK_EX) == 0 else { return descriptor }
            var (own, there) = (dx_path(), dx_path())
            guard unsafe dx_path_facts("/proc/self/fd/\(descriptor)", true, &own) == 0,
                unsafe dx_path_facts(path, false, &there) == 0
            else { return descriptor }
            if own.inode == there.inode && own.device == there.device { return descriptor }
            close(descriptor)
        }
    }

    private func open() -> CInt {
        let descriptor = unsafe Glibc.open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600 as mode_t)
        // Also one that was put back from a backup, or opened to others by hand, is not for others to read.
        if descriptor >= 0 { fchmod(descriptor, 0o600) }
        return descriptor
    }

    private func lastByte(_ descriptor: CInt, _ size: Int) -> UInt8 {
        var byte: UInt8 = 0
        _ = unsafe pread(descriptor, &byte, 1, off_t(size - 1))
        return byte
    }

    /// Reads what is there now. Whoever makes it keeps others from writing meanwhile, and need not while it reads.
    func reader() -> AuditReader {
        // One line more than half: what is appended may have to end one that was torn.
        AuditReader([path, olderPath], atMost: halfByteCount + AuditLine.longest)
    }

    private static func errorText() -> String { unsafe String(cString: strerror(errno)) }
}
