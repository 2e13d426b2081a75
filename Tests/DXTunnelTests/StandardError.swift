import FoundationEssentials
import Glibc

/// What the process writes to standard error.
enum StandardError {
    /// Runs `body` and gives what was written meanwhile, by anyone; it is passed on afterwards.
    static func captured(_ body: () async throws -> Void) async throws -> String {
        let path = FileManager.default.temporaryDirectory.appending(path: "dx-stderr-\(UUID().uuidString)").path
        let file = unsafe open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        let original = dup(STDERR_FILENO)
        guard file >= 0, original >= 0 else { throw SocketFailure(code: errno) }
        dup2(file, STDERR_FILENO)
        defer {
            dup2(original, STDERR_FILENO)
            close(original)
            close(file)
            unsafe _ = unlink(path)
        }
        try await body()
        let bytes = Array(try Data(contentsOf: URL(filePath: path)))
        _ = unsafe bytes.withUnsafeBytes { unsafe write(original, $0.baseAddress, $0.count) }
        return String(decoding: bytes, as: UTF8.self)
    }
}
