/// Files that nobody but their owner may read or write, replaced as a whole: what a gateway knows of its group.
///
/// The rules are those of key files: mode 0600, in a directory that nobody else may write, owned by the user that runs this
/// or by root. A write goes to a temporary file beside it, whose name has `temporaryMark` in it, is flushed to the disk and
/// renamed, and the directory is flushed: a crash at any moment leaves the old file or the new one, and maybe the temporary
/// one. Blocks for as long as the disk takes.
public enum PrivateFile {
    /// What stands in the name of a file that was not finished: `<name>.new-<random>`.
    public static let temporaryMark = ".new-"

    /// The content of the file at `path`; `tooLarge` when it has more than `limit` bytes.
    public static func read(_ path: String, atMost limit: Int) throws(KeyFileError) -> [UInt8] {
        try KeyFile.read(path, atMost: limit).withBytes { bytes in unsafe bytes.withUnsafeBytes { unsafe [UInt8]($0) } }
    }

    /// The same, for content that is zeroed when it is let go.
    public static func readSecret(_ path: String, atMost limit: Int) throws(KeyFileError) -> SecretBytes {
        try KeyFile.read(path, atMost: limit)
    }

    /// Puts `content` in place of the file at `path`, or makes it.
    public static func write(_ content: SecretBytes, to path: String) throws(KeyFileError) {
        try KeyFile.write(content, to: path)
    }

    /// Puts `content` in place of the file at `path`, or makes it.
    public static func write(_ content: [UInt8], to path: String) throws(KeyFileError) {
        try KeyFile.write(unsafe SecretBytes(content.span.bytes), to: path)
    }
}
