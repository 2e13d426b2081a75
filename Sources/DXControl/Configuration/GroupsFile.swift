public import DXMatchServer

/// The file of match keys that a matchmaker serves (`docs/dxmatchd.md`).
public enum GroupsFile {
    /// A hundred thousand keys with comments.
    private static let maximumByteCount = 16 << 20

    /// Reads it. Throws `GroupsFileError`, which names file and line.
    public static func read(_ path: String) throws(GroupsFileError) -> ServedGroups {
        let text: String
        do { text = try FileText.read(path, limit: maximumByteCount) } catch {
            throw GroupsFileError(path: path, line: 0, problem: error.message)
        }
        return try ServedGroups(text: text, path: path)
    }
}
