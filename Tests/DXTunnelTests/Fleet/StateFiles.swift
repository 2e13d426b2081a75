import Glibc

/// A state directory as a broken disk, or an operator, leaves it.
enum StateFiles {
    /// Removes a file.
    static func remove(_ name: String, in directory: String) throws {
        guard unsafe unlink(directory + "/" + name) == 0 else { throw StateFilesError(code: errno) }
    }

    /// Makes an empty directory.
    static func make(_ directory: String) throws {
        guard unsafe mkdir(directory, 0o700) == 0 else { throw StateFilesError(code: errno) }
    }
}

/// The system refused.
struct StateFilesError: Error {
    var code: Int32
}
