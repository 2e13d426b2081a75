import Glibc

/// The audit records on the disk: two files of half the size each, `audit.log` and the one before it, `audit.1.log`, so that the
/// oldest half goes at a time. Whoever has this value is the only one who writes them.
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

    /// Appends lines; why not, if they cannot be: then none of them is there.
    func append(_ lines: [UInt8]) -> String? {
        var descriptor = open()
        guard descriptor >= 0 else { return Self.errorText() }
        var size = Int(lseek(descriptor, 0, SEEK_END))
        if size > 0, size + lines.count > halfByteCount {
            close(descriptor)
            guard unsafe rename(path, olderPath) == 0 else { return Self.errorText() }
            descriptor = open()
            guard descriptor >= 0 else { return Self.errorText() }
            size = 0
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

    private func open() -> CInt {
        unsafe Glibc.open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600 as mode_t)
    }

    private func lastByte(_ descriptor: CInt, _ size: Int) -> UInt8 {
        var byte: UInt8 = 0
        _ = unsafe pread(descriptor, &byte, 1, off_t(size - 1))
        return byte
    }

    /// All that can be read, the oldest first.
    func records() -> [AuditRecord] { [olderPath, path].flatMap { Self.records(at: $0, atMost: halfByteCount) } }

    private static func records(at path: String, atMost byteCount: Int) -> [AuditRecord] {
        let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        // One that was written under a larger limit is read from where its last part begins.
        let size = Int(lseek(descriptor, 0, SEEK_END))
        let start = max(0, size - max(byteCount, 0) - AuditLine.longest)
        var bytes = [UInt8](repeating: 0, count: size - start)
        var count = 0
        while count < bytes.count {
            let got = unsafe bytes.withUnsafeMutableBytes { memory in
                unsafe pread(
                    descriptor, memory.baseAddress! + count, memory.count - count, off_t(start + count))
            }
            if got < 0 && errno == EINTR { continue }
            guard got > 0 else { break }
            count += got
        }
        return bytes[..<count].split(separator: UInt8(ascii: "\n")).compactMap { line in
            String(validating: line, as: UTF8.self).flatMap { AuditLine.record($0[...]) }
        }
    }

    private static func errorText() -> String { unsafe String(cString: strerror(errno)) }
}
