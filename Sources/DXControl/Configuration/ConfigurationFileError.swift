/// A configuration file was refused. It names everything that is wrong, so that one correction is enough.
public struct ConfigurationFileError: Error, Sendable {
    /// Every problem, in the order of the file; at least one.
    public let problems: [ConfigurationFileProblem]

    init(problems: [ConfigurationFileProblem]) { self.problems = problems }
}

extension ConfigurationFileError: CustomStringConvertible {
    /// One problem per line.
    public var description: String { problems.map(\.description).joined(separator: "\n") }
}

/// One thing that is wrong with a configuration file.
public struct ConfigurationFileProblem: Hashable, Sendable {
    /// A place in a text: both count from 1, columns in Unicode scalars.
    public struct Position: Hashable, Comparable, Sendable {
        /// The line.
        public let line: Int
        /// The column.
        public let column: Int

        init(line: Int, column: Int) {
            self.line = line
            self.column = column
        }

        /// Orders as in the text.
        public static func < (left: Position, right: Position) -> Bool {
            (left.line, left.column) < (right.line, right.column)
        }
    }

    /// The path of the file, as it was given.
    public let file: String
    /// Where in the file; nil when it could not be read at all.
    public let position: Position?
    /// What is wrong.
    public let message: String
    /// What to do, as an instruction.
    public let remedy: String
}

extension ConfigurationFileProblem: CustomStringConvertible {
    /// `file:line:column: what is wrong; what to do`.
    public var description: String {
        let place = position.map { "\(file):\($0.line):\($0.column)" } ?? file
        return "\(place): \(message); \(remedy)"
    }
}
