/// Why a key file was refused or could not be written. `description` names the file and says what to do.
public struct KeyFileError: Error, Equatable, Sendable {
    /// What is wrong.
    public enum Reason: Equatable, Sendable {
        /// There is no such file.
        case missing
        /// The directory for the file does not exist; its path.
        case missingDirectory(String)
        /// It is a directory, a device or a pipe.
        case notAFile
        /// It is larger than any key file (16 KiB).
        case tooLarge
        /// Others than the owner may read or write the file; its permission bits.
        case filePermissions(UInt32)
        /// Others than the owner may write the directory, and so replace the file; its path and permission bits.
        case directoryPermissions(String, UInt32)
        /// The file belongs to another user; the user id.
        case foreignFile(UInt32)
        /// The directory belongs to another user; its path and the user id.
        case foreignDirectory(String, UInt32)
        /// The content is not a P-256 private key in PEM without a passphrase.
        case notAnIdentity
        /// The content is not one line of `dxveil1:` and a secret.
        case notAVeil
        /// The operating system refused; its errno.
        case system(Int32)
    }

    /// The file.
    public let path: String
    /// What is wrong.
    public let reason: Reason

    /// `reason` is what is wrong with the file at `path`.
    public init(path: String, reason: Reason) {
        self.path = path
        self.reason = reason
    }
}

extension KeyFileError: CustomStringConvertible {
    /// One line: the file, what is wrong, what to do.
    public var description: String {
        func octal(_ mode: UInt32) -> String { "0" + String(mode, radix: 8) }
        return switch reason {
        case .missing: "\(path): no such file; make one with 'dxgateway keygen'"
        case .missingDirectory(let directory):
            "\(path): the directory does not exist; make it with 'mkdir -m 700 \(directory)'"
        case .notAFile: "\(path): not a regular file"
        case .tooLarge: "\(path): too large for a key file"
        case .filePermissions(let mode):
            "\(path): others than its owner may use it (mode \(octal(mode))); run 'chmod 600 \(path)'"
        case .directoryPermissions(let directory, let mode):
            "\(path): others may replace it, because they may write its directory (mode \(octal(mode))); "
                + "run 'chmod go-w \(directory)' or move the file"
        case .foreignFile(let user):
            "\(path): belongs to user \(user); run 'chown' to give it to the user that runs this"
        case .foreignDirectory(let directory, let user):
            "\(path): its directory \(directory) belongs to user \(user), who may replace it; move the file"
        case .notAnIdentity:
            "\(path): not a P-256 private key in PEM without a passphrase; make one with 'dxgateway keygen --out FILE'"
        case .notAVeil:
            "\(path): not a group key (one line, dxveil1:...); make one with 'dxgateway keygen --veil --out FILE'"
        case .system(let number): "\(path): \(SystemError.text(number))"
        }
    }
}
