import Foundation
import Testing

/// Compares a text with a file under `Golden/`.
///
/// `DX_RECORD_GOLDEN=1 swift test` writes the files instead; the change then shows in the diff, to be read and judged.
enum GoldenText {
    static func expect(_ text: String, matches name: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden")
        let file = folder.appending(path: name)
        if ProcessInfo.processInfo.environment["DX_RECORD_GOLDEN"] == "1" {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
            return
        }
        let recorded = String(decoding: try Data(contentsOf: file), as: UTF8.self)
        if recorded == text { return }
        let old = recorded.split(separator: "\n", omittingEmptySubsequences: false)
        let new = text.split(separator: "\n", omittingEmptySubsequences: false)
        for index in 0..<max(old.count, new.count) {
            let was = index < old.count ? old[index] : "(nothing)"
            let now = index < new.count ? new[index] : "(nothing)"
            guard was != now else { continue }
            Issue.record(
                "\(name) line \(index + 1): recorded \"\(was)\", now \"\(now)\"", sourceLocation: sourceLocation)
            return
        }
    }
}
