import DXSecure

/// A state directory that was refused, or could not be used. `description` is one line: what it is about, what is wrong,
/// what to do.
public struct StateProblem: Error, Hashable, Sendable, CustomStringConvertible {
    /// The file or directory.
    public let path: String
    /// What is wrong with it, to stand after its name.
    public let message: String
    /// What to do, as an instruction.
    public let remedy: String

    init(_ path: String, _ message: String, _ remedy: String) {
        self.path = path
        self.message = message
        self.remedy = remedy
    }

    /// What a file was refused for.
    init(_ error: KeyFileError) {
        let problem = KeyFiles.problem(error, kind: .state)
        self.init(problem.path, problem.message, problem.remedy)
    }

    /// What a state file was refused for.
    init(_ refusal: StateFile.Refusal, path: String) {
        switch refusal {
        case .otherKind: self.init(path, "is no such file", "name the state directory of a gateway")
        case .newerVersion(let version):
            self.init(path, "was written by a newer dxgateway (version \(version))", "run that one")
        case .damaged:
            self.init(path, "is damaged", "put a backup in its place, or remove it and join the group again")
        }
    }

    /// One line: what it is about, what is wrong, what to do.
    public var description: String { "\(path): \(message); \(remedy)" }
}
