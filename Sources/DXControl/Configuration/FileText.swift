import Glibc

/// Why a file could not be read as text.
enum FileTextError: Error {
    /// The operating system refused; its errno.
    case system(Int32)
    /// It has more bytes than allowed.
    case tooLong(limit: Int)
    /// It is not UTF-8.
    case notText

    /// The fault in words, to stand after the name of the file.
    var message: String {
        switch self {
        case .system(let code): "could not be read (\(unsafe String(cString: strerror(code))))"
        case .tooLong(let limit): "is longer than \(limit) bytes"
        case .notText: "is not UTF-8 text"
        }
    }
}

/// The text of a small file, read whole.
enum FileText {
    /// Reads the file at `path`, of at most `limit` bytes, without a byte order mark.
    static func read(_ path: String, limit: Int) throws(FileTextError) -> String {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system(errno) }
        defer { close(descriptor) }
        // One byte more than allowed tells a file at the limit from a longer one.
        var bytes = [UInt8](repeating: 0, count: limit + 1)
        var count = 0
        while count <= limit {
            let got = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe Glibc.read(descriptor, buffer.baseAddress! + count, buffer.count - count)
            }
            if got == 0 { break }
            if got < 0 {
                if errno == EINTR { continue }
                throw .system(errno)
            }
            count += got
        }
        guard count <= limit else { throw .tooLong(limit: limit) }
        let content = bytes[..<count]
        guard
            let text = String(
                validating: content.starts(with: [0xef, 0xbb, 0xbf]) ? content.dropFirst(3) : content, as: UTF8.self)
        else { throw .notText }
        return text
    }
}
