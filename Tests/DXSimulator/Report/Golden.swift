internal import Foundation

/// Compares text with a file under version control. `DX_GOLDEN=write` writes the file instead; review the difference.
public enum Golden {
    /// Throws when `text` is not what the file `name` in the folder `Golden` beside the calling test file holds.
    public static func check(_ text: String, _ name: String, testFile: String = #filePath) throws {
        let file = URL(fileURLWithPath: testFile).deletingLastPathComponent()
            .appendingPathComponent("Golden").appendingPathComponent(name)
        if Replay.environment("DX_GOLDEN") == "write" {
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try text.write(to: file, atomically: true, encoding: .utf8)
            return
        }
        guard let expected = try? String(contentsOf: file, encoding: .utf8) else {
            throw SimulationFailure("no golden file \(file.path); write it with DX_GOLDEN=write")
        }
        guard text != expected else { return }
        let seen = text.split(separator: "\n", omittingEmptySubsequences: false)
        let wanted = expected.split(separator: "\n", omittingEmptySubsequences: false)
        let line = zip(seen, wanted).enumerated().first { $1.0 != $1.1 }?.offset ?? min(seen.count, wanted.count)
        throw SimulationFailure(
            """
            \(name) differs from line \(line + 1) on:
              expected: \(line < wanted.count ? String(wanted[line]) : "end of file")
              seen:     \(line < seen.count ? String(seen[line]) : "end of file")
            If the change is wanted: DX_GOLDEN=write swift test, and review the difference.
            """)
    }
}
