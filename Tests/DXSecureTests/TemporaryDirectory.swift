import Glibc

/// A fresh directory of mode 0700, removed with its files when freed.
final class TemporaryDirectory {
    let path: String

    init() throws {
        var template = Array("/tmp/dx-secure-XXXXXX".utf8CString)
        guard unsafe mkdtemp(&template) != nil else { throw TestFailure("mkdtemp: \(errno)") }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    deinit {
        _ = unsafe chmod(path, 0o700)
        for name in names { _ = unsafe unlink(path + "/" + name) }
        _ = unsafe rmdir(path)
    }

    /// The names in it.
    var names: [String] {
        var names: [String] = []
        guard let directory = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(directory) }
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Writes a file of this mode; its path.
    func file(_ name: String, _ content: String, mode: mode_t = 0o600) throws -> String {
        let file = path + "/" + name
        let descriptor = unsafe open(file, O_WRONLY | O_CREAT | O_TRUNC, 0o600 as mode_t)
        guard descriptor >= 0 else { throw TestFailure("open: \(errno)") }
        defer { close(descriptor) }
        let bytes = Array(content.utf8)
        guard unsafe write(descriptor, bytes, bytes.count) == bytes.count else { throw TestFailure("write: \(errno)") }
        _ = fchmod(descriptor, mode)
        return file
    }

    static func mode(_ path: String) -> mode_t {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return 0 }
        return status.st_mode & 0o7777
    }
}
