/// Why a key file was refused or could not be written. `description` names the file and says what to do.
public struct KeyFileError: Error, Equatable, Sendable {
    /// What is wrong.
    public enum Reason: Equatable, Sendable {
        /// There is no such file or directory.
        case missing
        /// It is not a regular file.
        case notAFile
        /// Others than the owner may read or write the file; its mode.
        case filePermissions(UInt32)
        /// Others than the owner may write the directory; its mode.
        case directoryPermissions(UInt32)
        /// The file or directory belongs to another user; its id.
        case foreignOwner(UInt32)
        /// The content is not what such a file holds.
        case malformed
        /// The operating system refused; its errno.
        case system(Int32)
    }

    /// The file.
    public let path: String
    /// What is wrong.
    public let reason: Reason
}

extension KeyFileError: CustomStringConvertible {
    /// One line: the file, what is wrong, what to do.
    public var description: String { "\(path): \(reason)" }
}
