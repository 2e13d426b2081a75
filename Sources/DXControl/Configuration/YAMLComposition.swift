import Yams

/// A YAML text as nodes, with the keys that stand twice in one mapping.
///
/// Yams refuses a text at its first repeated key. To find all of them, the repeated key is renamed in the text, one
/// character for one so that no position moves, and the text is tried again. Renamed keys are told by their first
/// character, from a private-use block of Unicode; `original(of:)` gives the name back.
struct YAMLComposition {
    /// What the text is when it is not YAML, or not one that can be read on.
    struct Failure: Error {
        /// Where; nil when the whole text is meant.
        var position: ConfigurationFileProblem.Position?
        /// What is wrong.
        var message: String
        /// What to do.
        var remedy: String
    }

    /// The top node; nil for an empty text.
    let root: Node?
    /// The character that each renamed key began with, in the order of renaming.
    private let replaced: [Unicode.Scalar]

    /// How many repeated keys are looked for; a text with more is refused at that many.
    private static let maximumRepeatedKeys = 64
    private static let firstMarker: UInt32 = 0xe000

    /// Composes `text`.
    init(_ text: String) throws(Failure) {
        var scalars = Array(text.unicodeScalars)
        var replaced: [Unicode.Scalar] = []
        while true {
            let current = replaced.isEmpty ? text : String(String.UnicodeScalarView(scalars))
            do {
                root = try Yams.compose(yaml: current)
                self.replaced = replaced
                return
            } catch YamlError.duplicatedKeysInMapping(let names, let context) {
                let position = ConfigurationFileProblem.Position(line: context.mark.line, column: context.mark.column)
                guard replaced.count < Self.maximumRepeatedKeys,
                    let index = Self.nameIndex(at: position, in: scalars),
                    let marker = Unicode.Scalar(Self.firstMarker + UInt32(replaced.count))
                else {
                    throw Failure(
                        position: position, message: "repeated keys: \(names.joined(separator: ", "))",
                        remedy: "keep one of each")
                }
                replaced.append(scalars[index])
                scalars[index] = marker
            } catch let error as YamlError {
                throw Self.failure(error)
            } catch {
                throw Failure(message: "not YAML (\(error))", remedy: "compare it with docs/configuration.md")
            }
        }
    }

    /// The name that a key had in the text, and whether it is one of the renamed.
    func original(of key: String) -> (name: String, isRepeated: Bool) {
        guard let first = key.unicodeScalars.first, first.value >= Self.firstMarker,
            first.value < Self.firstMarker + UInt32(replaced.count)
        else { return (key, false) }
        var scalars = String.UnicodeScalarView(key.unicodeScalars.dropFirst())
        scalars.insert(replaced[Int(first.value - Self.firstMarker)], at: scalars.startIndex)
        return (String(scalars), true)
    }

    /// The index of a key's first character, after its quote, when it has one.
    private static func nameIndex(
        at position: ConfigurationFileProblem.Position, in scalars: [Unicode.Scalar]
    ) -> Int? {
        var line = 1
        var index = 0
        while line < position.line {
            guard index < scalars.count else { return nil }
            switch scalars[index] {
            case "\r":
                // A carriage return and line feed are one break.
                if index + 1 < scalars.count, scalars[index + 1] == "\n" { index += 1 }
                line += 1
            case "\n", "\u{85}", "\u{2028}", "\u{2029}": line += 1
            default: break
            }
            index += 1
        }
        index += position.column - 1
        guard index < scalars.count else { return nil }
        if scalars[index] == "\"" || scalars[index] == "'" { index += 1 }
        guard index < scalars.count, scalars[index].properties.isAlphabetic else { return nil }
        return index
    }

    private static func failure(_ error: YamlError) -> Failure {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            let remedy =
                problem.contains("cannot start any token")
                ? "indent with spaces, not tabs, and put text that begins with @, ` or % in quotes"
                : "check this line and the one above: indentation, colons, brackets, quotes"
            return Failure(
                position: ConfigurationFileProblem.Position(line: mark.line, column: mark.column),
                message: "not YAML: \(problem)", remedy: remedy)
        case .reader(let problem, _, _, _):
            return Failure(message: "not YAML: \(problem)", remedy: "remove control characters")
        case .no, .memory, .writer, .emitter, .representer, .dataCouldNotBeDecoded, .duplicatedKeysInMapping:
            return Failure(message: "not YAML: \(error)", remedy: "compare it with docs/configuration.md")
        }
    }
}
