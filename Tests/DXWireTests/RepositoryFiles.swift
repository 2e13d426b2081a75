import FoundationEssentials

/// Files of the repository, found by the place of this one.
enum RepositoryFiles {
    private static let root: String = {
        // ROOT/Tests/DXWireTests/RepositoryFiles.swift
        var parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        parts.removeLast(3)
        return parts.joined(separator: "/")
    }()

    /// The paths of all files in a folder and the folders in it, from the root, in order; none if there is no such
    /// folder.
    static func paths(under folder: String) -> [String] {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: "\(root)/\(folder)") else { return [] }
        return names.sorted().flatMap { name -> [String] in
            let path = "\(folder)/\(name)"
            var isFolder = false
            guard FileManager.default.fileExists(atPath: "\(root)/\(path)", isDirectory: &isFolder) else { return [] }
            return isFolder ? paths(under: path) : [path]
        }
    }

    /// The bytes of a file; throws if it cannot be read.
    static func bytes(_ path: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(filePath: "\(root)/\(path)")))
    }

    /// The files under `folder` whose names end with `suffix`, with their text.
    static func texts(under folder: String, suffix: String) throws -> [(path: String, text: String)] {
        try paths(under: folder).filter { $0.hasSuffix(suffix) }.map { path in
            (path, String(decoding: try bytes(path), as: UTF8.self))
        }
    }
}
